"""Protocols: ways to run prompt tuning, as defaults that a study file may still override."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

ProtocolName = Literal["paper", "authors"]

PROTOCOLS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "paper": {},
        "authors": {
            "backbone": {"prompt_place": "after", "prompt_start": "tasks", "name_tasks": True},
            "tuning": {"beams": 4},
        },
    }
)
"""``paper``: as the text has it, decoded greedily. ``authors``: what their programs did instead:
the prompt behind the input, its first rows made of task names, the task's name before every input,
beam search. Their dropout in the frozen model is not part of it: a run would then depend on the
runs it is packed with."""
