"""Ways to learn an initial prompt: pure functions of ``(phi, support, query, loss, alpha)``.

No model, gym, optimiser or tracker is known here. Every method returns a ``MetaGradient``
``[R, P, H]`` for the outer optimiser; runs in a pack never mix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from mpt.errors import UnknownName
from mpt.methods.by_higher import maml_by_higher
from mpt.methods.inner import MetaGradient
from mpt.methods.maml import fomaml, maml, maml_by_recursion
from mpt.methods.mtl import mtl
from mpt.methods.reptile import reptile

Gradient = Callable[..., MetaGradient]
"""``(phi, support, query, loss, alpha) -> MetaGradient``."""


@dataclass(frozen=True, slots=True)
class Revision:
    """That a method is computed otherwise than at first, so that earlier results do not count.

    Attributes:
        number: part of a run's digest; the first formula has none, the second one 2.
        why: what was wrong, for people.
    """

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method and what its episodes hold.

    Attributes:
        gradient: its direction.
        support: whether inner batches are drawn (from a unit's train set).
        query: where outer batches come from: the same unit's ``dev`` set, all units' train and
            dev sets ``pooled``, or ``none``.
        order: how often the loss is differentiated; 2 needs one whose gradient has a gradient.
        engines: other ways to the same direction by the names of ``mpt.engine.plan.META_ENGINES``,
            ``gradient`` among them; without any, ``gradient`` is the only one.
        revision: set when its formula was mended.
    """

    gradient: Gradient
    support: bool
    query: Literal["dev", "pooled", "none"]
    order: Literal[1, 2] = 1
    engines: Mapping[str, Gradient] = field(default_factory=dict)
    revision: Revision | None = None

    def by(self, engine: str) -> Gradient:
        """Its gradient by an engine of its own; by any other name it is ``gradient``."""
        return self.engines.get(engine, self.gradient)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "maml": Method(
            maml,
            support=True,
            query="dev",
            order=2,
            engines=MappingProxyType(
                {"graph": maml, "recursion": maml_by_recursion, "higher": maml_by_higher}
            ),
        ),
        "fomaml": Method(fomaml, support=True, query="dev"),
        "reptile": Method(
            reptile,
            support=True,
            query="none",
            revision=Revision(
                2,
                "its direction was a difference of prompts, which float32 rounds, and is now exact",
            ),
        ),
        "mtl": Method(mtl, support=False, query="pooled"),
    }
)


def revision(name: str) -> int | None:
    """The number of a method's formula, where it is not its first."""
    known = method(name).revision
    return known.number if known else None


def method(name: str) -> Method:
    """The method called ``name``. Raises ``UnknownName`` with the nearest one."""
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownName("method", name, METHODS) from None
