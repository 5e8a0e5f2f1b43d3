"""Tables of gains for tests of what a search knows."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mpt.stats.gain_table import GainTable


def gain_table(gains: ArrayLike, **about: Any) -> GainTable:
    """The table of gains ``[T, K, S]`` of trials 1 to T on tasks named ``task-0`` and so on."""
    every = np.asarray(gains, dtype=np.float64)
    trials, tasks, seeds = every.shape
    return GainTable(
        trials=tuple(str(number + 1) for number in range(trials)),
        cells=tuple(product([f"task-{k}" for k in range(tasks)], range(seeds))),
        gains=every.reshape(trials, -1),
        **about,
    )
