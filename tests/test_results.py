"""Every table in docs/results.md is what its command writes from the stored scores."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from terminal import mpt

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
DERIVED = re.findall(
    r"```bash\n(mpt report --results [^\n]*)\n```\n(.*?)(?=\n```|\n##+ |\Z)", PAGE, re.DOTALL
)
"""Commands, each with the text down to the next one or the next heading."""


def table_rows(text: str) -> list[str]:
    """Lines of Markdown tables, the space in their cells evened out."""
    lines = (line for line in text.splitlines() if line.startswith("|"))
    return [re.sub(r"\s+", " ", line) for line in lines if not set(line) <= set("|-: ")]


def test_the_page_has_tables_that_are_derived():
    assert len(DERIVED) == 7
    assert all(len(table_rows(text)) > 1 for _, text in DERIVED)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "text"), DERIVED, ids=lambda given: given[:60])
def test_a_printed_table_is_derived_again_from_its_records(command, text, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)[1:]
    words[words.index("--out") + 1] = str(tmp_path / "report")
    said = mpt(*words, home=tmp_path / "home")
    assert said.code == 0, said.err
    written = table_rows((tmp_path / "report" / "report.md").read_text(encoding="utf-8"))
    lost = [row for row in table_rows(text) if row not in written]
    assert lost == []


def test_every_stored_table_is_used():
    used = {shlex.split(command)[3] for command, _ in DERIVED}
    stored = {str(path.relative_to(ROOT)) for path in (ROOT / "sweeps" / "results").glob("*.csv")}
    assert used == stored
