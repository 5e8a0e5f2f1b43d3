"""Sweeps: sample trials, run their missing units, record the results and log them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from mpt.compute.failures import DivergedTrial, blame
from mpt.compute.stopping import Stopped
from mpt.config import RunConfig
from mpt.errors import InputError, MptError, StoreError
from mpt.lab.plan import SweepPlan
from mpt.lab.run import EvaluatedCell, Lab, scores
from mpt.lab.trials import TrialRecord, TrialRunner
from mpt.search.search import Search
from mpt.search.stale_trials import release_stale
from mpt.search.storage import study_lease
from mpt.search.trial import OpenTrial, Trial
from mpt.stats.scores import best_dev
from mpt.store.home import Home
from mpt.store.lease import Lease
from mpt.study.study import Study


def sweep(
    concrete: SweepPlan,
    lab: Lab,
    home: Home,
    *,
    on_trial: Callable[[TrialRecord], None],
    on_end: Callable[[Sequence[Trial]], None] = lambda trials: None,
    on_start: Callable[[Sequence[Trial]], None] = lambda trials: None,
    on_open: Callable[[OpenTrial, RunConfig], None] = lambda trial, config: None,
    command: str = "",
) -> list[Trial]:
    """Run a study up to its total of trials, starting with those left unfinished before.

    It ends earlier if the lab's worker is asked to stop.

    Args:
        concrete: the resolved study.
        lab: runs the units.
        home: contains the study's store.
        on_trial: called with every completed trial before it is stored, so that a trial that is
            completed in the store has always been logged; it may be called twice for a trial.
        on_end: called with all trials at the end, before another driver can start.
        on_start: called with the trials of earlier drivers before anything is computed.
        on_open: called with every trial of a round when the round begins.
        command: what runs it, which the study keeps.

    Returns:
        Every trial of the study, by number.

    Raises:
        StoreError: the store has another study of this name, or another driver runs it.
        InputError: the baseline scores zero on every validation task.
        MptError: the baseline failed, or a trial did and the study's error policy says stop.
    """
    study = concrete.study
    with study_lease(home, lab.ledger, study.title, lab.progress.say) as lease:
        search = Search.begin(study, concrete.definition, home, command=command)
        search.fence(lease)
        if search.aside:
            lab.progress.say(
                f"study {study.title} starts again; its trials with the earlier formula of "
                f"{study.method} are kept as {search.aside}"
            )
        release_stale(search, study)
        on_start(search.trials)
        with suppress(Stopped), _handed_back(search, lease):
            runner = TrialRunner(concrete, lab, _Live(search, study), _baseline(concrete, lab))
            while not lab.worker.stopping.reason and (open_trials := search.ask(study)):
                for trial in open_trials:
                    on_open(trial, concrete.config(trial.params))
                for trials in _together(open_trials, study, lab):
                    lease.check()
                    ended: list[Trial] = []
                    for trial, record in zip(trials, runner.run_trials(trials), strict=True):
                        lease.check()
                        on_trial(record)
                        if differs := search.tell(trial, record.trial):
                            lab.progress.say(f"warning: {differs}")
                        ended.append(record.trial)
                    _stop_at_diverged(ended, study)
        lease.check()
        on_end(trials := search.trials)
        return trials


@contextmanager
def _handed_back(search: Search, lease: Lease) -> Iterator[None]:
    """Release the driver's running trials if anything but SIGKILL ends it early."""
    try:
        yield
    except BaseException as error:
        # the diverged trial is already pruned; the error is not that of the others
        kind, reason = ("", "") if isinstance(error, DivergedTrial) else blame(error)
        is_held = True
        with suppress(StoreError):
            if is_held := lease.renew():
                search.release(error=kind, reason=reason)
        if not is_held and isinstance(error, Exception):
            # another driver took over meanwhile, which is the cause of any error
            lease.check()
        raise


def _stop_at_diverged(ended: Sequence[Trial], study: Study) -> None:
    diverged = next((trial for trial in ended if trial.state == "diverged"), None)
    if diverged is not None and study.errors.stops_at("diverged"):
        raise DivergedTrial(
            f"trial {diverged.number}: {diverged.reason}, and the study file says "
            "'errors.diverged: stop'; repeat the command to continue without it, or narrow 'space' "
            "under another --name"
        )


