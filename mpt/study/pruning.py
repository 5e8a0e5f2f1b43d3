"""Pruning as data of a study: when a trial that does worse than others is stopped early."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, log
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, StrictFloat, StrictInt

from mpt.config import Count
from mpt.schema import Frozen
from mpt.seeding import stream


class Wilcoxon(Frozen):
    """Validation goes from one data seed to the next while it is not clearly worse than the best.

    After each data seed the trial's gains on every (task, seed) so far are compared with those of
    the best trial of earlier rounds by Wilcoxon's signed-rank test, one-sided and paired.

    Attributes:
        p_threshold: a trial is pruned below this p-value. The test is done after each data seed
            but the last, each time with this chance of pruning a trial that is as good as the
            best; n pairs give no p-value below 2^-n, so that 0.1 asks for four of them.
    """

    kind: Literal["wilcoxon"] = "wilcoxon"
    p_threshold: Annotated[StrictFloat, Field(gt=0, lt=1)] = 0.1


class Hyperband(Frozen):
    """Meta-training stops at rungs, and goes on from there if the trial is among the better ones.

    At a rung the prompt is tuned on every validation task under the first data seed and rate, and
    the trial goes on if its gain is in the upper ``1 / reduction_factor`` of those that came to
    this rung before it in its bracket (Li et al., 2018, asynchronously as in Li et al., 2020).

    Attributes:
        min_resource: meta-steps to the lowest rung; default: those of the longest trial divided by
            ``reduction_factor`` twice, which makes three brackets.
        reduction_factor: eta, also between the steps of one rung and the next.
    """

    kind: Literal["hyperband"] = "hyperband"
    min_resource: Count | None = None
    reduction_factor: Annotated[StrictInt, Field(ge=2)] = 3

    def lowest(self, most: int) -> int:
        """Meta-steps to the lowest rung, when the longest trial takes ``most``."""
        return self.min_resource or max(1, most // self.reduction_factor**2)

    def bracket(self, number: int, seed: int, most: int) -> int:
        """Which bracket a trial is in; bracket s begins at rung s, the last one prunes nothing.

        Brackets come in the proportion in which Hyperband fills them, in an order drawn from the
        study's seed.
        """
        eta = self.reduction_factor
        # a rung exactly at the end must not be lost to rounding
        last = floor(log(most / self.lowest(most), eta) + 1e-9)
        shares = [ceil((last + 1) * eta ** (last - s) / (last - s + 1)) for s in range(last + 1)]
        slots = [s for s, share in enumerate(shares) for _ in range(share)]
        order = stream("bracket", seed).permutation(len(slots))
        return slots[order[number % len(slots)]]

    def rungs(self, bracket: int, steps: int, most: int) -> tuple[int, ...]:
        """Meta-steps after which a trial of ``steps`` in all may be pruned, its end left out."""
        found, at = [], self.lowest(most) * self.reduction_factor**bracket
        while at < steps:
            found.append(at)
            at *= self.reduction_factor
        return tuple(found)


PRUNERS: Mapping[str, type[Frozen]] = {"wilcoxon": Wilcoxon, "hyperband": Hyperband}


def _named(given: Any) -> Any:
    """``pruner: wilcoxon`` is short for its defaults, ``pruner: none`` for no pruner."""
    if isinstance(given, str):
        return None if given == "none" else {"kind": given}
    return given


Pruner = Annotated[
    Annotated[Wilcoxon | Hyperband, Discriminator("kind")] | None, BeforeValidator(_named)
]
"""``none``, the name of a pruner, or a mapping of its ``kind`` and knobs."""
