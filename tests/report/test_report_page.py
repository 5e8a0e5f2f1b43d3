"""The report's folder: what is in it, what it says, and that it is written whole or not at all."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from mpt.errors import InputError
from mpt.report.findings import Curve, Findings, UnitLine
from mpt.report.page import write_report
from mpt.report.tables.results_table import read_scores
from mpt.search.trial import Trial
from mpt.stats.scores import Score, gains

SETTINGS = ("Cls->Cls", "NP->P")


def scores(tasks: int = 4) -> tuple[Score, ...]:
    found = []
    for setting in SETTINGS:
        for task in range(tasks):
            for seed in (13, 21, 42):
                plain = 0.4 + 0.05 * task + 0.001 * seed
                better = plain * (1.1 + 0.02 * task) + 0.0001 * seed * task
                for method, test in (("PT", plain), ("reptile", better), ("maml", plain - 0.01)):
                    found.append(Score(setting, method, f"t{task}_<i>", seed, 0.5, test, 0.3))
    return tuple(found)


@pytest.fixture(scope="module")
def findings() -> Findings:
    params = {"inner_lr": 0.0321, "outer_steps": 40}
    lost = UnitLine(
        digest="0bad0bad0bad",
        kind="meta-training",
        setting="R->R",
        method="reptile",
        state="diverged",
        reason="prompt of run 0bad is not finite",
    )
    cell = UnitLine(
        digest="c0ffee", kind="cell", setting="NP->P", method="PT", task="t0", seed=13, lr=0.3
    )
    return Findings(
        title="Promotion of <b>mini</b> & more",
        gains=tuple(gains(scores(), resamples=200)),
        command="mpt promote best",
        backbone="mini",
        trials=(
            Trial(0, params, "complete", "aa11", 1.5, -2.0, 4.0),
            Trial(1, params, "diverged", "bb22", reason="loss is not finite"),
            Trial(2, params, "complete", "cc33", 3.25, -1.0, 7.0),
        ),
        winner=2,
        scores=scores(),
        units=(lost, cell),
        curves=(Curve("Cls->Cls", (1, 2, 3), (3.0, 2.0, 1.5)),),
        config={"method": "reptile"},
        software={"mpt": "0.1"},
        notes=("Read with care.",),
        cautions=("two tasks are near duplicates",),
    )


class Page(HTMLParser):
    """Collects what a page asks of the network, its open tags and its text."""

    VOID = frozenset({"meta", "link", "br", "img", "hr", "input"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.stack: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.stack.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and not (value or "").startswith("#"):
                self.asked.append(value)
        assert tag not in {"script", "iframe", "link"}

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(findings, tmp_path_factory):
    """The page of a report that is only read."""
    return write_report(findings, tmp_path_factory.mktemp("report") / "out")


def test_page_stands_alone_and_is_well_formed(page):
    source = page.read_text(encoding="utf-8")
    parsed = Page(source)
    assert parsed.asked == []
    assert parsed.stack == []
    assert "url(http" not in source
    assert len(source) < 5_000_000
    assert source.count("<svg") == 5  # ARG, two settings, trials, curves
    for drawing in re.findall(r"<svg.*?</svg>", source, re.DOTALL):
        ElementTree.fromstring(drawing)


def test_page_says_what_was_found_and_what_was_not(page):
    text = Page(page.read_text(encoding="utf-8")).text
    for said in (
        "Promotion of <b>mini</b> & more",
        "Above PT: Reptile in 2 of 2 settings",
        "two tasks are near duplicates",
        "prompt of run 0bad is not finite",
        "0bad0bad0bad",
        "c0ffee",
        "+3.25",
        "Read with care.",
        "backbonemini",
        "winner's curse",
    ):
        assert said in text


def test_names_cannot_inject_markup(page):
    source = page.read_text(encoding="utf-8")
    assert "<b>mini" not in source
    assert "_<i>" not in source


def test_files_beside_the_page(findings, page):
    folder = page.parent
    figures = {path.name for path in (folder / "figures").iterdir()}
    stems = {"arg", "tasks-Cls-to-Cls", "tasks-NP-to-P", "trials", "curves"}
    assert figures == {f"{stem}.{kind}" for stem in stems for kind in ("svg", "png")}
    with (folder / "arg.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["setting"], row["method"]) for row in rows] == [
        (gain.setting, gain.method) for gain in findings.gains
    ]
    assert float(rows[0]["arg"]) == findings.gains[0].arg
    assert tuple(read_scores(folder / "scores.csv")) == findings.scores
    assert "0bad0bad0bad" in (folder / "units.csv").read_text()
    summary = (folder / "report.md").read_text(encoding="utf-8")
    assert "| Setting | Method | ARG % |" in summary
    for figure in re.findall(r"\]\((figures/.*?)\)", summary):
        assert (folder / figure).exists()
    tex = (folder / "arg.tex").read_text(encoding="utf-8")
    assert r"Cls$\to$Cls & Reptile & \textbf{+13" in tex
    assert tex.count("{") == tex.count("}")


def test_same_findings_same_page(findings, page, tmp_path):
    assert write_report(findings, tmp_path / "again").read_bytes() == page.read_bytes()


@pytest.mark.slow
def test_an_earlier_report_is_replaced_whole(findings, tmp_path):
    out = tmp_path / "out"
    write_report(findings, out)
    (out / "figures" / "stale.svg").touch()
    write_report(replace(findings, title="Second"), out)
    assert "Second" in (out / "report.md").read_text()
    assert not (out / "figures" / "stale.svg").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_files_are_never_replaced(findings, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(InputError, match="holds something that is not a report"):
        write_report(findings, tmp_path)
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(InputError, match="holds something that is not a report"):
        write_report(findings, tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(findings, tmp_path / "thesis.txt" / "out")


@pytest.mark.slow
def test_nothing_is_left_of_a_report_that_failed(findings, tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError("disk full")

    out = tmp_path / "out"
    write_report(findings, out)
    monkeypatch.setattr("mpt.report.page.png", full_disk)
    with pytest.raises(OSError, match="disk full"):
        write_report(replace(findings, title="Second"), out)
    assert "Second" not in (out / "report.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_gains_alone_make_a_report(tmp_path):
    bare = Findings(title="From a table", gains=tuple(gains(scores(tasks=1), resamples=200)))
    text = Page(write_report(bare, tmp_path / "out").read_text(encoding="utf-8")).text
    assert "n/a" in text
    assert "1 target, too few to generalise to similar tasks" in text
    assert "Sweep" not in text


def test_no_gain_at_all_is_said(findings, tmp_path):
    empty = Findings(title="All lost", gains=(), units=findings.units[:1])
    text = Page(write_report(empty, tmp_path / "out").read_text(encoding="utf-8")).text
    assert "No setting has an average relative gain." in text
    assert "prompt of run 0bad is not finite" in text


def test_published_table_beside_the_papers_values(shared, tmp_path):
    table = tuple(read_scores(shared / "reference" / "published_results.csv"))
    found = tuple(gains(table, resamples=200))
    large = Findings(
        title="T5-Large", gains=found, scores=table, backbone="google/t5-large-lm-adapt"
    )
    summary = (write_report(large, tmp_path / "out").parent / "report.md").read_text("utf-8")
    rows = [line for line in summary.splitlines() if "tasks" not in line and "4 × 5" in line]
    assert any(re.search(r"\| MAML \| \+11.14 \|.*\| \+11.14 \|", row) for row in rows)
