"""The printer of tables: names as they are, numbers whole, whatever the width."""

from __future__ import annotations

import ast
import re
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasty import PIECES, names
from rich.cells import cell_len
from rich.console import Console

from mpt.files.escaping import name, visible
from mpt.report import words
from mpt.report.figures.style import looks
from mpt.report.tables.grid import Grid, Sheet
from mpt.report.terminal import print_sheet

COMMANDS = Path(__file__).parents[2] / "mpt" / "commands"
NUMBERS = ("+19.07", "[+17.3, +20.9]", "3x2")


class Screen(StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def printed(sheet: Sheet, file: StringIO, width: int | None = None) -> str:
    print_sheet(Console(file=file, width=width, highlight=False), sheet)
    return file.getvalue()


def sheet(*labels: str) -> Sheet:
    grid = Grid(("name", "ARG", "95 % interval", "n"), tuple((x, *NUMBERS) for x in labels), "lrrr")
    return Sheet(grid, f"Over {labels[0]}", (f"about {labels[-1]}",))


def is_harmless(text: str) -> bool:
    return all(sign.isprintable() for sign in text.replace("\n", ""))


@given(st.lists(names, min_size=1, max_size=3))
def test_in_a_file_every_row_is_one_literal_line(labels):
    lines = printed(sheet(*labels), StringIO(), 40).splitlines()
    assert is_harmless("\n".join(lines))
    assert lines[0].rstrip() == f"Over {visible(labels[0])}".rstrip()
    assert lines[-1].rstrip() == f"about {visible(labels[-1])}".rstrip()
    rows = [line for line in lines if NUMBERS[1] in line]
    assert len(rows) == len(labels)
    for label, row in zip(labels, rows, strict=True):
        assert row[1:].startswith(name(label))
        assert row.removeprefix(f" {name(label)}").split() == " ".join(NUMBERS).split()


@given(names, st.integers(1, 120))
def test_numbers_are_whole_on_any_terminal_and_names_go_on_below(label, width):
    text = printed(Sheet(sheet(label).grid), Screen(), width)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert is_harmless(shown)
    for number in NUMBERS:
        assert number in shown
    body = shown
    for number in NUMBERS:
        body = body.replace(number, "", 1)
    assert "".join(name(label).split()) in "".join(body.split())
    assert "…" not in shown


def test_what_fits_a_terminal_stays_on_one_line():
    text = printed(sheet("reptile"), Screen(), 60)
    assert max(cell_len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()) <= 60
    assert "reptile" in text


@given(st.sets(names | st.text(max_size=6), min_size=2, max_size=6))
def test_two_names_are_never_shown_as_one(labels):
    assert len({name(label) for label in labels}) == len(labels)
    assert all(name(label).isprintable() for label in labels)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("é", "e\u0301"),
        ("\u00c5", "\u212b"),
        ("각", "\u1100\u1161\u11a8"),
        ("a", "a\u3164"),
        ("a", "a\ufe0f"),
        ("a", "a\u034f"),
        ("a b", "a\u2800b"),
        ("a\\x1b", "a\x1b"),
    ],
)
def test_names_that_look_alike_are_written_out(one, other):
    assert name(one) == one or "\\" in one
    assert name(one) != name(other)
    assert re.search(r"\\[xu]", name(other))


@pytest.mark.parametrize("piece", PIECES)
def test_what_can_be_seen_stays_as_it_is(piece):
    if piece.isprintable():
        assert visible(piece) == piece
    assert visible("\x1b[1m") == "\\x1b[1m"
    assert visible("a\nb\u202e\x9b\U000e0041") == "a\\nb\\u202e\\x9b\\U000e0041"


def test_methods_that_differ_in_case_are_told_apart():
    assert words.method_names(["maml", "PT"]) == {"maml": "MAML", "PT": "PT"}
    assert words.method_names(["maml", "MAML"]) == {"maml": "maml", "MAML": "MAML"}
    assert words.method_names(["FT", "Fine-tuning"])["FT"] == "FT"
    assert words.method_name("Maml") == "Maml"


@given(st.lists(st.sampled_from(["maml", "MAML", "Maml", "FT", "ft", "mtl", "x"]) | st.text()))
def test_no_two_methods_of_a_table_look_alike(methods):
    assert len(set(words.method_names(methods).values())) == len(set(methods))
    few = list(dict.fromkeys(methods))[:20]
    assert len({(look.colour, look.marker) for look in looks(few).values()}) == len(few)


def test_commands_print_through_the_one_terminal():
    for path in sorted(COMMANDS.glob("*.py")):
        if path.name == "console.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("rich"), path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "typer.echo", "typer.secho"), path
                assert not called.endswith(("out.print", "err.print", "stdout.write")), path
