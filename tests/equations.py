"""Every equation of the table of methods, with what it takes by name filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpt.methods import METHODS, Method
from mpt.methods.inner import MetaGradient


def own(known: Method, phi, **args: float) -> dict[str, object]:
    """A method's arguments, each run's own where they are floats, and what it learns beside phi."""
    values = known.arguments(args)
    return {
        **{
            n: phi.new_full((len(phi), 1, 1), v) if isinstance(v, float) else v
            for n, v in values.items()
        },
        **known.begin(phi),
    }


def bound(known: Method, engine: str = "", **args: float) -> Callable[..., MetaGradient]:
    """The equation as a function of ``(phi, support, query, loss, alpha)`` alone."""

    def direction(phi, support, query, loss, alpha):
        return known.by(engine)(phi, support, query, loss, alpha, **own(known, phi, **args))

    return direction


EQUATIONS: Mapping[str, Callable[..., MetaGradient]] = {
    **{name: bound(known) for name, known in METHODS.items()},
    **{
        f"{name} by {engine}": bound(known, engine)
        for name, known in METHODS.items()
        for engine in known.engines
    },
}
"""``maml``, ``maml by recursion``, ..."""
