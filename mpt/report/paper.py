"""The paper's printed values, shown beside ours only where the same thing was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from mpt.report.words import method_name
from mpt.scores import Gain


def paper_arg(gain: Gain, backbone: str) -> float | None:
    """The ARG that the paper prints for this method, setting and backbone, in percent.

    None unless the setting's targets are exactly the paper's: a folder that holds some of them,
    or the embedded gym, measures something else under the same name.
    """
    from mpt.gym.crossfit import crossfit_partitions

    settings = crossfit_partitions().settings
    if gain.setting not in settings or set(gain.tasks) != set(settings[gain.setting].targets):
        return None
    printed = _paper()
    family = printed["backbones"].get(backbone, backbone)
    return printed["arg"].get(family, {}).get(method_name(gain.method), {}).get(gain.setting)


def paper_source() -> str:
    """Where the printed values are from."""
    return str(_paper()["source"])


@cache
def _paper() -> Mapping[str, Any]:
    return json.loads(files("mpt.report").joinpath("data/paper.json").read_text(encoding="utf-8"))
