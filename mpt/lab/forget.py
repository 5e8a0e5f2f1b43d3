"""Forget a bad unit and everything that depends on it, so that it is computed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from mpt.config import VOCABULARY, CellConfig, UnitConfig
from mpt.engine.checkpoint import Checkpoints
from mpt.errors import DataError, StoreError
from mpt.files.atomic import delete_whole
from mpt.files.tensor_file import notes_of
from mpt.search.search import Search
from mpt.search.storage import study_lease
from mpt.search.study_list import all_trials
from mpt.search.trial import Trial
from mpt.store.artefacts import prompt_path
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.unit import DamagedConfig, read_config
from mpt.tracking.provenance import find_digest


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Hold what was forgotten.

    Attributes:
        digest: the named unit.
        begun: units that started from its prompt, directly or through other units.
        trials: numbers of the trials that wait for the next `mpt sweep`, by study.
    """

    digest: str
    begun: tuple[str, ...]
    trials: Mapping[str, Sequence[int]]


def forget(home: Home, ledger: Ledger, which: str) -> Forgotten:
    """Forget a unit, with its prompt, its checkpoint and all units that started from its prompt.

    These are included as the prompt may already have been bad when they were tuned from it. Trials
    whose ARG depends on a forgotten unit are reset to waiting, with their numbers and parameters,
    so that the same `mpt sweep` computes only what is missing.

    Args:
        home: the home folder.
        ledger: its ledger.
        which: a digest, or the beginning of one.

    Raises:
        UnknownName: no unit has this digest.
        InputError: the digests of several units begin like this.
        StoreError: a driver is running a study that would change, or a file cannot be removed.
    """
    digest = find_digest(ledger, which)
    affected = _standing_on(digest, ledger)
    configs = {each: _config(each, home, ledger) for each in affected}
    with ExitStack() as leases:
        trials: dict[str, list[int]] = {}
        for title, of_study in all_trials(home):
            search = Search.load(home, title)
            touched = _touched(search, configs)
            if any(trial.is_over and touched(trial) for trial in of_study):
                leases.enter_context(study_lease(home, ledger, title))
                trials[title] = search.reopen(touched)
        # the named unit last, so that the same command forgets the rest after a crash
        for each in reversed(affected):
            _remove(home, each)
            ledger.forget(each)
    return Forgotten(digest, tuple(affected[1:]), trials)


def _standing_on(digest: str, ledger: Ledger) -> list[str]:
    """List the unit and then those that started from it, directly or through other units."""
    digests = [digest]
    for current in digests:
        digests += [started for started in ledger.begun_from(current) if started not in digests]
    return digests


def _touched(
    search: Search, configs: Mapping[str, UnitConfig | DamagedConfig]
) -> Callable[[Trial], bool]:
    """Return a test of whether a trial's ARG depends on these units, its own or the baseline's."""
    cells = [config for config in configs.values() if isinstance(config, CellConfig)]
    own = {*configs, *(cell.start for cell in cells)}
    definition = search.definition
    plain = any(
        cell.start == VOCABULARY
        and cell.task in definition.get("tasks", ())
        and cell.weights == definition.get("weights")
        for cell in cells
    )

    def touched(trial: Trial) -> bool:
        return bool(trial.digest) and (plain or trial.digest in own)

    return touched


def _config(digest: str, home: Home, ledger: Ledger) -> UnitConfig | DamagedConfig:
    """Read a unit's configuration from its row or, if that is damaged, from its prompt file."""
    with suppress(StoreError):
        unit = ledger.get(digest)
        if unit is not None and not isinstance(unit.config, DamagedConfig):
            return unit.config
    with suppress(DataError, OSError, ValueError, KeyError, AttributeError):
        record = json.loads(notes_of((home.root / prompt_path(digest)).read_bytes())["config"])
        return read_config(digest, record)
    return DamagedConfig({})


def _remove(home: Home, digest: str) -> None:
    """Remove a unit's prompt and checkpoint, or an empty folder in their place.

    Raises:
        StoreError: a file cannot be removed.
    """
    try:
        prompt = home.root / prompt_path(digest)
    except DataError:
        # an invalid digest names no file
        return
    for file in (prompt, Checkpoints(home.checkpoints).path(digest)):
        try:
            _gone(file)
        except OSError as error:
            raise StoreError(
                f"{file} cannot be removed ({error.strerror})",
                fix="move it away and repeat the command",
            ) from None


def _gone(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        delete_whole(file)