def replay(
    concrete: SweepPlan, lab: Lab, home: Home, *, on_trial: Callable[[TrialRecord], None]
) -> list[Trial]:
    """Log every completed trial of a study again; results in the ledger are not recomputed.

    Returns:
        Every trial of the study, by number.

    Raises:
        StoreError: the rows or weights are not those of the study, or a driver runs it.
        UnknownName: there is no such study.
    """
    study = concrete.study
    Search.check(study, concrete.definition, home)
    # a trial is logged with the revision that it was computed with
    concrete = replace(concrete, revision=Search.load(home, study.title).revision)
    with study_lease(home, lab.ledger, study.title, lab.progress.say):
        trials = Search.load(home, study.title).trials
        # failed trials are not tried again here
        finished = {t.number: t for t in trials if t.digest and t.state != "failed"}
        runner = TrialRunner(concrete, lab, _OnRecord(finished), _baseline(concrete, lab))
        again = [OpenTrial(trial.number, trial.params) for trial in finished.values()]
        for some in _together(again, study, lab):
            for record in runner.run_trials(some):
                ended = finished[record.trial.number]
                times = {"started": ended.started, "ended": ended.ended}
                on_trial(replace(record, trial=replace(record.trial, **times)))
        return trials


def _together(trials: Sequence[OpenTrial], study: Study, lab: Lab) -> Iterator[Sequence[OpenTrial]]:
    """Yield trials in groups, as many as the fleet can train at the same time."""
    size = len(trials) if study.pack == "auto" else study.pack * lab.fleet.slots
    return (trials[start : start + size] for start in range(0, len(trials), max(1, size)))


def _baseline(concrete: SweepPlan, lab: Lab) -> list[EvaluatedCell]:
    """Run plain prompt tuning on the validation tasks, and warn about tasks with a score of 0.

    Raises:
        MptError: a cell failed.
        InputError: every task has a score of 0, so that no relative gain is defined.
    """
    size = concrete.study.cells_per_pack
    evaluated = lab.evaluate_cells(
        [concrete.baseline], concrete.eval_protocol, title="plain prompt tuning", pack=size
    )
    if failed := next(
        (cell_result for cell_result in evaluated if cell_result.unit.state == "failed"), None
    ):
        raise MptError(
            f"plain prompt tuning on {failed.cell.task}, the baseline of every gain, failed: "
            f"{failed.unit.reason}"
        )
    above = {score.task for score in best_dev(scores(evaluated)) if score.test > 0}
    zero = [task for task in concrete.tasks if task not in above]
    if not above:
        raise InputError(
            f"plain prompt tuning scores 0 on every validation task ({', '.join(zero)}), so there "
            "are no relative gains to optimise",
            fix="give a larger 'tuning.steps', other 'validation.tasks' or another backbone",
        )
    if zero:
        lab.progress.say(
            f"warning: plain prompt tuning scores 0 on {', '.join(zero)}; ARG leaves "
            f"{'it' if len(zero) == 1 else 'them'} out and is over {', '.join(sorted(above))}"
        )
    return evaluated


@dataclass(frozen=True)
class _Live:
    """Prune trials by the search of the running study."""

    search: Search
    study: Study

    def report(self, trial: OpenTrial, gains: Mapping[int, float]) -> None:
        self.search.report(trial, gains)

    def should_prune(self, trial: OpenTrial, step: int) -> str:
        return self.search.should_prune(trial, self.study, step)


@dataclass(frozen=True)
class _OnRecord:
    """Repeat the recorded pruning decisions of completed trials."""

    trials: Mapping[int, Trial]

    def report(self, trial: OpenTrial, gains: Mapping[int, float]) -> None:
        pass

    def should_prune(self, trial: OpenTrial, step: int) -> str:
        ended = self.trials[trial.number]
        return ended.reason if ended.state == "pruned" and ended.step == step else ""
