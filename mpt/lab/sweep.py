"""A sweep: ask a pack of trials, settle what the ledger lacks, record, tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from mpt.compute.failures import DivergedTrial, blame
from mpt.compute.stopping import Stopped
from mpt.errors import InputError, MptError, StoreError
from mpt.lab.plan import Plan
from mpt.lab.run import Judged, Lab, scores
from mpt.lab.trials import Record, Settler
from mpt.search.search import Search
from mpt.search.stale_trials import reap
from mpt.search.storage import study_lease
from mpt.search.trial import OpenTrial, Trial
from mpt.stats.scores import best_dev
from mpt.store.home import Home
from mpt.store.lease import Lease
from mpt.study.study import Study


def sweep(
    concrete: Plan,
    lab: Lab,
    home: Home,
    *,
    on_trial: Callable[[Record], None],
    on_end: Callable[[Sequence[Trial]], None] = lambda trials: None,
) -> list[Trial]:
    """Run a study to its total of trials; what an earlier call left unfinished comes first.

    It ends before the total when the lab's worker is asked to stop.

    Args:
        concrete: what is searched, and on what.
        lab: where units are settled.
        home: where the study's store lies.
        on_trial: told of every settled trial before the store is, so that a trial which the store
            holds as finished has always been told; it must bear being told twice.
        on_end: told of every trial at the end, while no other driver can have begun.

    Returns:
        Every trial of the study, by number.

    Raises:
        StoreError: the store holds another study under this name, or another driver runs it.
        InputError: the baseline is zero on every validation task.
        MptError: the baseline failed, or a trial did and the study's table of errors says stop.
    """
    study = concrete.study
    with study_lease(home, lab.ledger, study.title, lab.progress.say) as lease:
        search = Search.begin(study, concrete.definition, home)
        search.fence(lease)
        if search.aside:
            lab.progress.say(
                f"study {study.title} begins anew; its trials by the earlier formula of "
                f"{study.method} are kept as {search.aside}"
            )
        reap(search, study)
        with suppress(Stopped), _handed_back(search, lease):
            settler = Settler(concrete, lab, _Live(search, study), _baseline(concrete, lab))
            while not lab.worker.stopping.reason and (asked := search.ask(study)):
                for trials in _together(asked, study, lab):
                    lease.check()
                    ended: list[Trial] = []
                    for trial, record in zip(trials, settler.settle(trials), strict=True):
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
    """Whatever ends a driver early, short of SIGKILL, leaves no trial of its own running."""
    try:
        yield
    except BaseException as error:
        # what diverged is pruned by now; the others only share its end
        kind, reason = ("", "") if isinstance(error, DivergedTrial) else blame(error)
        is_held = True
        with suppress(StoreError):
            if is_held := lease.renew():
                search.hand_back(error=kind, reason=reason)
        if not is_held and isinstance(error, Exception):
            # whatever it is, it comes of what the other driver has done meanwhile
            lease.check()
        raise


def _stop_at_diverged(ended: Sequence[Trial], study: Study) -> None:
    lost = next((trial for trial in ended if trial.state == "diverged"), None)
    if lost is not None and study.errors.stops_at("diverged"):
        raise DivergedTrial(
            f"trial {lost.number + 1}: {lost.reason}, and the study file says 'errors.diverged: "
            "stop'; the same command goes on without it, or narrow 'space' under another --name"
        )


def replay(
    concrete: Plan, lab: Lab, home: Home, *, on_trial: Callable[[Record], None]
) -> list[Trial]:
    """Tell every finished trial of a study again; what the ledger holds is not computed.

    Returns:
        Every trial of the study, by number.

    Raises:
        StoreError: the rows or weights are not those of the study, or a driver runs it.
        UnknownName: no such study.
    """
    study = concrete.study
    Search.check(study, concrete.definition, home)
    # a trial is told as it was computed
    concrete = replace(concrete, revision=Search.load(home, study.title).revision)
    with study_lease(home, lab.ledger, study.title, lab.progress.say):
        trials = Search.load(home, study.title).trials
        # what failed is not tried again here
        finished = {t.number: t for t in trials if t.digest and t.state != "failed"}
        settler = Settler(concrete, lab, _OnRecord(finished), _baseline(concrete, lab))
        again = [OpenTrial(trial.number, trial.params) for trial in finished.values()]
        for some in _together(again, study, lab):
            for record in settler.settle(some):
                on_trial(record)
        return trials


def _together(trials: Sequence[OpenTrial], study: Study, lab: Lab) -> Iterator[Sequence[OpenTrial]]:
    """Trials in turn, as many as the fleet can train at the same time."""
    size = study.pack * lab.fleet.slots
    return (trials[start : start + size] for start in range(0, len(trials), size))


def _baseline(concrete: Plan, lab: Lab) -> list[Judged]:
    """Plain prompt tuning on the validation tasks; a task it scores 0 on has no relative gain."""
    size = concrete.study.cells_per_pack
    judged = lab.judge(
        [concrete.baseline], concrete.judging, title="plain prompt tuning", pack=size
    )
    if failed := next((one for one in judged if one.unit.state == "failed"), None):
        raise MptError(
            f"plain prompt tuning on {failed.cell.task} failed, and without it there is no gain to "
            f"search for: {failed.unit.reason}"
        )
    above = {score.task for score in best_dev(scores(judged)) if score.test > 0}
    zero = [task for task in concrete.tasks if task not in above]
    if not above:
        raise InputError(
            f"plain prompt tuning scores 0 on every validation task ({', '.join(zero)}), so there "
            "is no relative gain to search for; give a larger 'tuning.steps', other "
            "'validation.tasks' or another backbone"
        )
    if zero:
        lab.progress.say(
            f"warning: plain prompt tuning scores 0 on {', '.join(zero)}; ARG leaves "
            f"{'it' if len(zero) == 1 else 'them'} out and is over {', '.join(sorted(above))}"
        )
    return judged


@dataclass(frozen=True)
class _Live:
    """A search as the pruning policy of its own study."""

    search: Search
    study: Study

    def report(self, asked: OpenTrial, gains: Mapping[int, float]) -> None:
        self.search.report(asked, gains)

    def should_prune(self, asked: OpenTrial, step: int) -> str:
        return self.search.should_prune(asked, self.study, step)


@dataclass(frozen=True)
class _OnRecord:
    """What was decided before, of trials that are finished."""

    trials: Mapping[int, Trial]

    def report(self, asked: OpenTrial, gains: Mapping[int, float]) -> None:
        pass

    def should_prune(self, asked: OpenTrial, step: int) -> str:
        ended = self.trials[asked.number]
        return ended.reason if ended.state == "pruned" and ended.step == step else ""
