"""A learned prompt: its tensor, its answers, and its form for other libraries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.errors import DataError, InputError
from mpt.files.tensor_file import notes_of
from mpt.store.artefacts import prompt_file, prompt_of
from mpt.store.home import Home
from mpt.store.ledger import open_ledger
from mpt.store.results import Result
from mpt.store.unit import DamagedConfig, Unit, read_config
from mpt.tracking.provenance import find_prompt
from mpt.tracking.registry import CHAMPION, champion_of

if TYPE_CHECKING:
    from torch import Tensor

    from mpt.config import UnitConfig

ENDING = ".safetensors"


@dataclass(frozen=True)
class Adapter:
    """A prompt as an adapter of PEFT.

    Attributes:
        folder: what PEFT loads; the README in it shows how.
        note: which use of PEFT answers as mpt does.
    """

    folder: Path
    note: str


@dataclass(frozen=True)
class Prompt:
    """A soft prompt and the unit of work that made it.

    Attributes:
        unit: its configuration, scores and curves, as the ledger has them.
        home: where its file lies.
    """

    unit: Unit
    home: Home

    @property
    def digest(self) -> str:
        """Of the unit that made it."""
        return self.unit.digest

    @property
    def config(self) -> UnitConfig | DamagedConfig:
        """The resolved configuration of the unit that made it."""
        return self.unit.config

    @property
    def file(self) -> Path:
        """Where it lies. Raises ``DataError`` of a unit without a prompt."""
        return prompt_file(self.home, self.unit)

    @cached_property
    def tensor(self) -> Tensor:
        """Its rows ``[P, H]``, on the CPU. Raises ``DataError`` if the file is not as recorded."""
        return prompt_of(self.home, self.unit)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Answer each text by greedy decoding behind this prompt.

        Raises:
            DataError: the prompt's file cannot be read, or is not as it was recorded.
            ConfigError: the backbone cannot be loaded, or is not the one it was learned on.

        Example::

            mpt.load_prompt("champion").predict(["it was good", "it was bad"])
        """
        from mpt.serve.predict import asked_with, predict

        if isinstance(texts, str):
            raise InputError(
                "predict takes a list of texts",
                fix="give [text] for a single one",
            )
        return predict(self.file, asked_with(self.unit), texts)

    def to_peft(self, folder: str | Path) -> Adapter:
        """Write it as an adapter that PEFT loads, into a new or an empty folder.

        Raises:
            InputError: the folder holds something, or cannot be written.
            ConfigError: PEFT could not place this prompt as mpt does.

        Example::

            mpt.load_prompt("champion").to_peft("adapter").note
        """
        from mpt.serve.export import export_peft

        folder = Path(folder).expanduser()
        return Adapter(folder, export_peft(self.unit, self.home, folder))

    def __repr__(self) -> str:
        return f"Prompt({self.digest!r}, {self.unit.kind}, {self.unit.state})"


def load_prompt(which: str | Path = CHAMPION) -> Prompt:
    """Load a prompt by its digest, its registered name or its file.

    Args:
        which: a digest or its first digits; the name of a registered prompt, also as
            ``models:/NAME@ALIAS``; a ``.safetensors`` file; or ``champion``: the champion of the
            only registered prompt or, of several, that of the study begun last.

    Raises:
        UnknownName: nothing of that name; near misses are named.
        InputError: several digests begin so, or nobody can say which champion is meant.
        DataError: the file is no prompt of mpt.

    Example::

        prompt = mpt.load_prompt("models:/mpt-mini-reptile@champion")
        prompt.tensor.shape
    """
    if isinstance(which, Path) or which.endswith(ENDING):
        return _from_file(Path(which).expanduser())
    home = Home.find()
    with open_ledger(home) as ledger:
        name = champion_of(home, _latest(home)) if which == CHAMPION else which
        return Prompt(find_prompt(ledger, home, name), home)


def _latest(home: Home) -> str:
    """The name that the study begun last registers its prompts under; empty without a study."""
    from mpt.search.search import Search
    from mpt.search.storage import study_names
    from mpt.tracking.registry import registered_as

    if not (names := study_names(home)):
        return ""
    return registered_as(home, f"mpt-{names[0]}", Search.load(home, names[0]).owner)


def _from_file(file: Path) -> Prompt:
    """A prompt by its file alone: the configuration is noted in it."""
    try:
        notes = notes_of(file.read_bytes())
        config, digest = json.loads(notes["config"]), notes["digest"]
    except OSError as error:
        raise DataError(f"prompt file {file} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, AttributeError):
        raise DataError(
            f"{file} is no prompt of mpt",
            fix="give a file of the folder prompts/ of a home",
        ) from None
    known = read_config(digest, config) if isinstance(config, dict) else DamagedConfig({})
    if isinstance(known, DamagedConfig):
        raise DataError(
            f"{file} is not the prompt that it says ({known.fault})",
            fix="give another file",
        )
    file = file.absolute()
    made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    unit = Unit(digest, known.kind, known, "done", Result(), file.name, 0.0, made)
    return Prompt(unit, replace(Home.find(), root=file.parent))
