"""Champion of a registered model: whether a promoted prompt takes the place of the one so far."""

from __future__ import annotations

from dataclasses import dataclass

from mpt.lab.promote import EvaluatedRun, Promotion
from mpt.lab.recorded import Recorded
from mpt.lab.run import EvalProtocol, EvalTarget, Lab, scores
from mpt.stats.paired import Paired, compare
from mpt.tracking.registry import Version
from mpt.tracking.tracker import ANY, NONE

_SO_FAR = "champion so far"
"""Name of the earlier prompt's scores in the comparison."""


@dataclass(frozen=True)
class Succession:
    """Hold whether a promoted prompt becomes the champion, and why.

    Attributes:
        replaces: digest of the version that it may replace, or ``ANY`` or ``NONE``.
        moves: whether it becomes the champion.
        reason: for people; empty if there is nothing to compare it with.
    """

    replaces: str
    moves: bool
    reason: str = ""


UNANSWERED = Succession(
    NONE,
    moves=False,
    reason="unknown, as the registry does not answer: the new prompt becomes the champion if there "
    "is none yet; promote again to compare them",
)
"""The outcome while nobody knows which version is the champion."""


def succession(
    promotion: Promotion,
    challenger: EvaluatedRun,
    champion: Version | None,
    lab: Lab,
    *,
    forced: bool,
) -> Succession:
    """Compare the prompt of a promotion with the champion so far.

    It takes the champion's place if its ARG is significantly higher: paired over the (task, data
    seed) cells that both have, with the same learning rates; nothing is computed for this.

    Args:
        promotion: provides the scores of the new prompt and of plain prompt tuning.
        challenger: the new prompt.
        champion: the version so far, if any.
        lab: its ledger has the scores of the champion.
        forced: whether the new prompt becomes the champion in any case.
    """
    if champion is None or champion.digest == challenger.config.digest:
        return Succession(ANY if forced else NONE, moves=True)
    pair = _compared(promotion, challenger, champion.digest, lab)
    setting = challenger.setting.name
    before = f"version {champion.number} ({champion.digest})"
    if pair is None:
        numbers = f"it has no scores on the targets of {setting} with these seeds to compare with"
    else:
        numbers = f"by {_numbers(pair)} on {setting}"
    if forced:
        return Succession(ANY, moves=True, reason=f"forced, in place of {before}: {numbers}")
    if pair is not None and pair.distinct and pair.difference > 0:
        return Succession(champion.digest, moves=True, reason=f"better than {before} {numbers}")
    if pair is not None:
        numbers = f"the new prompt is not significantly better: {_numbers(pair)} on {setting}"
    reason = f"stays {before}: {numbers}; --force replaces it by {challenger.config.digest}"
    return Succession(NONE, moves=False, reason=reason)


def _compared(
    promotion: Promotion, challenger: EvaluatedRun, champion: str, lab: Lab
) -> Paired | None:
    """Compare with recorded scores of the champion; None if the ledger has none of these cells."""
    setting = challenger.setting
    target = EvalTarget(setting.name, _SO_FAR, champion, setting.targets)
    protocol = EvalProtocol.final(promotion.study)
    recorded = Recorded(lab.worker, lab.ledger).evaluate_cells([target], protocol, title="", pack=1)
    earlier = scores(recorded)
    if not earlier:
        return None
    own = scores((*promotion.baselines_of(setting.name), *challenger.evaluated))
    pair = compare((*own, *earlier), challenger.method, _SO_FAR)
    return pair if pair.pairs else None


def _numbers(pair: Paired) -> str:
    test = f", p {pair.p:.2g}" if pair.p == pair.p else ""
    interval = f" [{pair.interval.low:+.1f}, {pair.interval.high:+.1f}]" if test else ""
    few = "" if test else " (too few seeds for an interval)"
    cells = f"{pair.tasks} task{'s' * (pair.tasks != 1)} and {pair.pairs} cells"
    return f"{pair.difference:+.2f} ARG points{interval}{test}{few}, {cells}"
