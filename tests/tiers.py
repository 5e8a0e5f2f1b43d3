"""Which cases of a test run when: a few each time, others with the slow tests or each night."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def few_fast(cases: Iterable[Any], *fast: Any) -> list[Any]:
    """Mark all cases but these as slow."""
    return [one if one in fast else pytest.param(one, marks=pytest.mark.slow) for one in cases]


def few_in_ci(cases: Iterable[Any], *kept: Any) -> list[Any]:
    """Leave all cases but these to the night."""
    return [one if one in kept else pytest.param(one, marks=pytest.mark.nightly) for one in cases]
