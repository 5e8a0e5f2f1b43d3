"""Strict readers of a user's files (UTF-8, lines, YAML, JSON), with one-line error messages.

A file must mean what it seems to mean, or it is refused: YAML 1.1 would read ``no`` as false,
``012`` as ten and ``1:30`` as ninety, and common YAML and JSON readers silently keep the last of
two equal keys.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from pathlib import Path
from typing import Any

DEEPEST = 100
"""The deepest nesting of lists and mappings."""

MOST = 100_000
"""Most values of one YAML file; aliases of anchors can make any number of them in a few lines."""

_WORDS = {"": None, "null": None, "true": True, "false": False}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_UNCLEAR = {
    re.compile(r"[-+]?0[0-9_]+"): "may be read as octal; write the number without leading zeros",
    re.compile(r"[-+]?0[xXoObB][0-9a-fA-F_]+"): "is not a decimal number; write one",
    re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"): "may be read as text; write digits only",
    re.compile(r"(?i)[-+]?\.(inf|nan)"): "is not a finite number; write one",
    re.compile(r"~"): "is null in YAML but a folder in a shell; write null, or the folder",
}
"""Unquoted words of YAML that readers may interpret differently, and what to do."""

_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Characters that end a line in YAML but not in editors."""


def text_of(content: bytes) -> str:
    """Decode bytes as UTF-8 and drop a leading byte-order mark.

    Raises:
        ValueError: not UTF-8, or a NUL; names the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the codec counts from after the mark that it dropped
        at = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        where = content.count(b"\n", 0, at) + 1
        raise ValueError(
            f"line {where}: byte 0x{content[at]:02x} is not UTF-8; save the text in that encoding"
        ) from None
    if (at := text.find("\0")) >= 0:
        where = text.count("\n", 0, at) + 1
        raise ValueError(f"line {where}: contains a NUL, so it is not a text; remove it")
    return text


def lines_of(content: bytes) -> list[str]:
    """Split a text into lines, at LF or CRLF and nowhere else. Raises ``ValueError``."""
    lines = text_of(content).split("\n")
    # what follows the last line end is a line only if it is not empty
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def read_yaml(path: Path) -> object:
    """Read a YAML file: mappings from texts, lists, texts, finite numbers, booleans, None.

    Unquoted words are read as in YAML 1.2: ``no`` and ``2024-01-01`` are texts, ``1e-3`` is a
    number. Keys are texts exactly as written.

    Raises:
        OSError: the file cannot be read.
        ValueError: not YAML in UTF-8, a duplicate key, or a value that readers interpret
            differently; says where, why and what to do, on one line.
    """
    return parse_yaml(path.read_bytes())


def parse_yaml(content: bytes) -> object:
    """Parse the bytes of a YAML file as ``read_yaml`` does. Raises ``ValueError``."""
    import yaml

    text = text_of(content)
    if odd := _BREAKS.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        name = {"\x85": "N", "\u2028": "L", "\u2029": "P"}[odd[0]]
        raise ValueError(
            f"line {line}: U+{ord(odd[0]):04X} is invisible and ends a line in YAML; remove it, or "
            f'write it as \\{name} in "double quotes"'
        )
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if node is None else _Builder().value(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        if str(error.context).startswith("expected a single document"):
            raise ValueError(f"{place}a second document begins here; keep one of them") from None
        raise ValueError(f"{place}{error.problem}") from None
    except yaml.reader.ReaderError as error:
        place = f"line {text.count(chr(10), 0, error.position) + 1}: "
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise ValueError(f"{place}contains the control character U+{code:04X}; remove it") from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _check_events(text: str) -> None:
    """Raise ``ValueError`` for tags, and for nesting that PyYAML would take minutes to read."""
    import yaml

    depth = 0
    for event in yaml.parse(text):
        if tag := getattr(event, "tag", None):
            line = event.start_mark.line + 1
            raise ValueError(f"line {line}: the tag {tag!r} is not supported; remove it")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("its values are nested too deeply")


class _Builder:
    """Makes plain values of YAML's nodes, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def value(self, node: Any) -> Any:
        import yaml

        self._count += 1
        if self._count > MOST:
            raise ValueError(f"its aliases stand for more than {MOST} values; write fewer")
        match node:
            case yaml.ScalarNode():
                return _quoted(node) if node.style else _plain(node)
            case yaml.SequenceNode():
                return [self.value(item) for item in node.value]
            case _:
                return self._mapping(node)

    def _mapping(self, node: Any) -> dict[str, object]:
        import yaml

        lines: dict[str, int] = {}
        mapping = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, key.value
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {line}: a key must be a text, not a list or a mapping")
            if name == "<<" and not key.style:
                raise ValueError(
                    f"line {line}: '<<' would merge in another mapping; write its keys here"
                )
            if name in lines:
                raise ValueError(
                    f"line {line}: the key {name!r} is already in line {lines[name]}; keep one"
                )
            lines[name] = line
            mapping[name] = self.value(value)
        return mapping


