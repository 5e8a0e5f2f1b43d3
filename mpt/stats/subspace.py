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
"""Share of a prompt's squared norm that its subspace must contain, the threshold of GPM."""


@dataclass(frozen=True, slots=True)
class Subspace:
    """The span of a prompt's leading singular vectors.

    Attributes:
        values: ``[K]`` singular values, the largest first.
        basis: ``[K, H]`` orthonormal directions in the space of token embeddings.
    """

    values: NDArray[np.float64]
    basis: NDArray[np.float64]


def input_subspace(prompt: ArrayLike, energy: float = ENERGY) -> Subspace:
    """Compute the smallest leading subspace of a prompt ``[P, H]`` with a share ``energy`` of it.

    Raises:
        DataError: all rows are zero, or a value is not finite.
    """
    rows = np.asarray(prompt, dtype=np.float64)
    if not np.isfinite(rows).all() or not rows.any():
        raise DataError("a prompt of zeros, or one that is not finite, spans no subspace")
    _, values, basis = np.linalg.svd(rows, full_matrices=False)
    cumulative = np.cumsum(values**2) / np.sum(values**2)
    rank = int(np.searchsorted(cumulative, energy - 1e-12)) + 1
    return Subspace(values[:rank], basis[:rank])


def correlation(of: Subspace, onto: Subspace) -> float:
    """Compute ``|Proj(of)| / |of|`` in Frobenius norms: 1 inside ``onto``, 0 if orthogonal to it.

    It is not symmetric: a prompt of low rank may lie in the subspace of one of higher rank.
    """
    projection = of.values[:, None] * (of.basis @ onto.basis.T)
    return min(1.0, float(np.linalg.norm(projection) / np.linalg.norm(of.values)))


def by_chance(onto: Subspace) -> float:
    """Return the expected correlation of a random prompt with a subspace, about sqrt(K / H)."""
    rank, width = onto.basis.shape
    return sqrt(rank / width)
