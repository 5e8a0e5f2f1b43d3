"""A report of a search: its figures, distinct colours, folded units, and what is incomplete."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mpt.report.figures.pace import curves_figure
from mpt.report.figures.search import importance_figure, parallel_figure, slices_figure
from mpt.report.findings import Curve, Findings, UnitLine
from mpt.report.page import write_report
from mpt.report.verdict import verdict
from mpt.search.trial import Trial
from mpt.stats.scores import Score, gains

TRIALS = tuple(
    Trial(
        at,
        {"inner_lr": 10.0**at, "outer_steps": 20 * (at % 2 + 1), "seed": 3},
        "complete",
        f"{at:012x}",
        2.0 * at,
        started=1_000,
        ended=1_000 + 61_000 * (at + 1),
    )
    for at in range(4)
)
SCORES = tuple(
    Score("R->R", method, task, seed, 0.5, 0.4 + 0.1 * (method == "maml"), 0.3)
    for method in ("PT", "maml")
    for task in ("a", "b", "c")
    for seed in (13, 21)
)


def units(state: str, count: int) -> tuple[UnitLine, ...]:
    return tuple(
        UnitLine(
            digest=f"{at:012x}", kind="cell", setting="R->R", method="maml", task="d", state=state
        )
        for at in range(count)
    )


def finished(**more) -> Findings:
    return Findings(title="t", gains=tuple(gains(SCORES, resamples=50)), scores=SCORES, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    findings = Findings(
        title="Study s",
        gains=(),
        trials=TRIALS,
        winner=3,
        importance={"inner_lr": 0.75},
        ranking=("Trial 3 is ahead on <b>, which `mpt <i>` tries.",),
    )
    return write_report(findings, tmp_path_factory.mktemp("search") / "out").parent


def test_a_search_has_its_figures_and_each_has_an_alternative_text(folder):
    drawn = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert {"trials", "parallel", "slices", "importance"} <= drawn
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure") == page.count('role="img" aria-label="') == page.count("<svg")


def test_a_command_in_a_sentence_looks_like_one_and_brings_no_markup(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "is ahead on &lt;b&gt;, which <code>mpt &lt;i&gt;</code> tries." in page


def test_rates_have_ticks_that_can_be_read(folder):
    """The ends and the middle, as plain numbers."""
    drawing = (folder / "figures" / "slices.svg").read_text(encoding="utf-8")
    assert {"1", "31.6"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", drawing))


def test_the_time_of_every_trial_is_in_the_table(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(time in page for time in ("1:01", "2:02", "3:03", "4:04"))
    assert "seconds" in (folder / "trials.csv").read_text().splitlines()[0]


def test_no_table_without_rows_is_written(folder):
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == {
        *("report.html", "report.md", "trials.csv", "trials.parquet", "trials.md", "trials.tex"),
    }
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "scores.csv" not in page


def test_only_parameters_that_differ_are_drawn():
    figure = parallel_figure(TRIALS)
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert names == ["inner rate", "outer steps", "ARG (%)"]
    slices = slices_figure(TRIALS)
    assert [axes.get_xlabel() for axes in slices.axes] == ["inner rate", "outer steps"]
    assert slices.axes[0].get_xscale() == "log"
    same = [replace(trial, params={"inner_lr": 1.0}) for trial in TRIALS]
    assert parallel_figure(same) is slices_figure(same) is importance_figure({}) is None
    assert parallel_figure([]) is None


@pytest.mark.parametrize("count", [3, 7, 8, 40])
def test_no_two_trials_share_a_colour(count):
    curves = [Curve(f"trial {at}", (1, 2), (2.0, 1.0 + at)) for at in range(count)]
    lines = curves_figure(curves, "loss").axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == len(lines) == count


@pytest.mark.parametrize("state", ["missing", "failed"])
def test_an_incomplete_evaluation_says_so_first(state):
    findings = finished(units=(*units(state, 4), *units("done", 10)[4:]))
    assert verdict(findings).startswith("Incomplete: 4 of 10 units of work have no result yet. ")
    assert "on R->R" in verdict(findings)


def test_a_diverged_unit_is_a_result():
    assert not verdict(finished(units=units("diverged", 4))).startswith("Incomplete")


@pytest.mark.parametrize(("count", "is_open"), [(3, True), (224, False)])
def test_many_units_without_a_result_are_folded(count, is_open, tmp_path):
    page = write_report(finished(units=units("missing", count)), tmp_path / "out").read_text(
        "utf-8"
    )
    (fold,) = re.findall(rf"<details( open)?><summary>{count} units</summary>", page)
    assert bool(fold) is is_open


def test_a_task_without_scores_is_counted_out_of_its_row(tmp_path):
    some = tuple(s for s in SCORES if (s.method, s.task) != ("maml", "c"))
    found = tuple(gains(some, resamples=50, missing_task="report"))
    page = write_report(Findings(title="t", gains=found, scores=some), tmp_path / "out")
    assert "2 of 3 × 2" in page.read_text("utf-8")
