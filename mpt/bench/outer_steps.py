"""`mpt bench steps`: outer steps of the methods beside those in the logs of the paper's authors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from mpt.backbone.batch import collate
from mpt.bench.rows import prompts, random_rows
from mpt.bench.shapes import BenchModel, make
from mpt.bench.timing import Measure, compare, seconds
from mpt.methods import method

UNITS, TARGET, STEPS = 2, 8, 5000
"""Episodes of an outer step, target tokens, and the number of outer steps of the hours below."""

LOGGED: Mapping[str, tuple[int, int, float]] = MappingProxyType(
    {"maml": (1, 2, 3.3), "fomaml": (1, 4, 2.0), "reptile": (10, 4, 9.0)}
)
"""Inner steps, rows of each batch and hours of the authors' T5-Large runs, from their logs."""


def outer_steps(name: str, device: str, *, pairs: int) -> Iterator[Measure]:
    """Time an outer step of each method, in seconds.

    ``theirs`` is from the authors' logs, on another GPU and other rows.
    """
    model = make(name, device)
    for kind, (inner, rows, hours) in LOGGED.items():
        work, place = step(model, kind, inner, rows), model.ours.device
        work()
        ours = [seconds(work, place) for _ in range(max(1, pairs))]
        what = f"{kind}, {inner} x {rows} rows, {UNITS} episodes"
        logged = [hours * 3600 / STEPS] * len(ours)
        measure = compare(what, "authors' log, T5-Large", ours, logged, "s/step")
        yield replace(measure, note=f"{1 / measure.ours:.2f} steps/s; not on the same machine")


def step(model: BenchModel, kind: str, inner: int, rows: int) -> Callable[[], object]:
    """Return a function that computes the gradient of one outer step, with episodes packed."""
    chosen, theta = method(kind), prompts(model, UNITS)

    def batch(*name: str | int) -> object:
        drawn = [random_rows(model, rows, TARGET, episode, *name) for episode in range(UNITS)]
        return collate(drawn).to(model.ours.device)

    support = [batch("support", at) for at in range(inner)]
    query = batch("query") if chosen.query == "dev" else None
    loss = model.ours.losses_twice_differentiable if chosen.order == 2 else model.ours.losses
    alpha = theta.new_full((UNITS, 1, 1), 1e-2)
    return partial(chosen.gradient, theta, support, query, loss, alpha)
