"""Check a model folder as it lies on disk, and name all that it holds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from mpt.errors import ConfigError
from mpt.files.reading import parse_json, text_of

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What transformers looks for, in this order."""

CONFIG, GENERATION = "config.json", "generation_config.json"
SETTINGS = (CONFIG, GENERATION, "tokenizer_config.json", "special_tokens_map.json")
"""What transformers reads as JSON, of two equal keys the last one."""

PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
"""Where PyTorch's pickles lie that transformers still reads, and mpt never."""

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
        raise ConfigError(
            f"{start}: the folder is empty",
            fix="give one written by save_pretrained",
        )
    if (folder / "adapter_config.json").exists():
        base = _read(name, folder / "adapter_config.json").get("base_model_name_or_path")
        raise ConfigError(
            f"{start} holds a PEFT adapter, no model of its own",
            fix=(
                f"give its base model ({base}), or "
                "merge the adapter into it (peft's merge_and_unload, then save_pretrained)"
            ),
        )
    if not (folder / CONFIG).exists():
        raise ConfigError(
            f"{start} holds no config.json",
            fix="give a folder written by save_pretrained",
        )
    described = {file: _read(name, folder / file) for file in SETTINGS if (folder / file).exists()}
    if "model_type" not in described[CONFIG]:
        raise ConfigError(
            f"{start}: its config.json names no model_type",
            fix=('write the one of its makers, e.g. "model_type": "t5"'),
        )
    expect_own_weights(name, described[CONFIG])
    for shard in weight_files(name, folder):
        if not shard.is_file():
            raise ConfigError(
                f"{start}: {INDEX} names {shard.name}, which is not there",
                fix="copy or download it anew",
            )


def weight_files(name: str, folder: Path) -> list[Path]:
    """Return the files that weights are read from: one, or the shards that the index names.

    Raises:
        ConfigError: there are none, or none that mpt reads.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if (folder / INDEX).exists():
        return [folder / shard for shard in shards(name, folder / INDEX)]
    if pickled := next((one for one in PICKLES if (folder / one).exists()), None):
        raise ConfigError(
            f"backbone {name!r} holds its weights as {pickled}, a pickle, which may run code and "
            "which mpt never opens",
            fix=f"{conversion(str(folder))}",
        )
    others = sorted(path.name for kind in OTHER_WEIGHTS for path in folder.glob(kind))
    if others:
        raise ConfigError(
            f"backbone {name!r} holds its weights as {others[0]}, which mpt does not open",
            fix=(
                "load "
                "them with what wrote them, where you trust them, and save_pretrained the model, "
                "tokenizer too, to another folder"
            ),
        )
    raise ConfigError(
        f"backbone {name!r} holds no {WEIGHTS}",
        fix="give a folder written by save_pretrained",
    )


def shards(name: str, index: Path) -> list[str]:
    """Return the files that an index names, each beside it and in safetensors.

    Raises:
        ConfigError: it names none, or others; transformers opens every other file as a pickle.
    """
    known = _read(name, index).get("weight_map")
    if not isinstance(known, dict) or not known:
        raise ConfigError(
            f"backbone {name!r}: {INDEX} maps no weights",
            fix="write the folder anew",
        )
    files = sorted({str(value) for value in known.values()})
    for file in files:
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise ConfigError(
                f"backbone {name!r}: {INDEX} names {file!r}, which is no safetensors file beside "
                "it",
                fix="write the folder anew with save_pretrained",
            )
    return files


def expect_own_weights(name: str, config: Mapping[str, object]) -> None:
    """Raise ``ConfigError`` where a configuration sends transformers to another file of weights.

    That one may be a pickle, and no identity would name its bytes.
    """
    if (other := config.get("transformers_weights")) is not None:
        raise ConfigError(
            f"backbone {name!r}: its config.json has weights read from {other!r} "
            f"(transformers_weights), not from {WEIGHTS}",
            fix=f"leave the key out, and rename that file to {WEIGHTS} if it is what you want",
        )


def conversion(place: str) -> str:
    """Say how the pickled weights of a folder or Hub id become a folder of safetensors.

    transformers reads them with PyTorch's restricted unpickler there, which refuses most code.
    """
    source, made = json.dumps(place), json.dumps(f"{Path(place).name}-safetensors")
    program = (
        f"import transformers as t; a, b = {source}, {made}; "
        "s = t.AutoConfig.from_pretrained(a).is_encoder_decoder; "
        "m = t.AutoModelForSeq2SeqLM if s else t.AutoModelForCausalLM; "
        "[x.from_pretrained(a).save_pretrained(b) for x in (m, t.AutoTokenizer)]"
    )
    return (
        f"where you trust it, convert it and give the folder {made} that this makes: "
        f"python -c {shlex.quote(program)}"
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
            f"({type(tokenizer).__name__})",
            fix=(
                "copy it from where the model is from, or save the "
                "tokenizer into the folder with its save_pretrained"
            ),
        )


def folder_identity(folder: Path, vocabularies: Iterable[str] = ()) -> str:
    """Return 12 hex digits over weights, configuration, tokenizer and generation settings.

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
    """Return the name that a folder had before configuration and every vocabulary counted.

    The embedded backbone keeps it, so that its recorded units stay its own; by it mpt also tells
    that a folder's units were recorded under another name.
    """
    seen = sha256()
    for path in (path for kind in _EARLIER for path in sorted(folder.glob(kind))):
        seen.update(path.name.encode())
        _add(seen, path)
    return seen.hexdigest()[:12]


def file_identity(path: Path) -> str:
    """Return 12 hex digits over a file's name and bytes."""
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


def _read(name: str, path: Path) -> dict[str, object]:
    """Read a JSON object. Raises ``ConfigError`` where the file is none, or means two things."""
    try:
        # some kinds of models have infinite limits in their configuration
        read = parse_json(text_of(path.read_bytes()), finite=False)
    except ValueError as error:
        raise ConfigError(
            f"backbone {name!r}: {path.name} cannot be read ({error})",
            fix="mend it, or copy or download it anew",
        ) from None
    if not isinstance(read, dict):
        raise ConfigError(
            f"backbone {name!r}: {path.name} is no JSON object",
            fix="write the folder anew",
        )
    return read
