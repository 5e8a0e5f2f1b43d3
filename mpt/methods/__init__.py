"""Ways to learn an initial prompt: pure functions of ``(phi, support, query, loss, alpha)``.

No model, gym, optimiser or tracker is known here. Every method returns a ``MetaGradient``
``[R, P, H]`` for the outer optimiser; runs in a pack never mix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from mpt.errors import UnknownName
from mpt.methods.inner import MetaGradient
from mpt.methods.maml import fomaml, maml
from mpt.methods.mtl import mtl
from mpt.methods.reptile import reptile


@dataclass(frozen=True, slots=True)
class Method:
    """A method and what its episodes hold.

    Attributes:
        gradient: ``(phi, support, query, loss, alpha) -> MetaGradient``.
        support: whether inner batches are drawn (from a unit's train set).
        query: where outer batches come from: the same unit's ``dev`` set, all units' train and
            dev sets ``pooled``, or ``none``.
        order: how often the loss is differentiated; 2 needs one whose gradient has a gradient.
    """

    gradient: Callable[..., MetaGradient]
    support: bool
    query: Literal["dev", "pooled", "none"]
    order: Literal[1, 2] = 1


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "maml": Method(maml, support=True, query="dev", order=2),
        "fomaml": Method(fomaml, support=True, query="dev"),
        "reptile": Method(reptile, support=True, query="none"),
        "mtl": Method(mtl, support=False, query="pooled"),
    }
)


def method(name: str) -> Method:
    """The method called ``name``. Raises ``UnknownName`` with the nearest one."""
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownName("method", name, METHODS) from None
