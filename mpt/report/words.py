"""How numbers and names are written, the same in every table, page and figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING

from mpt.methods import METHODS

if TYPE_CHECKING:
    from mpt.stats.intervals import Interval

CANNOT_SAY = "n/a"
"""What stands for a number that the data do not give."""

_BASELINES = {"FT": "Fine-tuning"}


def method_name(method: str) -> str:
    """A method of mpt's as papers print it; any other name as it is."""
    return METHODS[method].label if method in METHODS else _BASELINES.get(method, method)


def method_names(methods: Iterable[str]) -> dict[str, str]:
    """What each of the methods of a table is called in it: no two alike.

    Where ``maml`` stands beside a ``MAML`` of somebody else, both keep their own names.
    """
    names = {method: method_name(method) for method in methods}
    met = Counter(names.values())
    return {method: name if met[name] == 1 else method for method, name in names.items()}


def percent(value: float | None) -> str:
    """``+11.14``: a gain in percent with its sign and two decimals, as the paper has them."""
    return CANNOT_SAY if value is None or not isfinite(value) else f"{value:+.2f}"


def interval(value: Interval) -> str:
    """``[-4.1, +12.0]``, in percent; an end beyond 100 needs no decimals."""
    if not value.known:
        return CANNOT_SAY
    digits = 0 if max(abs(value.low), abs(value.high)) >= 100 else 1
    return f"[{value.low:+.{digits}f}, {value.high:+.{digits}f}]"


def score(value: float | None) -> str:
    """``0.713``: an absolute score."""
    return CANNOT_SAY if value is None or not isfinite(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    """``0.031`` or ``<0.001``."""
    if not isfinite(value):
        return CANNOT_SAY
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def params(values: Mapping[str, object]) -> str:
    """``inner_lr 0.032  outer_steps 40``: hyper-parameters on one line."""
    return "  ".join(f"{name} {param(value)}" for name, value in values.items())


def param(value: object) -> str:
    """One hyper-parameter; three digits of a rate are all that matter."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def clock(seconds: float) -> str:
    """``1:02:03``, ``2:03`` or ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
