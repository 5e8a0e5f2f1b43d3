"""The search of a study: ask for trials, report on them, tell their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from mpt.errors import UnknownName
from mpt.search.definition import REVISION, refuse_another, revision_of
from mpt.search.pruners import pruned_because
from mpt.search.storage import DEFINITION, begun, is_there, open_storage, reopen
from mpt.search.trial import OpenTrial, State, Trial, trial_of
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
"""The attribute of a study for the name of its backbone when it was begun; later its place may
change, and in units of earlier versions the name stands as it was spelled."""
_OWNER = "mpt.owner"
"""The attribute of a study that was begun anew: the identity of the one that was set aside."""
_AGAIN = "again"
"""The attribute of a trial that tries an earlier one again: that one's number."""


class Search:
    """One study in the store of trials.

    Attributes:
        aside: the name that an earlier study of this name was moved to, if ``begin`` did so.

    Raises:
        StoreError: the store cannot be opened.
        UnknownName: ``load`` of a study that is not there.
    """

    def __init__(
        self, store: optuna.Study, storage: PatientStorage, earlier: int = 0, aside: str = ""
    ) -> None:
        self._store, self._storage, self._earlier, self.aside = store, storage, earlier, aside
        self._key = storage.get_study_id_from_name(store.study_name)

    @classmethod
    def begin(cls, study: Study, definition: Mapping[str, Any], home: Home) -> Search:
        """Make or find the study of this name; ``StoreError`` if it is another one.

        One that was begun with an earlier formula of the method is set ``aside`` under another
        name, and begun anew: its trials cannot be compared with new ones.
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
        store.set_user_attr(_STUDY, study.model_dump(mode="json"))
        # the last one, as it is what a study of mpt is known by
        store.set_user_attr(DEFINITION, dict(definition))
        return cls(store, storage, earlier=len(store.get_trials(deepcopy=False)), aside=aside)

    @classmethod
    def check(cls, study: Study, definition: Mapping[str, Any], home: Home) -> None:
        """Raise ``StoreError`` where ``begin`` would, without writing anything."""
        if is_there(home):
            with suppress(KeyError):
                refuse_another(_loaded(open_storage(home), study.title), definition, home)

    @classmethod
    def load(cls, home: Home, title: str) -> Search:
        """Load a study that was begun before."""
        storage, names = begun(home)
        if title not in names:
            raise UnknownName("study", title, names, "Run `mpt sweep` to begin one.")
        return cls(_loaded(storage, title), storage)

    @classmethod
    def latest(cls, home: Home) -> Search:
        """Load the study begun last. Raises ``InputError`` where there is none."""
        _, names = begun(home)
        return cls.load(home, names[0])

    def fence(self, lease: Lease) -> None:
        """Write nothing more into the store once the study's lease is lost: ``StoreError``."""
        lease.guard(self._storage.rdb.scoped_session)

    @property
    def identity(self) -> str:
        """Tells this study from one of the same name in another store, on a tracker they share."""
        return self._store.user_attrs[_IDENTITY]

    @property
    def owner(self) -> str:
        """Whose the registered prompts are: this study, and those of its name before it here."""
        return self._store.user_attrs.get(_OWNER) or self.identity

    @property
    def begun_as(self) -> str:
        """What its backbone was called when it was begun; empty where nothing says so."""
        known = self.definition.get("backbone") or {}
        return self._store.user_attrs.get(_BACKBONE) or str(known.get("name") or "")

    @property
    def revision(self) -> int | None:
        """The formula of the method that its trials are computed by; None for the first."""
        return revision_of(self._store, {})

    @property
    def definition(self) -> Mapping[str, Any]:
        """What makes it this study: its file, and the rows and weights it was begun on."""
        return self._store.user_attrs.get(DEFINITION) or {}

    @property
    def study(self) -> Study:
        """The study as it was last run."""
        return make_study(self._store.user_attrs[_STUDY], f"study {self._store.study_name!r}")

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return [trial_of(frozen) for frozen in self._known]

    def ask(self, study: Study) -> list[OpenTrial]:
        """Return the unfinished trials of the round under way, else those of the next one.

        A round's trials are all drawn before any of them is told, so that they are the same
        however many of them are then trained together. The round that a driver left when it died,
        or that an earlier total cut short, is made whole first. A trial that failed in an earlier
        run does not count towards the study's total.
        """
        known = self._known
        unfinished = [frozen.number for frozen in known if not frozen.state.is_finished()]
        begin = unfinished[0] if unfinished else len(known)
        end = (begin // study.round + 1) * study.round
        # what failed does not count, nor what diverged and is tried again
        total = study.total + sum(t.state == TrialState.FAIL for t in known[: self._earlier])
        retried = [known[t.user_attrs[_AGAIN]] for t in known if _AGAIN in t.user_attrs]
        total += sum(t.state == TrialState.PRUNED for t in retried)
        numbers = range(len(known), min(end, total))
        return [self._draw(study, number) for number in (*unfinished, *numbers)]

    def report(self, trial: OpenTrial, gains: Mapping[int, float]) -> None:
        """Record gains (percent) of a running trial by step; what is recorded already stays."""
        recorded = self._storage.get_trial(trial.key).intermediate_values
        for step, gain in gains.items():
            if step not in recorded:
                self._storage.set_trial_intermediate_value(trial.key, step, gain)

    def should_prune(self, trial: OpenTrial, study: Study, step: int) -> str:
        """Return why a running trial is pruned by what it reported up to ``step``, or nothing."""
        frozen = self._storage.get_trial(trial.key)
        reason, notes = pruned_because(self._known, frozen, study, step)
        for name, value in notes.items():
            self._storage.set_trial_system_attr(trial.key, name, value)
        return reason

    def tell(self, trial: OpenTrial, result: Trial) -> str:
        """Finish a trial: its ARG, or why it has none.

        Returns:
            What differs, for people, where it is finished already and with another result.
        """
        known = trial_of(self._storage.get_trial(trial.key))
        if known.is_over:
            ends = [(known.state, known.arg), (result.state, result.arg)]
            if ends[0] == ends[1]:
                return ""
            was, now = (state if arg is None else f"{state}, ARG {arg}" for state, arg in ends)
            return f"trial {known.number + 1} is told already: {was}; it stays, though now {now}"
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

    def hand_back(self, *, fail: bool = False, error: str = "", reason: str = "") -> list[int]:
        """Let running trials wait for the next driver, their parameters kept, or ``fail``.

        Only for who holds the study's lease: nobody else may be at work on them.

        Args:
            fail: whether they are given up.
            error: the class of what ended them, and reason: in words; empty if they just ended.

        Returns:
            Their numbers.
        """
        running = [one.number for one in self._known if one.state == TrialState.RUNNING]
        after = TrialState.FAIL if fail else TrialState.WAITING
        for number in running:
            key = self._key_of(number)
            self._note(key, error=error, reason=reason)
            self._storage.set_trial_state_values(key, after)
        return running

    def reopen(self, changed: Callable[[Trial], bool]) -> list[int]:
        """Let finished trials for which ``changed`` holds wait again, as if never told.

        Their parameters and numbers stay. Only for who holds the study's lease; what this object
        knows of them is old afterwards.

        Returns:
            Their numbers.
        """
        finished = [one for one in self._known if one.state.is_finished()]
        numbers = [one.number for one in finished if changed(trial_of(one))]
        reopen(self._storage, [self._key_of(number) for number in numbers])
        return numbers

    def again(self, state: State) -> list[tuple[Trial, int]]:
        """Add trials that ended in a state once more, as what the next driver takes first.

        A trial that is tried again already is left out, and does not count towards the total.

        Returns:
            Each with the number of its next attempt.
        """
        known = self._known
        done = {frozen.user_attrs.get(_AGAIN) for frozen in known}
        chosen = [t for t in map(trial_of, known) if t.state == state and t.number not in done]
        for number in (trial.number for trial in chosen):
            template = create_trial(
                state=TrialState.WAITING,
                params=known[number].params,
                distributions=known[number].distributions,
                user_attrs={_AGAIN: number},
            )
            self._store.add_trial(template)
        return [(trial, len(known) + place) for place, trial in enumerate(chosen)]

    @property
    def _known(self) -> list[FrozenTrial]:
        return self._store.get_trials(deepcopy=False)

    def _key_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._key, number)

    def _draw(self, study: Study, number: int) -> OpenTrial:
        """Return the trial of this number, new or begun before, with all its parameters.

        A new one comes into the store with all of them at once; one that an earlier version left
        half drawn is completed.
        """
        known = self._known
        params, distributions = draw(known, number, study)
        if number == len(known):
            template = create_trial(
                state=TrialState.RUNNING, params=params, distributions=distributions
            )
            key = self._storage.create_new_trial(self._key, template)
            return OpenTrial(number, params, key)
        key = self._key_of(number)
        if known[number].state == TrialState.WAITING:
            self._storage.set_trial_state_values(key, TrialState.RUNNING)
        for name in params.keys() - known[number].params.keys():
            kind = distributions[name]
            self._storage.set_trial_param(key, name, kind.to_internal_repr(params[name]), kind)
        return OpenTrial(number, params, key)

    def _note(self, key: int, **notes: str | int | None) -> None:
        """Write attributes of a trial; an empty one only where it was written before."""
        known = self._storage.get_trial(key).user_attrs
        for name, value in notes.items():
            if value not in ("", None) or name in known:
                self._storage.set_trial_user_attr(key, name, value)


def _loaded(storage: PatientStorage, title: str) -> optuna.Study:
    return optuna.load_study(study_name=title, storage=storage)


def _made(storage: PatientStorage, title: str) -> optuna.Study:
    return optuna.create_study(
        storage=storage, study_name=title, direction="maximize", load_if_exists=True
    )


def _set_aside(store: optuna.Study, storage: PatientStorage) -> str:
    """Move a study to a name of its own and return that name."""
    title, identity = store.study_name, store.user_attrs.get(_IDENTITY, "earlier")
    aside = f"{title}-{identity[:6]}"
    with suppress(KeyError):
        # what a driver left that died here
        optuna.delete_study(study_name=aside, storage=storage)
    optuna.copy_study(
        from_study_name=title, from_storage=storage, to_storage=storage, to_study_name=aside
    )
    own = _loaded(storage, aside)
    own.set_user_attr(_STUDY, {**store.user_attrs[_STUDY], "name": aside})
    optuna.delete_study(study_name=title, storage=storage)
    return aside
