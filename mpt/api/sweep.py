"""A sweep: search the hyper-parameters of a method, or look at a search that was run before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.api.report import write_report
from mpt.api.values.searched import Searched
from mpt.api.values.study import studied
from mpt.api.work.estimate import Estimate, estimated
from mpt.api.work.knowledge import knowledge
from mpt.api.work.session import Session
from mpt.compute.stopping import Stopped
from mpt.lab.costs.workload import sweep_work
from mpt.lab.plan import SweepPlan, plan
from mpt.lab.race import race, record_race
from mpt.lab.sweep import sweep as run_sweep
from mpt.lab.tracked.projection import Projection
from mpt.lab.tracked.run_facts import data_sets
from mpt.search.search import Search
from mpt.search.storage import study_names
from mpt.search.trial import Trial
from mpt.study.study import Study

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from mpt.api.work.compute import Compute


def sweep(
    study: Study | str | Path | None = None,
    *,
    trials: int | None = None,
    until_separated: bool = False,
    command: str = "",
    **ways: Unpack[Compute],
) -> Searched:
    """Search learning rates and steps of a meta-learning method on the validation tasks.

    The same call continues a study that was stopped: nothing recorded is computed again. It ends
    early, with what is done, when its ``budget`` is spent or it is interrupted.

    Args:
        study: what is searched; also the path of a study file. By default Reptile on the embedded
            gym and backbone.
        trials: a total for the study, earlier ones included; by default the study's own.
        until_separated: afterwards tune from the prompts of the trials that may be the best on
            further data seeds, until one of them is better than all others at 95 % or the gym has
            no more; see ``Searched.race``.
        command: what the study's run in MLflow says that it was made by.
        ways: see ``Compute``.

    Raises:
        InputError: what is asked for cannot be used; nothing was written.
        MptError: plain prompt tuning failed, or a trial did and the study says that this stops it.

    Example::

        search = mpt.sweep(mpt.Study(method="reptile"), trials=12)
        search.trials.sort_values("arg", ascending=False).head()
    """
    chosen = studied(study, {"trials": trials})
    with Session(chosen, **ways) as session:
        concrete = _checked(chosen, session)
        data, lab = data_sets(concrete, session.worker), session.lab
        projection = Projection(session.tracker, chosen, session.home, data=data, command=command)
        lab.worker.on_losses = projection.losses
        with session.stopping, projection.ended_early(), projection.system:
            finished = run_sweep(
                concrete,
                lab,
                session.home,
                on_trial=projection.trial,
                on_end=lambda ended: _close(concrete, ended, session, projection, until_separated),
                on_start=projection.open_study,
                on_open=projection.open_trial,
                command=command,
            )
        if lab.computed:
            folder = session.home.reports / chosen.title
            report = write_report(folder, study=chosen.title, command=command or None)
            projection.study_report(report.page)
        session.progress.say(session.summary())
    return Searched(chosen, tuple(finished), session.home)


def estimate(
    study: Study | str | Path | None = None, *, trials: int | None = None, **ways: Unpack[Compute]
) -> Estimate:
    """Estimate what ``sweep`` would compute and how long it takes; writes nothing.

    Args:
        study, trials, ways: see ``sweep``.

    Example::

        mpt.estimate(mpt.Study(method="maml"), trials=12).seconds / 3600
    """
    chosen = studied(study, {"trials": trials})
    with Session(chosen, **ways) as session:
        concrete, home = _checked(chosen, session), session.home
        is_begun = chosen.title in study_names(home)
        begun = Search.load(home, chosen.title).trials if is_begun else []
        return estimated(session, lambda lab: sweep_work(concrete, begun, lab))


def _close(
    concrete: SweepPlan,
    trials: Sequence[Trial],
    session: Session,
    projection: Projection,
    is_raced: bool,
) -> None:
    """Race the trials if that is wanted and they are over, and log how the search has ended."""
    title, end, lab = concrete.study.title, None, session.lab
    if is_raced and not session.stopping.reason:
        try:
            record_race(race(concrete, trials, lab), title, lab.ledger)
        except Stopped:
            end = "killed"
    projection.close_study(trials, end, known=knowledge(title, session))


def _checked(study: Study, session: Session) -> SweepPlan:
    """Make a study concrete, and see that the store holds no other one of its name."""
    concrete = plan(study, session.worker)
    Search.check(study, concrete.definition, session.home)
    return concrete
