"""Escaping of untrusted names and texts for terminals, Markdown, LaTeX and CSV.

The name of a method or task, or the error message of a server, may contain an escape sequence,
markup or a formula. The functions here make output that shows the text itself. HTML is escaped by
its template engine.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable

_ESCAPE = r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt])"
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """Return the text on one line, with invisible characters escaped as in Python: ``\\x1b``.

    These are control characters, line and paragraph separators, direction marks, blanks other than
    the space, surrogates, fillers, and code points that Unicode has not assigned.
    """
    if text.isascii() and text.isprintable():
        return text
    return written_out(text, _is_visible)


def written_out(text: str, is_kept: Callable[[str], bool]) -> str:
    """Return the text with every character that is not kept escaped as in Python."""
    return "".join(char if is_kept(char) else _escape(char) for char in text)


_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that Python calls printable and that are drawn as nothing."""


def _is_visible(char: str) -> bool:
    return char.isprintable() and not _FILLERS.match(char)


_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return the text on one line for programs that read lines: line ends become blanks.

    Control characters other than tabs, and those that change the direction of the text, are escaped
    as in ``visible``; all else stays.
    """
    return _CONTROL.sub(lambda match: _escape(match[0]), _BREAKS.sub(" ", text))


def name(text: str) -> str:
    """Escape a name as ``visible`` does, so that different names never look alike.

    A literal ``\\x1b`` becomes ``\\\\x1b``, and letters in another composition than the common one
    (NFC) have their parts escaped.
    """
    is_common = unicodedata.is_normalized("NFC", text)
    if is_common and visible(text) == text and not re.search(_ESCAPE, text):
        return text
    shown = text.replace("\\", "\\\\")
    if not is_common:
        shown = written_out(shown, lambda char: not _is_part(char))
    return visible(shown)


def _is_part(char: str) -> bool:
    """Tell whether NFC would combine a character with the one before it, or replace it."""
    is_jamo = 0x1160 <= ord(char) <= 0x11FF
    mark = unicodedata.category(char).startswith("M")
    return mark or is_jamo or not unicodedata.is_normalized("NFC", char)


def _is_word(text: str) -> bool:
    """Tell whether a text needs no escaping at all, as most cells of a long table."""
    return not text or (text.isascii() and text.isalnum())


def _escape(char: str) -> str:
    number = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


_MARKS = re.compile(
    r"(?P<entity>[<&])"
    r"|(?P<sign>[\\`*|~$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word an underscore is literal
    r"|\[(?![-+]?\d)|\](?=[(\[:])"  # an interval such as [1, 2] is not a link
    r"|(?<=:)/(?=/)|(?<=www)\.|@"  # some renderers make links of these
    r"|^[#>]|^\+(?=\s|$)|^-(?=[-\s]|$))",  # a line of dashes is a rule
    re.IGNORECASE,
)


_LISTED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
"""The start of a numbered list."""


def markdown(text: str) -> str:
    """Escape a text for Markdown, for a cell of a table or elsewhere in a line."""
    if _is_word(text):
        return text

    def escaped(match: re.Match[str]) -> str:
        char = match[0]
        return {"<": "&lt;", "&": "&amp;"}[char] if match["entity"] else f"\\{char}"

    shown = _LISTED.sub(r"\1\\\2", _MARKS.sub(escaped, name(text)))
    return _keep_blanks(shown, "&nbsp;")


_TEX = {
    **{sign: f"\\{sign}" for sign in "%_&#${}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    "->": r"$\to$",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    # LaTeX joins two of them into one character
    "-": "-{}",
    "'": "'{}",
}
_TEX_SIGNS = re.compile(r"->|-(?=-)|'(?=')|[%_&#${}\\~^<>|\"`−±×]")


def latex(text: str) -> str:
    """Escape a text for LaTeX, for any engine that reads UTF-8; ``->`` becomes an arrow."""
    if _is_word(text):
        return text
    return _keep_blanks(_TEX_SIGNS.sub(lambda match: _TEX[match[0]], name(text)), r"\ ")


def _keep_blanks(text: str, blank: str) -> str:
    """Replace blanks that a renderer would drop (at the ends, or repeated) by ``blank``."""
    return re.sub(r"^ | (?= )| $", lambda _: blank, text)


_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet would take this text for a formula; a number is not one."""
    return bool(_FORMULA.match(text)) and not text.startswith("'") and not _NUMBER.fullmatch(text)


def csv_cell(text: str) -> str:
    """Escape a text for a CSV cell: an apostrophe precedes what looks like a formula.

    ``from_csv_cell`` removes the apostrophe again.
    """
    is_plain = not _FORMULA.match(text) or _NUMBER.fullmatch(text)
    return text if is_plain else f"'{text}"


def csv_table(rows: Iterable[Iterable[object]]) -> str:
    """Format rows as CSV, with texts escaped by ``csv_cell``; None and NaN become empty cells."""
    buffer = io.StringIO()
    # the writer quotes a value if it contains a character of the line terminator: with CRLF, a CR
    writer = csv.writer(buffer, lineterminator="\r\n")
    lines = []
    for row in rows:
        writer.writerow(map(_csv_value, row))
        lines.append(buffer.getvalue().removesuffix("\r\n"))
        buffer.seek(0)
        buffer.truncate()
    return "".join(f"{line}\n" for line in lines)


def _csv_value(value: object) -> object:
    if value is None or value != value:
        return ""
    return csv_cell(value) if isinstance(value, str) else value


def from_csv_cell(cell: str) -> str:
    """Return the text that ``csv_cell`` escaped."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
