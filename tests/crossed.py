"""Every combination of some values, a chosen few of them fast and the others slow."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import product

import pytest


def crossed(*axes: Iterable[object], fast: Collection[tuple[object, ...]]) -> list[object]:
    """Return parameters for ``pytest.mark.parametrize``: the product, all but ``fast`` slow."""
    every = list(product(*axes))
    assert set(fast) <= set(every)
    return [
        pytest.param(*values, marks=() if values in fast else pytest.mark.slow) for values in every
    ]
