"""The search of a study: ask, look, tell, and its trials as the store of studies holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from uuid import uuid4

from mpt.errors import StoreError, UnknownName
from mpt.schema import by_field_names
from mpt.search.storage import DEFINITION, begun, is_there, open_storage
from mpt.store.home import Home
from mpt.store.lease import Lease
from mpt.study.space import Interval
from mpt.study.study import Study
from mpt.study.study_file import make_study

REVISION = "revision"
"""The key of a study's definition for the formula of its method, where it is not the first."""

_STUDY = "mpt.study"
_IDENTITY = "mpt.id"
_BACKBONE = "mpt.backbone"
"""The attribute of a study for the name of its backbone when it was begun; later its place may
change, and in units of earlier versions the name stands as it was spelled."""
_OWNER = "mpt.owner"
"""The attribute of a study that was begun anew: the identity of the one that was set aside."""
_AGAIN = "again"
"""The attribute of a trial that tries an earlier one again: that one's number."""

State = Literal["complete", "diverged", "pruned", "failed", "running", "waiting"]


@dataclass(frozen=True)
class Trial:
    """One trial as the store keeps it.

    Attributes:
        state: ``complete``; ``diverged`` or ``pruned``, with ``step`` and ``reason``; ``failed``,
            so that the same command tries again; ``running``; or ``waiting`` for the next driver.
        arg: validation ARG in percent, with its 95 % interval from ``low`` to ``high``.
        error: its class (``mpt.study.error_policy``), if there was one.
        digest: of the meta-training, or of the part of it that was run before it was pruned; the
            ledger and the prompt's file know it by that.
        step: the meta-step at which it diverged or was pruned, or the number of scores after which
            it was pruned.
        ended: milliseconds since 1970, 0 while it is not over.
    """

    number: int
    params: Mapping[str, float]
    state: State
    digest: str = ""
    arg: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    step: int | None = None
    error: str = ""
    ended: int = field(default=0, compare=False)

    @property
    def is_over(self) -> bool:
        """Whether it is neither under way nor waiting."""
        return self.state not in ("running", "waiting")