def _quoted(node: Any) -> str:
    try:
        return _expect_whole_characters(node.value)
    except ValueError as error:
        raise ValueError(f"line {node.start_mark.line + 1}: {error}") from None


def _plain(node: Any) -> Any:
    """Return the value of an unquoted word of YAML. Raises ``ValueError``."""
    text, line = node.value, node.start_mark.line + 1
    for form, why in _UNCLEAR.items():
        if form.fullmatch(text):
            raise ValueError(f"line {line}: {text} {why}, or {text!r} in quotes if it is a text")
    # YAML 1.2 knows true, True and TRUE, but not tRUE
    if text in (text.lower(), text.upper(), text.capitalize()) and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        if _WHOLE.fullmatch(text):
            return _whole(text)
        return _finite(text) if _DECIMAL.fullmatch(text) else text
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None


def read_json(path: Path) -> object:
    """Read a JSON file as ``parse_json`` does. Raises ``OSError``, ``ValueError``."""
    return parse_json(text_of(path.read_bytes()))


def parse_json(text: str, finite: bool = True) -> Any:
    """Parse a JSON text.

    Args:
        text: of one value.
        finite: refuse NaN and infinite numbers, which Python writes although JSON has none.

    Raises:
        ValueError: not JSON, a duplicate key, NaN, an infinite number or a lone surrogate; names
            the line, on one line.
    """
    numbers: dict[str, Any] = _NUMBERS if finite else {"parse_int": _whole}
    try:
        value = json.loads(text, object_pairs_hook=_distinct, **numbers)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    except ValueError:
        # the text is JSON: find the refused value again, to name its line
        _find_fault(text, numbers)
        raise
    if _HALF.search(text):
        _find_fault(text, numbers)
    return value


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+')
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escaped surrogate, which is a character only as one of a pair."""


def _find_fault(text: str, numbers: dict[str, Any]) -> None:
    """Raise ``ValueError`` with the line of the first refused value in a JSON text."""
    objects: list[dict[str, int]] = []
    before = ""
    for token in _TOKEN.finditer(text):
        word = token[0]
        line = text.count("\n", 0, token.start()) + 1
        if word in "{[":
            objects.append({})
        elif word in "}]":
            objects.pop()
        elif word == ":":
            key = json.loads(before)
            if key in objects[-1]:
                raise ValueError(
                    f"line {line}: the key {key!r} is already in line {objects[-1][key]}; keep one"
                )
            objects[-1][key] = line
        elif word != ",":
            try:
                _expect_whole_characters(str(json.loads(word, **numbers)))
            except ValueError as error:
                raise ValueError(f"line {line}: {error}") from None
        before = word


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(mapping := dict(pairs)) < len(pairs):
        raise ValueError("a key appears twice")
    return mapping


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        # Python parses at most 4300 digits
        raise ValueError(f"a number of {len(text)} digits; write a shorter one") from None


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is not a finite number; write one, or leave the value out")
    return number


def _expect_whole_characters(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text[error.start]!a} is half of a character; write all of it") from None
    return text


_NUMBERS: dict[str, Any] = {
    "parse_int": _whole,
    "parse_float": _finite,
    "parse_constant": _finite,
}
"""Readers of JSON's numbers; NaN and Infinity are constants of Python's ``json``, not of JSON."""
