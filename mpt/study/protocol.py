"""Protocols: ways to run prompt tuning, as defaults that a study file may still override."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from mpt.config import Habits
from mpt.methods import method as known_method

ProtocolName = Literal["paper", "authors"]

PROTOCOLS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "paper": {},
        "authors": {
            "backbone": {
                "prompt_position": "after",
                "prompt_init": "tasks",
                "prepend_task_name": True,
            },
            "tuning": {"num_beams": 4, "batch": 16, "epochs": 1000},
            "final": {"fine_tuning": {"steps": 1000, "batch": 16, "num_evals": 20, "epochs": 300}},
        },
    }
)
"""``paper``: as the text has it, decoded greedily. ``authors``: what their programs did instead:
the prompt behind the input, its first rows made of task names, the task's name before every input,
beam search, two devices with a batch of 8 each, and a cap on epochs by which tasks of 32 rows stop
early. docs/study-file.md lists what is not taken over, and why."""


def habits(protocol: ProtocolName, method: str, max_target: int) -> Habits | None:
    """How a protocol's meta-trainings go, where that is not mpt's own way.

    Args:
        protocol: whose.
        method: each had a program of its own.
        max_target: of the backbone; targets that are shorter anyway are not cut.
    """
    if protocol != "authors":
        return None
    chosen = Habits.model_validate(dict(known_method(method).habits))
    if chosen.max_target is not None and chosen.max_target >= max_target:
        chosen = chosen.model_copy(update={"max_target": None})
    return chosen if chosen != Habits() else None
