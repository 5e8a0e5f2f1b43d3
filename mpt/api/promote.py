"""A promotion: the final evaluation of a study's best trial."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mpt.api.values.searched import Searched, found_search, load_study
from mpt.api.work.compute import Compute
from mpt.api.work.estimate import Estimate, estimated
from mpt.api.work.session import Session
from mpt.compute.stopping import Stopped
from mpt.errors import StoreError
from mpt.lab import promote as promotions
from mpt.lab.campaign import Named, final_settings, with_final
from mpt.lab.champion import UNANSWERED, Succession, succession
from mpt.lab.costs.workload import campaign_rows, campaign_work
from mpt.lab.matrix import Matrix
from mpt.lab.race import race_winner
from mpt.lab.recorded import note_promotion
from mpt.lab.retest import TOP, choose, untested
from mpt.lab.tracked.projection import Projection, model_name
from mpt.report.caution import warnings
from mpt.report.collect import promotion_findings, retest_lines
from mpt.report.findings import Findings
from mpt.report.page import write_report
from mpt.search.search import Search
from mpt.study.places import gym_of
from mpt.study.study import Study
from mpt.tracking.links import study_page
from mpt.tracking.registry import CHAMPION, champion_so_far, registered_as
from mpt.tracking.tracker import ANY, NONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    import pandas as pd

    from mpt.api.values.plot import Plot


class FinalKeys(Compute, total=False):
    """What a promotion evaluates, and how it is computed; all may be left out.

    Attributes:
        settings: such as ``["Cls->Cls"]``, also by commas; by default all of the study's gym.
        methods: methods that take part, or ``all``; by default the study's own.
        baselines: ``pt``, ``ft`` or ``all``; by default the study's.
        top_k: best trials that are re-tested on fresh seeds; 1 for none. By default 3.
        force: whether the prompt becomes the champion even if it is not significantly better
            than the champion so far.
    """

    settings: Named | None
    methods: Named | None
    baselines: Named | None
    top_k: int
    force: bool


@dataclass(frozen=True)
class Promoted:
    """A promotion's results.

    Attributes:
        findings: everything that its report is made from.
        report: the page, its tables and figures beside it.
        champion: the registered prompt, ``models:/NAME@champion``; None where nothing was learned,
            or where the champion so far stays.
        runs: what shows the runs in MLflow: the study's page on a server, or a command.
        succession: how the prompt compares with the champion so far; empty without one.
        warnings: what a reader should know before believing the numbers, a sentence each.
    """

    findings: Findings
    report: Path
    champion: str | None
    warnings: tuple[str, ...]
    succession: str = ""
    runs: str = ""

    @cached_property
    def arg(self) -> pd.DataFrame:
        """A (setting, method) a row: ``arg`` in percent and its intervals."""
        from mpt.api.values.frames import arg_frame

        return arg_frame(self.findings)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A downstream cell a row: task, seed, learning rate, scores, digest."""
        from mpt.api.values.frames import cells_frame

        return cells_frame(self.findings)

    def plot(self) -> Plot:
        """Draw the ARG of every setting and method with its intervals."""
        from mpt.api.values.plot import Plot
        from mpt.report.figures.trials import arg_figure

        return Plot(arg_figure(self.findings.gains))


