"""The search of a study: ask, tell and the store of trials. The only file that imports Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from mpt.errors import InputError, StoreError, UnknownName
from mpt.lab.choices import Interval
from mpt.lab.database import patient, survey
from mpt.lab.home import Home
from mpt.lab.study import Study, make_study
from mpt.seeding import entropy

FIRST = 4
"""Trials drawn at random before a model-based sampler may use what it has seen."""

_DEFINITION = "mpt.definition"
_STUDY = "mpt.study"
_IDENTITY = "mpt.id"


State = Literal["complete", "diverged", "running", "waiting"]


@dataclass(frozen=True)
class Trial:
    """One trial as the store keeps it.

    Attributes:
        state: ``complete``, ``diverged`` (pruned, with its ``reason``), ``running``, or ``waiting``
            for the driver that goes on with it.
        arg: validation ARG in percent, with its 95 % interval from ``low`` to ``high``.
        digest: of the meta-training; the ledger and the prompt's file know it by that.
    """

    number: int
    params: Mapping[str, float]
    state: State
    digest: str = ""
    arg: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

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

    def __init__(self, store: Any) -> None:
        self._store = store

    @classmethod
    def begin(cls, study: Study, definition: Mapping[str, Any], home: Home) -> Search:
        """The study of this name, made or found; ``StoreError`` if it is another one."""
        import optuna

        store = optuna.create_study(
            storage=_storage(home, make=True),
            study_name=study.title,
            direction="maximize",
            load_if_exists=True,
        )
        _refuse_another(store, definition, home)
        store.set_user_attr(_DEFINITION, dict(definition))
        store.set_user_attr(_STUDY, study.model_dump(mode="json"))
        if _IDENTITY not in store.user_attrs:
            store.set_user_attr(_IDENTITY, uuid4().hex[:12])
        return cls(store)

    @classmethod
    def check(cls, study: Study, definition: Mapping[str, Any], home: Home) -> None:
        """Raise ``StoreError`` where ``begin`` would, without writing anything."""
        import optuna

        if _is_there(home):
            with suppress(KeyError):
                found = optuna.load_study(study_name=study.title, storage=_storage(home))
                _refuse_another(found, definition, home)

    @classmethod
    def load(cls, home: Home, title: str) -> Search:
        """A study that was begun before."""
        import optuna

        names = _begun(home)
        if title not in names:
            raise UnknownName("study", title, names, "Run `mpt sweep` to begin one.")
        return cls(optuna.load_study(study_name=title, storage=_storage(home)))

    @classmethod
    def latest(cls, home: Home) -> Search:
        """The study begun last. Raises ``InputError`` where there is none."""
        return cls.load(home, _begun(home)[0])

    @property
    def identity(self) -> str:
        """Tells this study from one of the same name in another store, on a tracker they share."""
        return self._store.user_attrs[_IDENTITY]

    @property
    def study(self) -> Study:
        """The study as it was last run."""
        return make_study(self._store.user_attrs[_STUDY], f"study {self._store.study_name!r}")

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return [_trial(frozen) for frozen in self._store.get_trials(deepcopy=False)]

    def ask(self, study: Study) -> list[Any]:
        """Trials left running by a driver that died, else new ones up to the study's total.

        The sampler is made anew for every trial, seeded by the trial's number: a resumed study
        draws new points and not the first ones again.
        """
        import optuna

        states = optuna.trial.TrialState
        known = self._store.get_trials(deepcopy=False)
        running = [frozen for frozen in known if frozen.state == states.RUNNING]
        trials = [optuna.trial.Trial(self._store, frozen._trial_id) for frozen in running]
        if not running:
            begun = sum(frozen.state != states.WAITING for frozen in known)
            for number in range(begun, min(begun + study.pack, study.total)):
                self._store.sampler = _sampler(study, number)
                if study.sampler == "grid":
                    self._store.enqueue_trial(study.grid[number], skip_if_exists=True)
                trials.append(self._store.ask())
        for trial in trials:
            _suggest(trial, study)
        return trials

    def tell(self, asked: Any, result: Trial) -> None:
        """Finish a trial: its ARG, or the reason why it was pruned."""
        import optuna

        asked.set_user_attr("digest", result.digest)
        if result.state == "complete":
            asked.set_user_attr("interval", [result.low, result.high])
            self._store.tell(asked, result.arg)
        else:
            asked.set_user_attr("reason", result.reason)
            self._store.tell(asked, state=optuna.trial.TrialState.PRUNED)

    def hand_back(self) -> int:
        """Running trials wait for the next driver, their parameters kept; how many they were.

        Only for who holds the study's lease: nobody else may be at work on them.
        """
        import optuna

        states = optuna.trial.TrialState
        known = self._store.get_trials(deepcopy=False)
        running = [frozen for frozen in known if frozen.state == states.RUNNING]
        for frozen in running:
            self._store._storage.set_trial_state_values(frozen._trial_id, states.WAITING)
        return len(running)


def study_names(home: Home) -> list[str]:
    """The studies that mpt began in this store, the youngest first. Raises ``StoreError``."""
    import optuna

    if not _is_there(home):
        return []
    summaries = optuna.get_all_study_summaries(_storage(home))
    own = [summary for summary in summaries if _DEFINITION in summary.user_attrs]
    return [summary.study_name for summary in sorted(own, key=lambda s: -s._study_id)]


def _begun(home: Home) -> list[str]:
    """As ``study_names``, but there must be one. Raises ``InputError``."""
    if names := study_names(home):
        return names
    raise InputError(
        f"there is no study in {home.shown(home.studies_url)} yet; begin one with "
        "`mpt sweep --method reptile`"
    )


def _suggest(trial: Any, study: Study) -> None:
    for name, choice in study.space.dimensions(study.method).items():
        if isinstance(choice, Interval):
            trial.suggest_float(name, choice.low, choice.high, log=True)
        else:
            trial.suggest_categorical(name, choice)


def _sampler(study: Study, number: int) -> Any:
    import optuna

    seed = entropy("sampler", study.seed, number) % 2**32
    match study.sampler:
        case "tpe":
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=FIRST, multivariate=True, constant_liar=True
            )
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=FIRST)
        case "random" | "grid":
            return optuna.samplers.RandomSampler(seed=seed)


_STATES: Mapping[str, State] = {
    "COMPLETE": "complete",
    "PRUNED": "diverged",
    "FAIL": "diverged",
    "WAITING": "waiting",
}


def _trial(frozen: Any) -> Trial:
    attrs = frozen.user_attrs
    low, high = attrs.get("interval", (None, None))
    state = _STATES.get(frozen.state.name, "running")
    arg = frozen.value if state == "complete" else None
    digest, reason = attrs.get("digest", ""), attrs.get("reason", "")
    return Trial(frozen.number, frozen.params, state, digest, arg, low, high, reason)


def _is_there(home: Home) -> bool:
    """Whether the store exists; looking into it would make it."""
    place = home.studies_url.partition("?")[0]
    return not place.startswith("sqlite") or Path(place.partition(":///")[2]).exists()


def _refuse_another(store: Any, definition: Mapping[str, Any], home: Home) -> None:
    known, name = store.user_attrs.get(_DEFINITION), store.study_name
    if known is None and store.get_trials(deepcopy=False):
        raise StoreError(
            f"the store {home.shown(home.studies_url)} holds a study {name!r} that mpt did not "
            "make; give this one another name with --name"
        )
    if known is not None and known != definition:
        raise StoreError(
            f"study {name!r} was begun with another definition: "
            f"{'; '.join(_differences(known, definition))}. Give this one another name with "
            "--name, or go back to the definition it was begun with"
        )


def _storage(home: Home, *, make: bool = False) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # SQLite: wait for a lock rather than fail; servers: notice a dropped connection
    is_file = home.studies_url.startswith("sqlite")
    waits = {"timeout": 60} if is_file else {}
    if make and _is_there(home) and home.studies_url.startswith(("sqlite", "postgres")):
        _refuse_other_tables(home)
    try:
        storage = optuna.storages.RDBStorage(
            home.studies_url,
            engine_kwargs={"pool_pre_ping": True, "connect_args": waits},
            # a reader must not put tables into a file that may be another tool's
            skip_table_creation=is_file and not make,
        )
    except Exception as error:
        # Optuna lets through whatever driver, URL parser or schema check fails
        text = str(error.__cause__ or error)
        cause = text.splitlines()[0] if text else type(error).__name__
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened ({cause}); it must "
            "be a database of its own, shared with neither MLflow nor the ledger"
        ) from None
    # a server that restarts in mid-sweep is waited for
    for name in optuna.storages.BaseStorage.__abstractmethods__:
        setattr(storage, name, patient(getattr(storage, name), home.shown(home.studies_url)))
    return storage


def _refuse_other_tables(home: Home) -> None:
    """Raise ``StoreError`` where Optuna would put its tables beside another tool's."""
    found = survey(home.studies_url, "studies store", "MPT_STUDIES_URL", timeout=60.0).tables
    if found and "studies" not in found:
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened (it holds the "
            f"table {min(found)!r} of another tool); it must be a database of its own, shared with "
            "neither MLflow nor the ledger: set MPT_STUDIES_URL"
        )


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
