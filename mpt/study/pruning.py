"""Pruning settings of a study: when a trial that does worse than others is stopped early."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, log
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, StrictFloat, StrictInt

from mpt.config import Count
from mpt.schema import Frozen
from mpt.seeding import stream


class Wilcoxon(Frozen):
    """Stop validating a trial after a data seed if it is significantly worse than the best trial.

    After each data seed the trial's gains on all (task, seed) pairs so far are compared with those
    of the best trial of earlier rounds by a one-sided paired Wilcoxon signed-rank test.

    Attributes:
        p_threshold: a trial is pruned below this p-value. The test is repeated after each data
            seed but the last, each time with this probability of pruning a trial that is as good
            as the best. n pairs give no p-value below 2^-n, so 0.1 needs four of them.
    """

    kind: Literal["wilcoxon"] = "wilcoxon"
    p_threshold: Annotated[StrictFloat, Field(gt=0, lt=1)] = 0.1


class Hyperband(Frozen):
    """Pause meta-training at rungs, and continue it only if the trial is among the better ones.

    At a rung the prompt is tuned on every validation task with the first data seed and rate, and
    the trial continues if its gain is in the upper ``1 / reduction_factor`` of those that reached
    this rung of its bracket before (Li et al., 2018, asynchronously as in Li et al., 2020).

    Attributes:
        min_resource: meta-steps to the lowest rung; by default those of the longest trial divided
            by ``reduction_factor ** 2``, which gives three brackets.
        reduction_factor: eta, also the ratio between the steps of one rung and the next.
    """

    kind: Literal["hyperband"] = "hyperband"
    min_resource: Count | None = None
    reduction_factor: Annotated[StrictInt, Field(ge=2)] = 3

    def lowest(self, most: int) -> int:
        """Return the meta-steps to the lowest rung, if the longest trial takes ``most``."""
        return self.min_resource or max(1, most // self.reduction_factor**2)

    def bracket(self, number: int, seed: int, most: int) -> int:
        """Return the bracket of a trial; bracket s begins at rung s, and the last one never prunes.

        Brackets are assigned in Hyperband's proportions, in an order drawn from the study's seed.
        """
        eta = self.reduction_factor
        # rounding must not lose a rung that is exactly at the end
        last = floor(log(most / self.lowest(most), eta) + 1e-9)
        shares = [ceil((last + 1) * eta ** (last - s) / (last - s + 1)) for s in range(last + 1)]
        slots = [s for s, share in enumerate(shares) for _ in range(share)]
        order = stream("bracket", seed).permutation(len(slots))
        return slots[int(order[number % len(slots)])]

    def rungs(self, bracket: int, steps: int, most: int) -> tuple[int, ...]:
        """Return the meta-steps before its end at which a trial of ``steps`` may be pruned."""
        rungs, at = list[int](), self.lowest(most) * self.reduction_factor**bracket
        while at < steps:
            rungs.append(at)
            at *= self.reduction_factor
        return tuple(rungs)


PRUNERS: Mapping[str, type[Frozen]] = {"wilcoxon": Wilcoxon, "hyperband": Hyperband}


def _named(given: object) -> object:
    """Expand ``pruner: wilcoxon`` to a mapping of its kind, and ``pruner: none`` to None."""
    if isinstance(given, str):
        return None if given == "none" else {"kind": given}
    return given


Pruner = Annotated[
    Annotated[Wilcoxon | Hyperband, Discriminator("kind")] | None, BeforeValidator(_named)
]
"""``none``, the name of a pruner, or a mapping of its ``kind`` and parameters."""
