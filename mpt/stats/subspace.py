"""Input subspaces of soft prompts, and how much of one prompt lies in the subspace of another.

The measure of the paper's appendix A.6: a task's subspace is spanned by the leading singular
vectors of its tuned prompt (Saha et al. 2021, GPM, equation 5), and another prompt's correlation
with it is the norm of its projection (Lin et al. 2022, TRGP, equation 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpt.errors import DataError

ENERGY = 0.95
"""Share of a prompt's squared norm that its subspace must hold, as GPM's threshold."""


@dataclass(frozen=True, slots=True)
class Subspace:
    """The leading part of a prompt.

    Attributes:
        values: ``[K]`` singular values, the largest first.
        basis: ``[K, H]`` orthonormal directions in the space of token embeddings.
    """

    values: NDArray[np.float64]
    basis: NDArray[np.float64]


def input_subspace(prompt: ArrayLike, energy: float = ENERGY) -> Subspace:
    """The smallest leading subspace of a prompt ``[P, H]`` that holds ``energy`` of it.

    Raises:
        DataError: every row is zero, or a value is not finite.
    """
    rows = np.asarray(prompt, dtype=np.float64)
    if not np.isfinite(rows).all() or not rows.any():
        raise DataError("a prompt of zeros, or one that is not finite, spans no subspace")
    _, values, basis = np.linalg.svd(rows, full_matrices=False)
    held = np.cumsum(values**2) / np.sum(values**2)
    rank = int(np.searchsorted(held, energy - 1e-12)) + 1
    return Subspace(values[:rank], basis[:rank])


def correlation(of: Subspace, onto: Subspace) -> float:
    """``|Proj(of)| / |of|``, Frobenius norms: 1 inside the other subspace, 0 at right angles.

    Not symmetric: a narrow prompt may lie in a broad one's subspace and not the other way round.
    """
    shadow = of.values[:, None] * (of.basis @ onto.basis.T)
    return min(1.0, float(np.linalg.norm(shadow) / np.linalg.norm(of.values)))


def by_chance(onto: Subspace) -> float:
    """About what a prompt of random directions would correlate with a subspace: sqrt(K / H)."""
    rank, width = onto.basis.shape
    return sqrt(rank / width)
