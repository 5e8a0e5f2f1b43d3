"""A model folder as it lies on disk: what it must hold, and the name of all that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from mpt.errors import ConfigError
from mpt.reading import parse_json, text_of

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What transformers looks for, in this order."""

CONFIG, GENERATION = "config.json", "generation_config.json"
SETTINGS = (CONFIG, GENERATION, "tokenizer_config.json", "special_tokens_map.json")
"""What transformers reads as JSON, of two equal keys the last one."""

OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
"""Forms of weights that are not read: pickles may hold code, the others are not torch's."""

TOKENIZER = (
    *("tokenizer*", "*.tokenizer", "*.model", "*.spm", "*.tiktoken", "*.codes"),
    *("*vocab*", "merges*", "dict*.txt", "added_tokens.json", "special_tokens_map.json"),
    "tekken.json",
)
"""Files that tokenizers of any kind are read from."""

WITHOUT_MEANING = frozenset(
    {
        *("_name_or_path", "_commit_hash", "_from_model_config", "transformers_version"),
        *("dtype", "torch_dtype", "use_cache", "output_attentions", "output_hidden_states"),
    }
)
"""Keys of a configuration that no result depends on; weights are read in float32 anyway."""

_EARLIER = ("*.safetensors", "tokenizer*", "*.bin", "*.model")


def check_folder(name: str, folder: Path) -> None:
    """Raise ``ConfigError`` where a folder cannot be a model that mpt loads, before it is loaded.

    Args:
        name: of the backbone, as the user gave it.
    """
    start = f"backbone {name!r}"
    if not any(folder.iterdir()):
        raise ConfigError(f"{start}: the folder is empty; give one written by save_pretrained")
    if (folder / "adapter_config.json").exists():
        base = _read(name, folder / "adapter_config.json").get("base_model_name_or_path")
        raise ConfigError(
            f"{start} holds a PEFT adapter, no model of its own; give its base model ({base}), or "
            "merge the adapter into it (peft's merge_and_unload, then save_pretrained)"
        )
    if not (folder / CONFIG).exists():
        raise ConfigError(f"{start} holds no config.json; give a folder written by save_pretrained")
    described = {file: _read(name, folder / file) for file in SETTINGS if (folder / file).exists()}
    if "model_type" not in described[CONFIG]:
        raise ConfigError(
            f"{start}: its config.json names no model_type; write the one of its makers, e.g. "
            '"model_type": "t5"'
        )
    for shard in weight_files(name, folder):
        if not shard.is_file():
            raise ConfigError(
                f"{start}: {INDEX} names {shard.name}, which is not there; copy or download it anew"
            )


def weight_files(name: str, folder: Path) -> list[Path]:
    """The files that weights are read from: one, or the shards that the index names.

    Raises:
        ConfigError: there are none, or none that mpt reads.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if (folder / INDEX).exists():
        shards = _read(name, folder / INDEX).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ConfigError(f"backbone {name!r}: {INDEX} maps no weights; write the folder anew")
        return [folder / shard for shard in sorted({str(value) for value in shards.values()})]
    others = sorted(path.name for kind in OTHER_WEIGHTS for path in folder.glob(kind))
    if others:
        raise ConfigError(
            f"backbone {name!r} holds its weights as {others[0]}, which mpt does not open (it may "
            "run code); write them as safetensors: load the model with transformers where you "
            "trust it, and save_pretrained it, tokenizer too, to another folder"
        )
    raise ConfigError(
        f"backbone {name!r} holds no {WEIGHTS}; give a folder written by save_pretrained"
    )


def check_tokenizer(name: str, folder: Path, tokenizer: Any) -> None:
    """Raise ``ConfigError`` where a tokenizer's vocabulary was not in the folder.

    transformers makes many kinds of tokenizer from nothing: such a one knows no word, or splits
    them without its merges, and says nothing of it.
    """
    if (folder / "tokenizer.json").exists() or any(folder.glob("*.model")):
        return
    optional = {"tokenizer_file", "tokenizer_config_file", "target_vocab_file"}
    files = type(tokenizer).vocab_files_names
    wanted = [file for key, file in files.items() if key not in optional] or ["tokenizer.json"]
    missing = [file for file in wanted if not (folder / file).exists()]
    if missing:
        raise ConfigError(
            f"backbone {name!r} lacks {' and '.join(missing)} of its tokenizer "
            f"({type(tokenizer).__name__}); copy it from where the model is from, or save the "
            "tokenizer into the folder with its save_pretrained"
        )


def folder_identity(folder: Path, vocabularies: Iterable[str] = ()) -> str:
    """12 hex digits over all that answers depend on: weights, configuration, tokenizer, generation.

    Args:
        vocabularies: names of files that this kind of tokenizer reads, beyond ``TOKENIZER``.
    """
    seen = sha256(b"model folder")
    for path in (*weight_files(str(folder), folder), *_tokenizer_files(folder, vocabularies)):
        seen.update(f"\n{path.name} {path.stat().st_size}\n".encode())
        _add(seen, path)
    for name in (CONFIG, GENERATION):
        known = _read(str(folder), folder / name) if (folder / name).exists() else {}
        meant = {key: value for key, value in known.items() if key not in WITHOUT_MEANING}
        seen.update(f"\n{name} {json.dumps(meant, sort_keys=True)}".encode())
    return seen.hexdigest()[:12]


def earlier_identity(folder: Path) -> str:
    """The name that a folder had before configuration and every vocabulary counted.

    The embedded backbone keeps it, so that its recorded units stay its own; by it mpt also tells
    that a folder's units were recorded under another name.
    """
    seen = sha256()
    for path in (path for kind in _EARLIER for path in sorted(folder.glob(kind))):
        seen.update(path.name.encode())
        _add(seen, path)
    return seen.hexdigest()[:12]


def file_identity(path: Path) -> str:
    """12 hex digits over a file's name and bytes."""
    seen = sha256(path.name.encode())
    _add(seen, path)
    return seen.hexdigest()[:12]


def _tokenizer_files(folder: Path, vocabularies: Iterable[str]) -> list[Path]:
    kinds = (*TOKENIZER, *vocabularies)
    return sorted({path for kind in kinds for path in folder.glob(kind) if path.is_file()})


def _add(seen: Any, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            seen.update(chunk)


def _read(name: str, path: Path) -> dict[str, Any]:
    """A JSON object. Raises ``ConfigError`` where the file is none, or means two things."""
    try:
        # some kinds of models have infinite limits in their configuration
        found = parse_json(text_of(path.read_bytes()), finite=False)
    except ValueError as error:
        raise ConfigError(
            f"backbone {name!r}: {path.name} cannot be read ({error}); mend it, or copy or "
            "download it anew"
        ) from None
    if not isinstance(found, dict):
        raise ConfigError(
            f"backbone {name!r}: {path.name} is no JSON object; write the folder anew"
        )
    return found
