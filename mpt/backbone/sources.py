"""Where the files of a model come from: the one table of what a backbone's name can mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mpt.backbone.folder import (
    INDEX,
    PICKLES,
    check_folder,
    conversion,
    earlier_identity,
    file_identity,
    folder_identity,
    shards,
)
from mpt.errors import ConfigError

EMBEDDED = Path(__file__).parent / "mini"
"""The embedded mini backbone, in the layout that ``save_pretrained`` writes."""


def where(name: str) -> str:
    """Return the Hub id or folder that a name stands for; ``mini`` is the embedded backbone."""
    if name == "mini":
        return str(EMBEDDED)
    return str(Path(name).expanduser()) if name.startswith("~") else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of a model, as transformers is given them.

    Attributes:
        place: a folder or Hub id.
        gguf: the file in that folder which holds the model, where it is one.
        commit: of a Hub id, so that all of its files are of one; None where it is not known.
    """

    place: str
    gguf: str | None = None
    commit: str | None = None

    @property
    def options(self) -> dict[str, str | None]:
        """What ``from_pretrained`` is given beside the place."""
        known = {"gguf_file": self.gguf, "revision": self.commit}
        return {key: value for key, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSource:
    """A row of the table; functions are called with a name and the place that it stands for.

    Attributes:
        matches: whether the name is of this source.
        find: returns the files. Raises ``ConfigError`` before anything is loaded where they are not
            those of a model that mpt loads.
        identity: returns 12 hex digits that name weights, configuration and tokenizer; given the
            place, the commit and the names of files that this kind of tokenizer reads.
        advice: says what to do about an error of transformers; given the name, the error and its
            first line, and the files, if they were found.
    """

    matches: Callable[[str, Path], bool]
    find: Callable[[str, Path], Files]
    identity: Callable[[Path, str | None, Iterable[str]], str]
    advice: Callable[[str, Exception, str, Files | None], str]


def _folder(name: str, place: Path) -> Files:
    if not place.exists():
        raise ConfigError(
            f"backbone {name!r}: there is no such folder",
            fix="give one written by save_pretrained",
        )
    if not place.is_dir():
        raise ConfigError(
            f"backbone {name!r} is a file",
            fix="give a folder written by save_pretrained, or a GGUF file",
        )
    check_folder(name, place)
    _expect_no_adapter(name, str(place))
    return Files(place=str(place))


def _gguf(name: str, place: Path) -> Files:
    if not place.is_file():
        raise ConfigError(f"backbone {name!r}: there is no such GGUF file")
    _expect_no_adapter(name, str(place.parent))
    return Files(place=str(place.parent), gguf=place.name)


def _hub_id(name: str, place: Path) -> Files:
    from transformers.utils.hub import cached_file, extract_commit_hash

    _expect_no_adapter(name, name)
    # a repository without safetensors would else be sent to a conversion service behind our back
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    commit = extract_commit_hash(cached_file(name, "config.json"), None)
    index = cached_file(
        name,
        INDEX,
        revision=commit,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if index is not None:
        shards(name, Path(index))
    return Files(place=name, commit=commit)


def _expect_no_adapter(name: str, place: str) -> None:
    """Raise ``ConfigError`` where PEFT's adapter lies in a folder or Hub id.

    transformers would load it on top, from a pickle too, beside a GGUF file as well.
    """
    from transformers.utils.peft_utils import find_adapter_config_file

    if find_adapter_config_file(place) is not None:
        raise ConfigError(
            f"backbone {name!r} holds a PEFT adapter, or has one beside it",
            fix=(
                "give a model without, "
                "or merge the adapter into its base (peft's merge_and_unload, then save_pretrained)"
            ),
        )


def _by_commit(place: Path, commit: str | None, vocabularies: Iterable[str]) -> str:
    if commit is None:
        name = str(place)
        raise ConfigError(
            f"backbone {name!r} was loaded, but not which commit of it",
            fix=(
                f"download it into a folder (`hf download {name} --local-dir FOLDER`) and give that"
            ),
        )
    return commit[:12]


def _about_folder(name: str, error: Exception, cause: str, files: Files | None) -> str:
    return (
        f"backbone {name!r} cannot be loaded ({cause}); copy or download the folder anew, or "
        "give another one written by save_pretrained"
    )


def _about_gguf(name: str, error: Exception, cause: str, files: Files | None) -> str:
    return (
        f"backbone {name!r} cannot be loaded ({cause}); GGUF files need "
        "`pip install -e '.[gguf]'` and a kind of model that transformers dequantises"
    )


def _about_hub_id(name: str, error: Exception, cause: str, files: Files | None) -> str:
    if files is not None and files.commit and _is_pickled(name, error, files.commit):
        return (
            f"backbone {name!r} has no weights as safetensors, and mpt never opens a pickle "
            f"({PICKLES[0]}), which may run code; {conversion(name)}"
        )
    return (
        f"backbone {name!r} cannot be loaded ({cause}); give 'mini', a folder written by "
        "save_pretrained, a GGUF file, or a Hub id that this machine can reach or has cached"
    )


def _is_pickled(name: str, error: Exception, commit: str) -> bool:
    """Whether a Hub id has weights, yet none as safetensors: so the Hub says, or what is cached."""
    from huggingface_hub import try_to_load_from_cache

    cached = (try_to_load_from_cache(name, one, revision=commit) for one in PICKLES)
    return "do not set `use_safetensors=True`" in str(error) or any(
        isinstance(one, str) for one in cached
    )


SOURCES: Mapping[str, BackboneSource] = MappingProxyType(
    {
        "embedded": BackboneSource(
            matches=lambda name, place: place == EMBEDDED,
            find=_folder,
            identity=lambda place, commit, vocabularies: earlier_identity(place),
            advice=_about_folder,
        ),
        "GGUF file": BackboneSource(
            matches=lambda name, place: name.endswith(".gguf"),
            find=_gguf,
            identity=lambda place, commit, vocabularies: file_identity(place),
            advice=_about_gguf,
        ),
        "folder": BackboneSource(
            matches=lambda name, place: name.startswith(("/", "./", "../", "~")) or place.exists(),
            find=_folder,
            identity=lambda place, commit, vocabularies: folder_identity(place, vocabularies),
            advice=_about_folder,
        ),
        "Hub id": BackboneSource(
            matches=lambda name, place: True,
            find=_hub_id,
            identity=_by_commit,
            advice=_about_hub_id,
        ),
    }
)
"""What a name can stand for; the first row that matches counts."""


def source_of(name: str) -> BackboneSource:
    """Return where a backbone of this name comes from."""
    place = Path(where(name))
    return next(source for source in SOURCES.values() if source.matches(name, place))
