"""Protocols: sets of defaults for prompt tuning, which a study file may override."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from mpt.config import Habits
from mpt.methods import method as known_method

ProtocolName = Literal["paper", "authors"]

PROTOCOLS: Mapping[str, Mapping[str, Mapping[str, object]]] = MappingProxyType(
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
"""``paper``: as described in the paper, with greedy decoding. ``authors``: as in the authors' code:
the prompt after the input, its first rows initialised from task names, the task's name before every
input, beam search, two devices with a batch of 8 each, and a cap on epochs that ends tuning early
on tasks of 32 rows. docs/study-file.md lists what differs from that code, and why."""


def habits(protocol: ProtocolName, method: str, max_target: int) -> Habits | None:
    """Return how a protocol's meta-trainings differ from mpt's own; None if they do not.

    Args:
        protocol: name of the protocol.
        method: name of the method; the authors' code has a program for each.
        max_target: of the backbone; a limit that is not below it changes nothing.
    """
    if protocol != "authors":
        return None
    chosen = Habits.model_validate(dict(known_method(method).habits))
    if chosen.max_target is not None and chosen.max_target >= max_target:
        chosen = chosen.model_copy(update={"max_target": None})
    return chosen if chosen != Habits() else None
