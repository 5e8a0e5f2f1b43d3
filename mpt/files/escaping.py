"""Names and texts that others wrote, put where something would act on their signs.

A method, a task or an error of a server may hold an escape sequence, markup or a formula. Shown
here are the same texts, as texts: on a terminal, in Markdown, LaTeX and CSV. What HTML needs, its
template engine does.
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
    """The text on one line, signs that nobody sees written as in Python: ``\\x1b``, ``\\u202e``.

    These are control characters, line and paragraph separators, marks of direction, blanks other
    than the common one, halves of signs, fillers, and what Unicode has not assigned.
    """
    if text.isascii() and text.isprintable():
        return text
    return written_out(text, _is_seen)


def written_out(text: str, is_kept: Callable[[str], bool]) -> str:
    """The text with every sign that is not kept written as in Python."""
    return "".join(sign if is_kept(sign) else _escape(sign) for sign in text)


_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Printable to Python, and drawn as nothing."""


def _is_seen(sign: str) -> bool:
    return sign.isprintable() and not _FILLERS.match(sign)


_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """The text for programs that read lines: a blank for each line end, of whatever kind.

    Control characters other than tabs, and those that turn the direction of what follows, are
    written out as ``visible`` does; all else is content.
    """
    return _CONTROL.sub(lambda sign: _escape(sign[0]), _BREAKS.sub(" ", text))


def name(text: str) -> str:
    """As ``visible``, and two names are never shown alike.

    ``\\x1b`` as such is ``\\\\x1b``, and a letter in another composition than the common one (NFC)
    has its parts written out.
    """
    is_common = unicodedata.is_normalized("NFC", text)
    if is_common and visible(text) == text and not re.search(_ESCAPE, text):
        return text
    shown = text.replace("\\", "\\\\")
    if not is_common:
        shown = written_out(shown, lambda sign: not _is_part(sign))
    return visible(shown)


def _is_part(sign: str) -> bool:
    """Whether NFC would put it together with what is before it, or write it otherwise."""
    is_jamo = 0x1160 <= ord(sign) <= 0x11FF
    mark = unicodedata.category(sign).startswith("M")
    return mark or is_jamo or not unicodedata.is_normalized("NFC", sign)


def _is_word(text: str) -> bool:
    """Whether no sign of it can mean anything, as of most cells of a long table."""
    return not text or (text.isascii() and text.isalnum())


def _escape(sign: str) -> str:
    number = ord(sign)
    if sign in _SHORT:
        return _SHORT[sign]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


_MARKS = re.compile(
    r"(?P<entity>[<&])"
    r"|(?P<sign>[\\`*|~$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word it stands for itself
    r"|\[(?![-+]?\d)|\](?=[(\[:])"  # an interval is no link
    r"|(?<=:)/(?=/)|(?<=www)\.|@"  # what some readers make links of
    r"|^[#>]|^\+(?=\s|$)|^-(?=[-\s]|$))",  # dashes alone are a rule
    re.IGNORECASE,
)


_LISTED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
"""What would begin a numbered list."""


def markdown(text: str) -> str:
    """The text in Markdown, in a cell of a table or anywhere else in a line."""
    if _is_word(text):
        return text

    def escaped(found: re.Match[str]) -> str:
        sign = found[0]
        return {"<": "&lt;", "&": "&amp;"}[sign] if found["entity"] else f"\\{sign}"

    shown = _LISTED.sub(r"\1\\\2", _MARKS.sub(escaped, name(text)))
    return _apart(shown, "&nbsp;")


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
    # two of them would be one sign
    "-": "-{}",
    "'": "'{}",
}
_TEX_SIGNS = re.compile(r"->|-(?=-)|'(?=')|[%_&#${}\\~^<>|\"`−±×]")


def latex(text: str) -> str:
    """The text in LaTeX, for any engine that reads UTF-8; ``->`` becomes an arrow."""
    if _is_word(text):
        return text
    return _apart(_TEX_SIGNS.sub(lambda found: _TEX[found[0]], name(text)), r"\ ")


def _apart(text: str, blank: str) -> str:
    """Blanks that a reader would drop, at the ends and behind another one, written as ``blank``."""
    return re.sub(r"^ | (?= )| $", lambda _: blank, text)


_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would compute a cell with this text; a number is none."""
    return bool(_FORMULA.match(text)) and not text.startswith("'") and not _NUMBER.fullmatch(text)


def csv_cell(text: str) -> str:
    """The text for a cell of a CSV file: behind an apostrophe where a spreadsheet would compute it.

    ``from_csv_cell`` takes the apostrophe off again.
    """
    is_plain = not _FORMULA.match(text) or _NUMBER.fullmatch(text)
    return text if is_plain else f"'{text}"


def csv_table(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, texts as ``csv_cell`` writes them; nothing for None and NaN."""
    held = io.StringIO()
    # the writer quotes values that hold a sign of this end of a line
    writer = csv.writer(held, lineterminator="\r\n")
    lines = []
    for row in rows:
        writer.writerow(map(_csv_value, row))
        lines.append(held.getvalue().removesuffix("\r\n"))
        held.seek(0)
        held.truncate()
    return "".join(f"{line}\n" for line in lines)


def _csv_value(value: object) -> object:
    if value is None or value != value:
        return ""
    return csv_cell(value) if isinstance(value, str) else value


def from_csv_cell(cell: str) -> str:
    """The text that ``csv_cell`` wrote so."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
