"""Texts that a user wrote: strict UTF-8, lines, YAML, JSON; or one line that says what is wrong.

What stands in a file means what its reader sees, or it is refused: YAML 1.1 would read ``no`` as
false, ``012`` as ten and ``1:30`` as ninety, and readers of either keep the last of two equal keys.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from pathlib import Path
from typing import Any

DEEPEST = 100
"""Lists and mappings within each other."""

MOST = 100_000
"""Values of one YAML file at most; aliases of anchors make any number of them from a few lines."""

_WORDS = {"": None, "null": None, "true": True, "false": False}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_UNCLEAR = {
    re.compile(r"[-+]?0[0-9_]+"): "is octal to some; write the number without leading zeros",
    re.compile(r"[-+]?0[xXoObB][0-9a-fA-F_]+"): "is no decimal number; write one",
    re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"): "is a text to some; write digits alone",
    re.compile(r"(?i)[-+]?\.(inf|nan)"): "is no finite number; write one",
    re.compile(r"~"): "is nothing in YAML, and a folder in a shell; write null, or the folder",
}
"""Plain words of YAML that do not mean to everyone what they look like, and what to do."""

_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Signs that end a line of YAML and of no editor."""


def text_of(content: bytes) -> str:
    """Bytes as text; a byte-order mark in front is taken off.

    Raises:
        ValueError: they are not UTF-8, or hold a NUL; says in which line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the codec counts from behind the mark that it took off
        at = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        where = content.count(b"\n", 0, at) + 1
        raise ValueError(
            f"line {where}: byte 0x{content[at]:02x} is no UTF-8; save the text in that encoding"
        ) from None
    if (at := text.find("\0")) >= 0:
        where = text.count("\n", 0, at) + 1
        raise ValueError(f"line {where}: it holds a NUL, so it is no text; take that out")
    return text


def lines_of(content: bytes) -> list[str]:
    """The lines of a text: parted at LF or CRLF and nowhere else. Raises ``ValueError``."""
    lines = text_of(content).split("\n")
    # what follows the last line end is a line only if something stands there
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def read_yaml(path: Path) -> object:
    """What a YAML file holds: mappings from texts, lists, texts, finite numbers, booleans, None.

    Plain words are read as YAML 1.2 does: ``no`` and ``2024-01-01`` are texts, ``1e-3`` is a
    number. Keys are texts as they stand there.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not YAML in UTF-8, holds a key twice, or something that means another
            thing than it looks like; says where, why and what to do, on one line.
    """
    return parse_yaml(path.read_bytes())


def parse_yaml(content: bytes) -> object:
    """As ``read_yaml``, of what was read already. Raises ``ValueError``."""
    import yaml

    text = text_of(content)
    if odd := _BREAKS.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        name = {"\x85": "N", "\u2028": "L", "\u2029": "P"}[odd[0]]
        raise ValueError(
            f"line {line}: U+{ord(odd[0]):04X} ends a line in YAML, unseen; take it out, or write "
            f'it as \\{name} in "double quotes"'
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
        sign = error.character if isinstance(error.character, int) else ord(error.character)
        raise ValueError(f"{place}it holds the control sign U+{sign:04X}; take it out") from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _check_events(text: str) -> None:
    """Raise ``ValueError`` for tags, and for nesting that PyYAML would take minutes to read."""
    import yaml

    depth = 0
    for event in yaml.parse(text):
        if tag := getattr(event, "tag", None):
            line = event.start_mark.line + 1
            raise ValueError(f"line {line}: the tag {tag!r} is not read; take it out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("its values are nested too deeply")


class _Builder:
    """Makes plain values of YAML's nodes; counts them."""

    def __init__(self) -> None:
        self._made = 0

    def value(self, node: Any) -> Any:
        import yaml

        self._made += 1
        if self._made > MOST:
            raise ValueError(f"its aliases stand for more than {MOST} values; write fewer")
        match node:
            case yaml.ScalarNode():
                return _quoted(node) if node.style else _plain(node)
            case yaml.SequenceNode():
                return [self.value(item) for item in node.value]
            case _:
                return self._mapping(node)

    def _mapping(self, node: Any) -> dict[str, Any]:
        import yaml

        lines: dict[str, int] = {}
        found = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, key.value
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {line}: a key must be a text, not a list or a mapping")
            if name == "<<" and not key.style:
                raise ValueError(
                    f"line {line}: '<<' would merge another mapping in, unseen; write its keys here"
                )
            if name in lines:
                raise ValueError(
                    f"line {line}: the key {name!r} stands in line {lines[name]} already; keep one"
                )
            lines[name] = line
            found[name] = self.value(value)
        return found


def _quoted(node: Any) -> str:
    try:
        return _whole_signs(node.value)
    except ValueError as error:
        raise ValueError(f"line {node.start_mark.line + 1}: {error}") from None


def _plain(node: Any) -> Any:
    """What a word of YAML without quotes stands for."""
    text, line = node.value, node.start_mark.line + 1
    for form, why in _UNCLEAR.items():
        if form.fullmatch(text):
            raise ValueError(f"line {line}: {text} {why}, or {text!r} in quotes if it is a text")
    # true, True and TRUE; not tRUE
    if text in (text.lower(), text.upper(), text.capitalize()) and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        if _WHOLE.fullmatch(text):
            return _whole(text)
        return _finite(text) if _DECIMAL.fullmatch(text) else text
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None


def read_json(path: Path) -> object:
    """What a JSON file holds, read as ``parse_json`` does. Raises ``OSError``, ``ValueError``."""
    return parse_json(text_of(path.read_bytes()))


def parse_json(text: str, finite: bool = True) -> Any:
    """The value that a JSON text is.

    Args:
        text: of one value.
        finite: whether NaN and infinite numbers, which Python writes, are refused.

    Raises:
        ValueError: it is not JSON, or holds a key twice, NaN, an infinite number or half of a
            sign; says in which line, on one line.
    """
    numbers: dict[str, Any] = _NUMBERS if finite else {"parse_int": _whole}
    try:
        found = json.loads(text, object_pairs_hook=_distinct, **numbers)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    except ValueError:
        # JSON it is: what is refused is looked for once more, to say where it stands
        _find_fault(text, numbers)
        raise
    if _HALF.search(text):
        _find_fault(text, numbers)
    return found


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+')
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""A surrogate, which is a sign only beside another one."""


def _find_fault(text: str, numbers: dict[str, Any]) -> None:
    """Raise ``ValueError`` at the first thing refused in a text that ``json`` can read."""
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
                    f"line {line}: the key {key!r} stands in line {objects[-1][key]} already; "
                    "keep one"
                )
            objects[-1][key] = line
        elif word != ",":
            try:
                _whole_signs(str(json.loads(word, **numbers)))
            except ValueError as error:
                raise ValueError(f"line {line}: {error}") from None
        before = word


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        # Python reads no more than 4300 digits
        raise ValueError(f"a number of {len(text)} digits; write a shorter one") from None


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is no finite number; write one, or leave the value out")
    return number


def _whole_signs(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text[error.start]!a} is half a sign; write all of it") from None
    return text


_NUMBERS: dict[str, Any] = {
    "parse_int": _whole,
    "parse_float": _finite,
    "parse_constant": _finite,
}
"""How JSON's numbers are read; NaN and Infinity are words of ``json`` and not of JSON."""
