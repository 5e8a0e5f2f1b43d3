"""Table of the samplers of a search, which can be read without Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from mpt.schema import key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """Describe a sampler, as a row of the table.

    Attributes:
        draw: the function that creates Optuna's sampler for one trial, as ``module:name``; it is
            called with the study, the trial's number and the earlier trials that it may use.
        summary: description for people.
        exhausts: whether it takes every combination of listed values once and then ends.
    """

    draw: str
    summary: str
    exhausts: bool = False


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "tpe": Sampler(draw="mpt.search.samplers:tpe", summary="tree-structured Parzen estimator"),
        "gp": Sampler(draw="mpt.search.samplers:gp", summary="Gaussian process"),
        "random": Sampler(draw="mpt.search.samplers:at_random", summary="independent draws"),
        "qmc": Sampler(draw="mpt.search.samplers:qmc", summary="scrambled Sobol points"),
        "grid": Sampler(
            draw="mpt.search.samplers:grid", summary="every combination of lists", exhausts=True
        ),
    }
)

SamplerName = Annotated[str, key_of(lambda: SAMPLERS)]