class Search:
    """One study in the store of trials.

    Raises:
        StoreError: the store cannot be opened.
        UnknownName: ``load`` of a study that is not there.
    """

    def __init__(self, store: Any, earlier: int = 0, aside: str = "") -> None:
        self._store, self._earlier, self.aside = store, earlier, aside

    @classmethod
    def begin(cls, study: Study, definition: Mapping[str, Any], home: Home) -> Search:
        """The study of this name, made or found; ``StoreError`` if it is another one.

        One that was begun with an earlier formula of the method is set ``aside`` under another
        name, and begun anew: its trials cannot be compared with new ones.
        """
        storage, aside = open_storage(home, make=True), ""
        store = _made(storage, study.title)
        _refuse_another(store, definition, home)
        told = store.get_trials(deepcopy=False)
        if told and _revision(store, definition) != definition.get(REVISION):
            owner = cls(store).owner
            aside = _set_aside(store, storage)
            store = _made(storage, study.title)
            store.set_user_attr(_OWNER, owner)
        if _IDENTITY not in store.user_attrs:
            store.set_user_attr(_IDENTITY, uuid4().hex[:12])
        if _BACKBONE not in store.user_attrs:
            store.set_user_attr(_BACKBONE, cls(store).begun_as or study.backbone.name)
        store.set_user_attr(_STUDY, study.model_dump(mode="json"))
        # the last one, as it is what a study of mpt is known by
        store.set_user_attr(DEFINITION, dict(definition))
        return cls(store, earlier=len(store.get_trials(deepcopy=False)), aside=aside)

    @classmethod
    def check(cls, study: Study, definition: Mapping[str, Any], home: Home) -> None:
        """Raise ``StoreError`` where ``begin`` would, without writing anything."""
        import optuna

        if is_there(home):
            with suppress(KeyError):
                found = optuna.load_study(study_name=study.title, storage=open_storage(home))
                _refuse_another(found, definition, home)

    @classmethod
    def load(cls, home: Home, title: str) -> Search:
        """A study that was begun before."""
        import optuna

        storage, names = begun(home)
        if title not in names:
            raise UnknownName("study", title, names, "Run `mpt sweep` to begin one.")
        return cls(optuna.load_study(study_name=title, storage=storage))

    @classmethod
    def latest(cls, home: Home) -> Search:
        """The study begun last. Raises ``InputError`` where there is none."""
        _, names = begun(home)
        return cls.load(home, names[0])

    def fence(self, lease: Lease) -> None:
        """Write nothing more into the store once the study's lease is lost: ``StoreError``."""
        storage = self._store._storage
        lease.guard(getattr(storage, "_backend", storage).scoped_session)

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
        return _revision(self._store, {})

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
        return [trial_of(frozen) for frozen in self._store.get_trials(deepcopy=False)]

    def ask(self, study: Study) -> list[Any]:
        """The unfinished trials of the round under way, else those of the next one, by number.

        A round's trials are all drawn before any of them is told, so that they are the same
        however many of them are then trained together. The round that a driver left when it died,
        or that an earlier total cut short, is made whole first. A trial that failed in an earlier
        run does not count towards the study's total.
        """
        known = self._store.get_trials(deepcopy=False)
        open_ = [frozen.number for frozen in known if not frozen.state.is_finished()]
        begin = open_[0] if open_ else len(known)
        end = (begin // study.round + 1) * study.round
        # what failed does not count, nor what diverged and is tried again
        total = study.total + sum(t.state.name == "FAIL" for t in known[: self._earlier])
        retried = [known[t.user_attrs[_AGAIN]] for t in known if _AGAIN in t.user_attrs]
        total += sum(t.state.name == "PRUNED" for t in retried)
        numbers = range(len(known), min(end, total))
        return [self._draw(study, number) for number in (*open_, *numbers)]

    def report(self, asked: Any, gains: Mapping[int, float]) -> None:
        """Note gains (percent) of a running trial by step; what is noted already stays."""
        noted = self._store._storage.get_trial(asked._trial_id).intermediate_values
        for step, gain in gains.items():
            if step not in noted:
                asked.report(gain, step)

    def verdict(self, asked: Any, study: Study, step: int) -> str:
        """Why a running trial is pruned by what it reported up to ``step``, or nothing."""
        from mpt.search.pruners import verdict

        frozen = self._store._storage.get_trial(asked._trial_id)
        return verdict(self._store, frozen, study, step)

    def tell(self, asked: Any, result: Trial) -> str:
        """Finish a trial: its ARG, or why it has none.

        Returns:
            What differs, for people, where it is finished already and with another result.
        """
        from optuna.trial import TrialState

        known = trial_of(self._store._storage.get_trial(asked._trial_id))
        if known.is_over:
            ends = [(known.state, known.arg), (result.state, result.arg)]
            if ends[0] == ends[1]:
                return ""
            was, now = (state if arg is None else f"{state}, ARG {arg}" for state, arg in ends)
            return f"trial {known.number + 1} is told already: {was}; it stays, though now {now}"
        _note(asked, digest=result.digest)
        _note(asked, error=result.error, reason=result.reason, step=result.step)
        if result.state == "complete":
            asked.set_user_attr("interval", [result.low, result.high])
            self._store.tell(asked, result.arg)
            return ""
        asked.set_user_attr("end", result.state)
        failed = result.state == "failed"
        self._store.tell(asked, state=TrialState.FAIL if failed else TrialState.PRUNED)
        return ""

    def hand_back(self, *, fail: bool = False, error: str = "", reason: str = "") -> list[int]:
        """Running trials wait for the next driver, their parameters kept, or ``fail``.

        Only for who holds the study's lease: nobody else may be at work on them.

        Args:
            fail: whether they are given up.
            error: the class of what ended them, and reason: in words; empty if they just ended.

        Returns:
            Their numbers.
        """
        from optuna.trial import Trial as Asked
        from optuna.trial import TrialState

        known = self._store.get_trials(deepcopy=False)
        running = [frozen for frozen in known if frozen.state == TrialState.RUNNING]
        after = TrialState.FAIL if fail else TrialState.WAITING
        for frozen in running:
            _note(Asked(self._store, frozen._trial_id), error=error, reason=reason)
            self._store._storage.set_trial_state_values(frozen._trial_id, after)
        return [frozen.number for frozen in running]

    def reopen(self, changed: Callable[[Trial], bool]) -> list[int]:
        """Finished trials for which ``changed`` holds wait again, as if they had never been told.

        Their parameters and numbers stay. Only for who holds the study's lease; what this object
        knows of them is old afterwards.

        Returns:
            Their numbers.
        """
        from optuna.storages._rdb import models
        from optuna.storages._rdb.storage import _create_scoped_session
        from optuna.trial import TrialState

        known = self._store.get_trials(deepcopy=False)
        chosen = [
            frozen for frozen in known if frozen.state.is_finished() and changed(trial_of(frozen))
        ]
        ids = [frozen._trial_id for frozen in chosen]
        # Optuna has no way back from a finished trial; these are its own tables
        session_of = self._store._storage._backend.scoped_session
        with _create_scoped_session(session_of) as session:
            for one in ids:
                for table in (models.TrialValueModel, models.TrialIntermediateValueModel):
                    session.query(table).filter_by(trial_id=one).delete()
                trial = models.TrialModel.find_or_raise_by_id(one, session)
                trial.state, trial.datetime_complete = TrialState.WAITING, None
        return [frozen.number for frozen in chosen]

    def again(self, state: State) -> list[tuple[Trial, int]]:
        """Trials that ended in a state, once more, as what the next driver takes first.

        A trial that is tried again already is left out, and does not count towards the total.

        Returns:
            Each with the number of its next attempt.
        """
        from optuna.trial import TrialState, create_trial

        known = self._store.get_trials(deepcopy=False)
        done = {frozen.user_attrs.get(_AGAIN) for frozen in known}
        chosen = [t for t in map(trial_of, known) if t.state == state and t.number not in done]
        for number in (trial.number for trial in chosen):
            drawn = {"params": known[number].params, "distributions": known[number].distributions}
            attrs = {_AGAIN: number}
            self._store.add_trial(create_trial(state=TrialState.WAITING, user_attrs=attrs, **drawn))
        return [(trial, len(known) + place) for place, trial in enumerate(chosen)]

    def _draw(self, study: Study, number: int) -> Any:
        """The trial of this number, new or begun before, with all its parameters."""
        from optuna.trial import Trial as Asked
        from optuna.trial import TrialState

        from mpt.search.samplers import sampler
        from mpt.search.visible_trials import Seen, before

        known = self._store.get_trials(deepcopy=False)
        seen = before(known, number, study.round)
        view = Seen(self._store, seen, sampler(study, number, seen))
        if number == len(known):
            trial = view.ask()
        else:
            if known[number].state == TrialState.WAITING:
                view._storage.set_trial_state_values(known[number]._trial_id, TrialState.RUNNING)
            trial = Asked(view, known[number]._trial_id)
        for name, choice in study.space.dimensions(study.method).items():
            if isinstance(choice, Interval):
                trial.suggest_float(name, choice.low, choice.high, log=True)
            else:
                trial.suggest_categorical(name, choice)
        return trial


def trial_of(frozen: Any) -> Trial:
    """A trial of Optuna's, or what has the same fields."""
    attrs = frozen.user_attrs
    low, high = attrs.get("interval", (None, None))
    # what has no end written beside it was pruned before there were pruners
    ends: Mapping[str, State] = {
        "COMPLETE": "complete",
        "PRUNED": attrs.get("end", "diverged"),
        "FAIL": "failed",
        "WAITING": "waiting",
    }
    state = ends.get(frozen.state.name, "running")
    arg = frozen.value if state == "complete" else None
    notes = {"reason": attrs.get("reason") or "", "error": attrs.get("error") or ""}
    return Trial(
        number=frozen.number,
        params=frozen.params,
        state=state,
        digest=attrs.get("digest", ""),
        arg=arg,
        low=low,
        high=high,
        step=attrs.get("step"),
        ended=round(ended.timestamp() * 1000) if (ended := frozen.datetime_complete) else 0,
        **notes,
    )


def param_of(distribution: str, value: float) -> Any:
    """A parameter as it was suggested, from what Optuna's tables hold of it."""
    return _distribution(distribution).to_external_repr(value)


@cache
def _distribution(text: str) -> Any:
    from optuna.distributions import json_to_distribution

    return json_to_distribution(text)


def _note(asked: Any, **notes: Any) -> None:
    """Attributes of a trial; one that is empty is only written where it was not before."""
    for name, value in notes.items():
        if value not in ("", None) or name in asked.user_attrs:
            asked.set_user_attr(name, value)


def _made(storage: Any, title: str) -> Any:
    import optuna

    return optuna.create_study(
        storage=storage, study_name=title, direction="maximize", load_if_exists=True
    )


def _revision(store: Any, definition: Mapping[str, Any]) -> int | None:
    """The revision that a study was begun with; that of ``definition`` where it is new."""
    return store.user_attrs.get(DEFINITION, definition).get(REVISION)


def _set_aside(store: Any, storage: Any) -> str:
    """Move a study to a name of its own; returns that name."""
    import optuna

    title, identity = store.study_name, store.user_attrs.get(_IDENTITY, "earlier")
    aside = f"{title}-{identity[:6]}"
    with suppress(KeyError):
        # what a driver left that died here
        optuna.delete_study(study_name=aside, storage=storage)
    optuna.copy_study(
        from_study_name=title, from_storage=storage, to_storage=storage, to_study_name=aside
    )
    own = optuna.load_study(study_name=aside, storage=storage)
    own.set_user_attr(_STUDY, {**store.user_attrs[_STUDY], "name": aside})
    optuna.delete_study(study_name=title, storage=storage)
    return aside


def _refuse_another(store: Any, definition: Mapping[str, Any], home: Home) -> None:
    known, name = store.user_attrs.get(DEFINITION), store.study_name
    if known is None and store.get_trials(deepcopy=False):
        raise StoreError(
            f"the store {home.shown(home.studies_url)} holds a study {name!r} that mpt did not "
            "make; give this one another name with --name"
        )
    # a key that is younger than the study had its default when the study was begun
    default = {key: value for key, value in Study().definition.items() if key in definition}
    # an earlier formula of its method does not make it another study
    definition = {**definition, REVISION: _revision(store, definition)}
    before = {**default, **(known or definition)}
    now, _ = by_field_names(_by_content(definition), Study)
    then, _ = by_field_names(_by_content(before), Study)
    if changes := _differences(then, now):
        places = _contents(before, definition)
        told = [change + places.get(change.partition(" was ")[0], "") for change in changes]
        raise StoreError(
            f"study {name!r} was begun with another definition: {'; '.join(told)}. Give this "
            "one another name with --name, or go back to the definition it was begun with"
        )


def _by_content(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition without places: rows and weights are known by their digests, where there are
    any, wherever they lie."""
    found = dict(definition)
    if "data" in found:
        del found["gym"]
    if "weights" in found:
        found["backbone"] = {k: v for k, v in found["backbone"].items() if k != "name"}
    return found


def _contents(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """What stands behind the digests of a definition, for people."""

    def told(*places: object) -> str:
        was, is_now = places
        return f"{is_now}" if was == is_now else f"{was} then, {is_now} now"

    gym = told(*(one.get("gym") for one in (before, now)))
    backbone = told(*(one.get("backbone", {}).get("name") for one in (before, now)))
    return {
        "data": f" (rows of the source tasks in gym {gym})",
        "validation rows": f" (rows of the validation tasks in gym {gym})",
        "weights": f" (backbone {backbone})",
    }


def _differences(known: Mapping[str, Any], given: Mapping[str, Any], under: str = "") -> list[str]:
    """``key: was ..., is ...`` for every leaf that differs."""
    found = []
    for key in sorted({*known, *given}):
        was, now = known.get(key), given.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            found += _differences(was, now, f"{under}{key}.")
        else:
            found.append(f"{under}{key} was {was}, is {now}")
    return found
