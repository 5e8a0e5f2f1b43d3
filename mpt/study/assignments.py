"""Study keys on a command line: ``tuning.steps=40`` stands for the lines of a study file."""

from __future__ import annotations

from collections.abc import Sequence

from mpt.errors import ConfigError
from mpt.files.reading import parse_yaml
from mpt.study.study_file import merged


def assigned(assignments: Sequence[str]) -> dict[str, object]:
    """Return the keys and values of texts ``KEY=VALUE`` as a study file would have them.

    Args:
        assignments: a key is dotted, as ``space.outer_lr.low``; a value is read as YAML.

    Raises:
        ConfigError: a text is not of this form, its value not YAML, or a key is given twice.
    """
    keys = dict[str, object]()
    for text in assignments:
        name, sign, value = text.partition("=")
        parts = [part.strip() for part in name.split(".")]
        if not sign or not all(parts):
            raise ConfigError(
                f"--set takes KEY=VALUE, not {text!r}", fix="write --set tuning.steps=40"
            )
        name = ".".join(parts)
        if name in keys:
            raise ConfigError(f"--set gives {name!r} twice", fix="give it once")
        try:
            keys[name] = parse_yaml(value.encode())
        except ValueError as error:
            raise ConfigError(f"--set {name}: {error}") from None
    whole = dict[str, object]()
    for name, value in keys.items():
        *above, last = name.split(".")
        nested: dict[str, object] = {last: value}
        for part in reversed(above):
            nested = {part: nested}
        whole = merged(whole, nested)
    return whole
