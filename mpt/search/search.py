"""The search of a study: ask for trials, report on them, and tell their results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from mpt.errors import UnknownName
from mpt.schema import is_mapping
from mpt.search.definition import REVISION, refuse_another, revision_of
from mpt.search.pruners import pruning_reason
from mpt.search.storage import DEFINITION, expect_studies, open_storage, reopen, store_exists
from mpt.search.trial import OpenTrial, State, Trial, milliseconds, trial_of
from mpt.search.visible_trials import draw
from mpt.store.home import Home
from mpt.store.lease import Lease
from mpt.study.study import Study
from mpt.study.study_file import make_study

if TYPE_CHECKING:
    from mpt.search.patient_storage import PatientStorage

_STUDY = "mpt.study"
_IDENTITY = "mpt.id"
_BACKBONE = "mpt.backbone"
_COMMAND = "mpt.command"
"""The attribute of a study for the name of its backbone when it began: a folder may move later,
while the units of earlier versions contain the name as it was spelled then."""
_OWNER = "mpt.owner"
"""The attribute of a study that was restarted: the identity of the one that was set aside."""
_AGAIN = "again"
"""The attribute of a trial that retries an earlier one: the number of that one."""


class Search:
    """A study in the studies store.

    Attributes:
        aside: the name that an earlier study of this name was moved to, if ``begin`` did so.

    Raises:
        StoreError: the store cannot be opened.
        UnknownName: ``load`` of a study that does not exist.
    """

    def __init__(
        self, store: optuna.Study, storage: PatientStorage, earlier: int = 0, aside: str = ""
    ) -> None:
        self._store, self._storage, self._earlier, self.aside = store, storage, earlier, aside
        self._key = storage.get_study_id_from_name(store.study_name)

    @classmethod
    def begin(
        cls, study: Study, definition: Mapping[str, object], home: Home, *, command: str = ""
    ) -> Search:
        """Create or resume the study of this name; ``StoreError`` if its definition differs.

        A study that began with an earlier revision of the method is set ``aside`` under another
        name, and a new one begins, as their trials cannot be compared.
        """
        storage, aside = open_storage(home, make=True), ""
        store = _made(storage, study.title)
        refuse_another(store, definition, home)
        is_begun = bool(store.get_trials(deepcopy=False))
        if is_begun and revision_of(store, definition) != definition.get(REVISION):
            owner = cls(store, storage).owner
            aside = _set_aside(store, storage)
            store = _made(storage, study.title)
            store.set_user_attr(_OWNER, owner)
        if _IDENTITY not in store.user_attrs:
            store.set_user_attr(_IDENTITY, uuid4().hex[:12])
        if _BACKBONE not in store.user_attrs:
            begun_as = cls(store, storage).begun_as
            store.set_user_attr(_BACKBONE, begun_as or study.backbone.name)
        if command:
            store.set_user_attr(_COMMAND, command)
        store.set_user_attr(_STUDY, study.model_dump(mode="json"))
        # last, because this attribute marks a study as one of mpt's, complete with the others
        store.set_user_attr(DEFINITION, dict(definition))
        return cls(store, storage, earlier=len(store.get_trials(deepcopy=False)), aside=aside)

    @classmethod
    def check(cls, study: Study, definition: Mapping[str, object], home: Home) -> None:
        """Raise ``StoreError`` if ``begin`` would, without writing anything."""
        if store_exists(home):
            with suppress(KeyError):
                refuse_another(_loaded(open_storage(home), study.title), definition, home)

    @classmethod
    def load(cls, home: Home, title: str) -> Search:
        """Load a study that was begun before."""
        storage, names = expect_studies(home)
        if title not in names:
            raise UnknownName("study", title, names, "Run `mpt sweep` to begin one.")
        return cls(_loaded(storage, title), storage)

    @classmethod
    def latest(cls, home: Home) -> Search:
        """Load the study that began last. Raises ``InputError`` if there is none."""
        _, names = expect_studies(home)
        return cls.load(home, names[0])

    def fence(self, lease: Lease) -> None:
        """Refuse to write into the store once the study's lease is lost (``StoreError``)."""
        lease.guard(self._storage.rdb.scoped_session)

    @property
    def identity(self) -> str:
        """Return an identity that distinguishes studies of one name on a shared tracker."""
        return self._store.user_attrs[_IDENTITY]

    @property
    def owner(self) -> str:
        """Return the identity that owns registered prompts, shared with studies set aside."""
        return self._store.user_attrs.get(_OWNER) or self.identity

    @property
    def command(self) -> str:
        """Return the command that ran it last; empty if none is recorded."""
        return self._store.user_attrs.get(_COMMAND) or ""

    @property
    def begun_as(self) -> str:
        """Return the name of its backbone when it began; empty if that is not recorded."""
        known = self.definition.get("backbone")
        name = known.get("name") if is_mapping(known) else None
        return self._store.user_attrs.get(_BACKBONE) or str(name or "")

    @property
    def revision(self) -> int | None:
        """Return the revision of the method of its trials; None for the first."""
        return revision_of(self._store, {})

    @property
    def definition(self) -> Mapping[str, Any]:
        """Return its definition: the study file, and the rows and weights that it began on."""
        return self._store.user_attrs.get(DEFINITION) or {}

    @property
    def study(self) -> Study:
        """Return the study as it was last run."""
        return make_study(self._store.user_attrs[_STUDY], f"study {self._store.study_name!r}")

    @property
    def trials(self) -> list[Trial]:
        """Return every trial, by number."""
        return [trial_of(frozen) for frozen in self._frozen]

    def ask(self, study: Study) -> list[OpenTrial]:
        """Return the unfinished trials of the current round, else those of the next one.

        All trials of a round are drawn before any of them is finished, so that they do not depend
        on how many are trained together. A round that a dead driver left unfinished, or that an
        earlier total cut short, is completed first. A trial that failed in an earlier run does not
        count towards the study's total.
        """
        trials = self._frozen
        unfinished = [frozen.number for frozen in trials if not frozen.state.is_finished()]
        begin = unfinished[0] if unfinished else len(trials)
        end = (begin // study.round + 1) * study.round
        # neither failed trials nor diverged ones that are retried count
        total = study.total + sum(t.state == TrialState.FAIL for t in trials[: self._earlier])
        retried = [trials[t.user_attrs[_AGAIN]] for t in trials if _AGAIN in t.user_attrs]
        total += sum(t.state == TrialState.PRUNED for t in retried)
        numbers = range(len(trials), min(end, total))
        return [self._draw(study, number) for number in (*unfinished, *numbers)]

    def report(self, trial: OpenTrial, gains: Mapping[int, float]) -> None:
        """Record gains (percent) of a running trial by step; existing records stay."""
        recorded = self._storage.get_trial(trial.key).intermediate_values
        for step, gain in gains.items():
            if step not in recorded:
                self._storage.set_trial_intermediate_value(trial.key, step, gain)

    def should_prune(self, trial: OpenTrial, study: Study, step: int) -> str:
        """Return the reason to prune a running trial by its reports up to ``step``, or ``""``."""
        frozen = self._storage.get_trial(trial.key)
        reason, notes = pruning_reason(self._frozen, frozen, study, step)
        for name, value in notes.items():
            self._storage.set_trial_system_attr(trial.key, name, value)
        return reason

    def tell(self, trial: OpenTrial, result: Trial) -> str:
        """Finish a trial with its ARG, or with the reason why it has none.

        Returns:
            A message if it was finished already with another result, else an empty text.
        """
        stored = trial_of(self._storage.get_trial(trial.key))
        if stored.is_over:
            ends = [(stored.state, stored.arg), (result.state, result.arg)]
            if ends[0] == ends[1]:
                return ""
            was, now = (state if arg is None else f"{state}, ARG {arg}" for state, arg in ends)
            return f"trial {stored.number} is finished already: {was}; that stays, not {now}"
        self._note(trial.key, digest=result.digest)
        self._note(trial.key, error=result.error, reason=result.reason, step=result.step)
        if result.state == "complete":
            self._storage.set_trial_user_attr(trial.key, "interval", [result.low, result.high])
            self._store.tell(trial.number, result.arg)
            return ""
        self._storage.set_trial_user_attr(trial.key, "end", result.state)
        state = TrialState.FAIL if result.state == "failed" else TrialState.PRUNED
        self._store.tell(trial.number, state=state)
        return ""

    def release(self, *, fail: bool = False, error: str = "", reason: str = "") -> list[int]:
        """Let running trials wait for the next driver with their parameters, or ``fail`` them.

        The caller must hold the study's lease, so that no other driver is working on them.

        Args:
            fail: mark them as failed instead.
            error: class of the error that ended them, empty if there was none.
            reason: the same in words.

        Returns:
            Their numbers.
        """
        running = [trial.number for trial in self._frozen if trial.state == TrialState.RUNNING]
        after = TrialState.FAIL if fail else TrialState.WAITING
        for number in running:
            key = self._key_of(number)
            self._note(key, error=error, reason=reason)
            self._storage.set_trial_state_values(key, after)
        return running

    def reopen(self, changed: Callable[[Trial], bool]) -> list[int]:
        """Let finished trials for which ``changed`` is true wait again, without their results.

        Their parameters and numbers stay. The caller must hold the study's lease, and load the
        study again afterwards, as this object may have cached the old results.

        Returns:
            Their numbers.
        """
        finished = [trial for trial in self._frozen if trial.state.is_finished()]
        numbers = [trial.number for trial in finished if changed(trial_of(trial))]
        reopen(self._storage, [self._key_of(number) for number in numbers])
        return numbers

    def retry(self, state: State) -> list[tuple[Trial, int]]:
        """Add copies of the trials that ended in a state, which the next driver takes first.

        Trials that are retried already are left out. The original trials do not count towards the
        total.

        Returns:
            Each trial with the number of its next attempt.
        """
        trials = self._frozen
        retried = {frozen.user_attrs.get(_AGAIN) for frozen in trials}
        chosen = [t for t in map(trial_of, trials) if t.state == state and t.number not in retried]
        for number in (trial.number for trial in chosen):
            template = create_trial(
                state=TrialState.WAITING,
                params=trials[number].params,
                distributions=trials[number].distributions,
                user_attrs={_AGAIN: number},
            )
            self._store.add_trial(template)
        return [(trial, len(trials) + place) for place, trial in enumerate(chosen)]

    @property
    def _frozen(self) -> list[FrozenTrial]:
        return self._store.get_trials(deepcopy=False)

    def _key_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._key, number)

    def _draw(self, study: Study, number: int) -> OpenTrial:
        """Return the trial of this number, new or resumed, with all its parameters.

        A new one is stored with all of them at once; one that an earlier version left with only
        some of them is completed.
        """
        trials = self._frozen
        params, distributions = draw(trials, number, study)
        if number == len(trials):
            template = create_trial(
                state=TrialState.RUNNING, params=params, distributions=distributions
            )
            key = self._storage.create_new_trial(self._key, template)
            return OpenTrial(number, params, key, milliseconds(template.datetime_start))
        key, started = self._key_of(number), milliseconds(trials[number].datetime_start)
        if trials[number].state == TrialState.WAITING:
            self._storage.set_trial_state_values(key, TrialState.RUNNING)
            started = milliseconds(datetime.now(UTC))
        for name in params.keys() - trials[number].params.keys():
            kind = distributions[name]
            self._storage.set_trial_param(key, name, kind.to_internal_repr(params[name]), kind)
        return OpenTrial(number, params, key, started)

    def _note(self, key: int, **notes: str | int | None) -> None:
        """Write attributes of a trial; an empty one only to replace an earlier value."""
        recorded = self._storage.get_trial(key).user_attrs
        for name, value in notes.items():
            if value not in ("", None) or name in recorded:
                self._storage.set_trial_user_attr(key, name, value)


def _loaded(storage: PatientStorage, title: str) -> optuna.Study:
    return optuna.load_study(study_name=title, storage=storage)


def _made(storage: PatientStorage, title: str) -> optuna.Study:
    store = optuna.create_study(
        storage=storage, study_name=title, direction="maximize", load_if_exists=True
    )
    if store.metric_names is None:
        with warnings.catch_warnings():
            # since version 3.2 this is called experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            store.set_metric_names(["ARG"])
    return store


def _set_aside(store: optuna.Study, storage: PatientStorage) -> str:
    """Rename a study to one that is set aside, and return its new name."""
    title, identity = store.study_name, store.user_attrs.get(_IDENTITY, "earlier")
    aside = f"{title}-{identity[:6]}"
    with suppress(KeyError):
        # a driver that died here left an incomplete copy
        optuna.delete_study(study_name=aside, storage=storage)
    optuna.copy_study(
        from_study_name=title, from_storage=storage, to_storage=storage, to_study_name=aside
    )
    copied = _loaded(storage, aside)
    copied.set_user_attr(_STUDY, {**store.user_attrs[_STUDY], "name": aside})
    optuna.delete_study(study_name=title, storage=storage)
    return aside
