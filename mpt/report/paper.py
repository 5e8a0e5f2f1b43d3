"""Values printed in the paper, shown beside ours only where the same quantity was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from mpt.report.words import method_name
from mpt.stats.scores import Gain

MAIN = "T5-Large"
"""The backbone of the paper's Table 2."""


def paper_arg(gain: Gain, backbone: str) -> float | None:
    """Return the ARG that the paper prints for this method, setting and backbone, in percent.

    None unless the setting's targets are exactly the paper's: a folder with some of them, or the
    embedded gym, measures something else under the same name.
    """
    from mpt.gym.crossfit import crossfit_partitions

    settings = crossfit_partitions().settings
    if gain.setting not in settings or set(gain.tasks) != set(settings[gain.setting].targets):
        return None
    printed = _paper()
    family = paper_family(backbone)
    columns = {name.lower(): column for name, column in printed["arg"].get(family, {}).items()}
    return columns.get(method_name(gain.method).lower(), {}).get(gain.setting)


def paper_family(backbone: str) -> str:
    """Return the paper's name of a backbone; that of its main table if none is named."""
    return _paper()["backbones"].get(backbone, backbone) or MAIN


def paper_setting(tasks: Iterable[str]) -> str | None:
    """Return the paper's setting with exactly these targets; None if there is none or several."""
    from mpt.gym.crossfit import crossfit_partitions

    targets = set(tasks)
    names = [n for n, s in crossfit_partitions().settings.items() if set(s.targets) == targets]
    return names[0] if len(names) == 1 else None


def paper_source() -> str:
    """Return where the printed values come from."""
    return str(_paper()["source"])


@cache
def _paper() -> Mapping[str, Any]:
    return json.loads(files("mpt.report").joinpath("data/paper.json").read_text(encoding="utf-8"))