def promote(
    search: Searched | str | None = None,
    which: str | int = "best",
    *,
    command: str | None = None,
    **ways: Unpack[FinalKeys],
) -> Promoted:
    """Run a trial's configuration on the full settings: ARG table, report, champion.

    The best trials are first evaluated again on data seeds that the search did not see; a trial
    given by its number is taken as it is. The same call continues a promotion that was stopped.

    Args:
        search: what ``sweep`` or ``load_study`` returned, or a study's name; by default the study
            begun last.
        which: ``best``, or a trial's number.
        command: what makes the report again, as it says; by default the `mpt promote` of this.
        ways: what is evaluated, see ``FinalKeys``, and how, see ``Compute``.

    Raises:
        InputError: no finished trial, or one that cannot be promoted.
        UnknownName: no such study, setting, method or baseline.
        Stopped: it was interrupted, or its budget is spent; what is done is recorded.

    Example::

        final = mpt.promote(search, settings=["Cls->Cls"], baselines="all")
        final.arg[["setting", "method", "arg", "low", "high"]]
    """
    asked, which = found_search(search), str(which)
    study, top_k = final_study(asked, which, ways), ways.get("top_k", TOP)
    title = study.title
    with Session(study, methods=study.final.methods, **_compute(ways)) as session:
        # every row is read before the lease: a promotion that is refused has written nothing
        final_settings(study, session.worker)
        with session.alone(f"promotion:{title}") as lease:
            with summed_up(session), session.stopping:
                promotion = _run(study, asked, which, top_k, session)
            lease.check()
            note_promotion(promotion, which, top_k, session.lab.ledger)
            again = command or shlex.join(["mpt", "promote", which, "--study", title])
            findings = replace(
                promotion_findings(promotion, asked.trials, again, session.home),
                ranking=load_study(title).remarks,
            )
            folder = f"{title}-trial-{promotion.trial.number}"
            page = write_report(findings, session.home.reports / folder)
            heir = _succession(promotion, session, asked.owner, forced=ways.get("force", False))
            projection = Projection(session.tracker, study, session.home)
            model = projection.promotion(promotion, page, session.worker, heir.replaces)
            session.progress.say(session.summary())
    notes = list(warnings(findings))
    if model and (own := registered_as(session.home, model, asked.owner)) != model:
        notes.append(f"the model {model} belongs to another study; this one's is {own}")
        model = own
    champion = f"models:/{model}@{CHAMPION}" if model and heir.moves else None
    return Promoted(
        findings, page, champion, tuple(notes), heir.reason, study_page(session.home, title)
    )


def estimate_promotion(
    search: Searched | str | None = None,
    which: str | int = "best",
    **ways: Unpack[FinalKeys],
) -> Estimate:
    """Estimate what ``promote`` would compute and how long it takes; writes nothing.

    Args:
        search, which, ways: see ``promote``.
    """
    asked, which = found_search(search), str(which)
    study, top_k = final_study(asked, which, ways), ways.get("top_k", TOP)
    with Session(study, methods=study.final.methods, **_compute(ways)) as session:
        return estimated(session, lambda lab: campaign_work(study, asked.trials, lab, which, top_k))


def _succession(
    promotion: promotions.Promotion, session: Session, owner: str, *, forced: bool
) -> Succession:
    """Compare the promoted prompt with the registered champion, if the registry answers."""
    if promotion.champion is None:
        return Succession(NONE, moves=False)
    try:
        before = champion_so_far(session.home, model_name(promotion.study), owner)
    except StoreError:
        return Succession(ANY, moves=True, reason="forced") if forced else UNANSWERED
    return succession(promotion, promotion.champion, before, session.lab, forced=forced)


@contextmanager
def summed_up(session: Session) -> Iterator[None]:
    """Say what was computed of work that is stopped before it is complete."""
    try:
        yield
    except Stopped:
        session.progress.say(session.summary())
        raise


def final_study(search: Search, which: str, final: FinalKeys) -> Study:
    """Return the study with the final evaluation asked for; refuse what cannot be promoted."""
    choose(search.trials, which)
    gym_of(search.study)
    return with_final(
        search.study,
        settings=final.get("settings"),
        methods=final.get("methods"),
        baselines=final.get("baselines"),
    )


def _compute(ways: FinalKeys) -> Compute:
    """Return the keywords that say how it is computed."""
    known = {key: value for key, value in ways.items() if key in Compute.__annotations__}
    return cast(Compute, known)


def _run(
    study: Study, search: Search, which: str, top_k: int, session: Session
) -> promotions.Promotion:
    """Re-test, say what takes part, and run the campaign."""
    say, lab = session.progress.say, session.lab
    campaign, retests = promotions.prepare(study, search.trials, lab, which, top_k)
    raced = race_winner(study.title, search.trials, lab.ledger) if which == "best" else None
    if raced:
        say(f"{study.title}: trial {raced.number} won the race of its trials; no re-test")
    elif which == "best" and (why := untested(study, search.trials, top_k)):
        say(f"no re-test of {study.title}: {why}")
    for again in retests:
        for line in retest_lines(again):
            say(f"re-test of {again.study}: {line}")
    for method_config in campaign.method_configs:
        say(f"{method_config.method}: {method_config.origin}")
    matrix = Matrix(campaign_rows(campaign, lab))
    session.progress.follow(matrix)
    lab.on_units = matrix.see
    return promotions.promote(campaign, lab, retests)
