"""The way back from a bad unit: it and all that stands on it is forgotten, and computed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from mpt.config import VOCABULARY, CellConfig, UnitConfig
from mpt.engine.checkpoint import Checkpoints
from mpt.errors import DataError, StoreError
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
    """What was forgotten.

    Attributes:
        digest: the unit that was named.
        begun: units that began from its prompt, or from the prompt of one that did.
        trials: numbers of the trials that wait for the next `mpt sweep`, by their study.
    """

    digest: str
    begun: tuple[str, ...]
    trials: Mapping[str, Sequence[int]]


def forget(home: Home, ledger: Ledger, which: str) -> Forgotten:
    """Forget a unit, with its prompt, its checkpoint and all units that began from its prompt.

    Whether its prompt was already bad when they were tuned from it, nobody can tell. Trials whose
    ARG stands on a forgotten unit wait again, with their numbers and parameters, so that the same
    `mpt sweep` computes what is lacking and nothing else.

    Args:
        which: a digest, or the beginning of one.

    Raises:
        UnknownName: no unit has it.
        InputError: the digests of several units begin with it.
        StoreError: a driver is at work on a study that it would change, or a file cannot be
            removed.
    """
    digest = find_digest(ledger, which)
    lost = _standing_on(digest, ledger)
    configs = {one: _config(one, home, ledger) for one in lost}
    with ExitStack() as held:
        trials: dict[str, list[int]] = {}
        for title, known in all_trials(home):
            search = Search.load(home, title)
            touched = _touched(search, configs)
            if any(trial.is_over and touched(trial) for trial in known):
                held.enter_context(study_lease(home, ledger, title))
                trials[title] = search.reopen(touched)
        # the named one last: what is left after a crash is forgotten by the same command
        for one in reversed(lost):
            _remove(home, one)
            ledger.forget(one)
    return Forgotten(digest, tuple(lost[1:]), trials)


def _standing_on(digest: str, ledger: Ledger) -> list[str]:
    """The unit, and behind it those that began from it, directly or by way of others."""
    found = [digest]
    for one in found:
        found += [begun for begun in ledger.begun_from(one) if begun not in found]
    return found


def _touched(
    search: Search, configs: Mapping[str, UnitConfig | DamagedConfig]
) -> Callable[[Trial], bool]:
    """Whether a trial's ARG stands on one of these units: its own, or one of the baseline's."""
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
    """A unit's configuration from its row or, where that is what is damaged, from its prompt."""
    with suppress(StoreError):
        unit = ledger.get(digest)
        if unit is not None and not isinstance(unit.config, DamagedConfig):
            return unit.config
    with suppress(DataError, OSError, ValueError, KeyError, AttributeError):
        record = json.loads(notes_of((home.root / prompt_path(digest)).read_bytes())["config"])
        return read_config(digest, record)
    return DamagedConfig({})


def _remove(home: Home, digest: str) -> None:
    """A unit's prompt and checkpoint; a folder in their place goes if it is empty."""
    try:
        prompt = home.root / prompt_path(digest)
    except DataError:
        # no file is called by what is no digest
        return
    for file in (prompt, Checkpoints(home.checkpoints).path(digest)):
        try:
            _gone(file)
        except OSError as error:
            raise StoreError(
                f"{file} cannot be removed ({error.strerror}); move it away, then run the same "
                "command"
            ) from None


def _gone(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
