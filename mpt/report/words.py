"""Format numbers and names, the same way in every table, page and figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING

from mpt.methods import METHODS

if TYPE_CHECKING:
    from mpt.stats.intervals import Interval

CANNOT_SAY = "n/a"
"""Printed in place of a number that is undefined."""

_BASELINES = {"FT": "Fine-tuning"}


def method_name(method: str) -> str:
    """Return the name that papers print for one of mpt's methods; any other name as it is."""
    return METHODS[method].label if method in METHODS else _BASELINES.get(method, method)


def method_names(methods: Iterable[str]) -> dict[str, str]:
    """Map the methods of a table to distinct printed names.

    Where ``maml`` appears beside a ``MAML`` from elsewhere, both keep their own names.
    """
    names = {method: method_name(method) for method in methods}
    counts = Counter(names.values())
    return {method: name if counts[name] == 1 else method for method, name in names.items()}


def percent(value: float | None) -> str:
    """Format a gain in percent as the paper does, with sign and two decimals: ``+11.14``."""
    return CANNOT_SAY if value is None or not isfinite(value) else f"{value:+.2f}"


def interval(value: Interval) -> str:
    """Format an interval in percent, ``[-4.1, +12.0]``, without decimals from 100 on."""
    if not value.known:
        return CANNOT_SAY
    digits = 0 if max(abs(value.low), abs(value.high)) >= 100 else 1
    return f"[{value.low:+.{digits}f}, {value.high:+.{digits}f}]"


def score(value: float | None) -> str:
    """Format an absolute score: ``0.713``."""
    return CANNOT_SAY if value is None or not isfinite(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    """Format a p-value: ``0.031`` or ``<0.001``."""
    if not isfinite(value):
        return CANNOT_SAY
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def params(values: Mapping[str, object]) -> str:
    """Format hyper-parameters on one line: ``inner_lr 0.032  outer_steps 40``."""
    return "  ".join(f"{name} {param(value)}" for name, value in values.items())


def param(value: object) -> str:
    """Format one hyper-parameter; a rate is given to three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def clock(seconds: float) -> str:
    """Format a duration: ``1:02:03``, ``2:03`` or ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
