"""Names of others in Markdown, LaTeX and CSV: the same texts, and nothing in them acts."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nasty import PIECES, names

from mpt.files.escaping import csv_cell, csv_table, from_csv_cell, is_formula, latex, markdown, name
from mpt.report.tables.grid import Grid
from mpt.report.tables.grid import latex as latex_table
from mpt.report.tables.grid import markdown as markdown_table

texts = names | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
rows = st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=3)


def grid(found: list[tuple[str, str, str]]) -> Grid:
    return Grid(("a", *found[0][1:]), tuple(found), "lrr", marked=frozenset({0}))


def shown(cell: str) -> str:
    """A cell as a reader of Markdown shows it, its blanks told apart."""
    return cell.replace("\xa0", " ")


@given(rows)
def test_a_markdown_table_keeps_its_cells_and_holds_nothing_but_their_texts(found):
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(markdown_table(grid(found)))
    cells = [token for token in tokens if token.type == "inline"]
    wanted = ["a", *found[0][1:], *(cell for row in found for cell in row)]
    assert {token.type.rpartition("_")[0] for token in tokens if token.type != "inline"} <= {
        *("table", "thead", "tbody", "tr", "th", "td")
    }
    assert len(cells) == len(wanted)
    for token, cell in zip(cells, wanted, strict=True):
        children = token.children or []
        kinds = {child.type for child in children if child.content or "strong" not in child.type}
        assert kinds <= {"text", "text_special", "strong_open", "strong_close"}, token.content
        text = "".join(child.content for child in children)
        # where two stars make no bold they are shown, and the name stays as it is
        assert shown(text).strip("*") == name(cell).strip("*") or shown(text) == name(cell)


@example("--")  # behind a hyphen a rule
@given(texts.filter(bool))
def test_in_a_line_of_markdown_a_text_is_a_text(text):
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for lead, block in (("- ", "list_item_open"), ("## ", "heading_open"), ("x: ", "")):
        tokens = parser.parse(f"{lead}{markdown(text)}\n")
        blocks = {token.type for token in tokens if token.type.endswith("open")}
        assert blocks <= {"bullet_list_open", "paragraph_open", block}
        (inline,) = [token for token in tokens if token.type == "inline"]
        assert {child.type for child in inline.children or []} <= {"text", "text_special"}


def test_markdown_of_numbers_and_names_stays_legible():
    for text in ("0.372 ± 0.308", "[-4.1, +12.0]", "+11.14", "outer_lr", "Cls->Cls", "-12.90"):
        assert markdown(text) == text
    assert markdown("1. x") == "1\\. x"


@pytest.mark.parametrize("text", ["http://a.b", "https://a.b/c?d", "www.a.b", "a@b.c"])
def test_readers_that_make_links_of_addresses_find_none(text):
    # GitHub's does at `://`, `www.` and `@` that are written so
    assert not re.search(r"://|www\.|(?<!\\)@", markdown(text))


ALLOWED = {
    *("begin", "end", "centering", "toprule", "midrule", "bottomrule", "caption", "textbf"),
    *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater"),
    *("textbar", "textasciigrave", "char", "to", "pm", "times"),
}


@given(rows)
def test_a_latex_table_is_balanced_and_holds_no_command_of_a_name(found):
    source = latex_table(grid(found), found[0][0])
    assert not set(re.findall(r"\\([a-zA-Z]+)", source.replace(r"\\", ""))) - ALLOWED
    plain = re.sub(r"\\[%_&#${}]", "", source)
    depth = 0
    for sign in plain:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    assert plain.count("$") % 2 == 0
    assert not set('%#~^_<>|`"') & set(re.sub(r"\\begin\{.*|\\end\{.*", "", plain))
    body = source.split("\\toprule\n")[1].split("\\bottomrule")[0].split("\n")
    lines = [line for line in body if line not in (r"\midrule", r"\addlinespace", "")]
    assert len(lines) == 1 + len(found)
    for line in lines:
        assert len(re.findall(r"(?<!\\)&", line)) == 2
        assert line.endswith(r" \\")
        assert line[0] not in "[*"


def test_what_a_reader_of_latex_sees_is_the_name():
    assert latex(r"C:\x & 100 %_#${}") == r"C:\textbackslash{}x \& 100 \%\_\#\$\{\}"
    assert latex("Cls->Cls") == r"Cls$\to$Cls"
    assert latex("a--b ''x'' <y> ^~") == (
        r"a-{}-b '{}'x'{}' \textless{}y\textgreater{} \textasciicircum{}\textasciitilde{}"
    )
    assert latex("MAML − PT ± ×") == r"MAML $-$ PT $\pm$ $\times$"
    assert latex("a  b") != latex("a b")


@given(st.lists(st.tuples(texts, texts, st.floats(allow_nan=False)), min_size=1, max_size=4))
def test_csv_has_no_formula_and_is_read_back_as_it_was(found):
    table = csv_table([("a", "b", "c"), *found])
    read = list(csv.reader(io.StringIO(table, newline=""), strict=True))
    assert len(read) == 1 + len(found)
    for row, (first, second, number) in zip(read[1:], found, strict=True):
        assert [from_csv_cell(cell) for cell in row[:2]] == [first, second]
        assert float(row[2]) == number
        assert not any(map(is_formula, row[:2]))
        for cell in row[:2]:
            assert cell[:1] not in tuple("=@\t\r\n") or cell == ""
            if cell[:1] in ("+", "-"):
                float(cell)


@pytest.mark.parametrize("piece", PIECES)
def test_only_what_would_be_computed_gets_an_apostrophe(piece):
    is_risky = piece[0] in "=+-@\t\r\n＝" and piece not in ("-0.5",)
    assert csv_cell(piece) == (f"'{piece}" if is_risky or piece == "'=x" else piece)


def test_numbers_stay_numbers():
    for text in ("-0.5", "+11.14", "-1e-05", "0.3"):
        assert csv_cell(text) == text
    assert csv_table([("x", None, float("nan"), -0.25)]) == "x,,,-0.25\n"
