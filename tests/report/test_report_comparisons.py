"""What the report compares: methods in pairs, races to the baseline's best, rates, tasks."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from mpt.lab.similarity import SimilarityMatrix
from mpt.report import words
from mpt.report.figures.heat import rates_figure, similarity_figure
from mpt.report.figures.pace import curves_figure
from mpt.report.figures.style import svg
from mpt.report.figures.tasks import task_figure
from mpt.report.findings import Curve, Findings, UnitLine
from mpt.report.page import write_report
from mpt.report.tables.comparisons import importance_grid, pace_grid, paired_grid
from mpt.report.tables.records import records
from mpt.report.tables.report_tables import arg_grid
from mpt.report.verdict import verdict
from mpt.search.trial import Trial
from mpt.stats.convergence import DevCurve
from mpt.stats.paired import compare
from mpt.stats.scores import Score, gains

STEPS = (10, 20, 30)


def scores() -> tuple[Score, ...]:
    rng = np.random.default_rng(0)
    factor = {"PT": 1.0, "maml": 1.2, "mtl": 1.2, "FT": 0.5}
    return tuple(
        Score("A->B", method, f"t{task}", seed, 0.5, float(by * level + rng.normal(0, 0.005)), 0.3)
        for task, level in enumerate((0.3, 0.4, 0.5, 0.6, 0.35))
        for method, by in factor.items()
        for seed in (13, 21, 42)
    )


def looks(method: str, *devs: float, seed: int = 13) -> DevCurve:
    return DevCurve(setting="A->B", method=method, task="t0", seed=seed, steps=STEPS, devs=devs)


@pytest.fixture
def findings() -> Findings:
    found = scores()
    return Findings(
        title="Compared",
        gains=tuple(gains(found, resamples=200)),
        scores=found,
        dev_curves=(
            looks("PT", 0.1, 0.2, 0.4),
            looks("maml", 0.4, 0.5, 0.5),
            looks("mtl", 0.1, 0.1, 0.1),
            *(looks("PT", 0.1, 0.4, 0.4, seed=21), looks("maml", 0.1, 0.4, 0.4, seed=21)),
        ),
        importance={"outer_lr": 0.75, "inner_steps": 0.25},
        similarity=SimilarityMatrix(("t0", "t1"), ((1.0, 0.25), (0.5, 1.0)), 0.3),
        trials=tuple(trial(n, inner, outer) for n, (inner, outer) in enumerate(GRID)),
    )


GRID = [(1.0, 0.2), (1.0, 0.5), (2.0, 0.2), (2.0, 0.2)]


def trial(number: int, inner: float, outer: float, arg: float | None = None) -> Trial:
    params = {"inner_lr": inner, "outer_lr": outer}
    return Trial(number, params, "complete", "d", 10 * number if arg is None else arg)


def test_every_pair_of_methods_is_tested_over_tasks_and_corrected(findings):
    found = {(one.tasks.first, one.tasks.second): one for one in findings.versus}
    assert len(found) == 3
    pair = ("maml", "FT")
    assert found[pair].tasks == compare(findings.scores, *pair, among="tasks")
    assert found[pair].seeds == compare(findings.scores, *pair, among="seeds")
    assert found[pair].holm >= found[pair].tasks.p
    table = paired_grid(findings)
    told = {table.rows[at][1] for at in table.marked}
    assert told == {"MAML − Fine-tuning", "MTL − Fine-tuning"}


def test_races_are_counted_and_one_never_won_is_a_bound(findings):
    rows = {row[1]: row[2:] for row in pace_grid(findings).rows}
    assert rows["MAML"] == ("2 of 2", "1", "0", "2.00×")
    assert rows["MTL"] == ("0 of 1", "0", "1", "under 1.00×")


def test_importance_is_in_percent(findings):
    assert importance_grid(findings).rows == (("outer lr", "75%"), ("inner steps", "25%"))
    assert importance_grid(replace(findings, importance={})).rows == ()


def text_of(figure) -> list[str]:
    """The words of a drawing."""
    root = ElementTree.fromstring(svg(figure, "x"))
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")]


def test_tiles_of_rates_hold_the_mean_of_their_trials(findings):
    figure = rates_figure(findings.trials)
    assert figure is not None
    said = text_of(figure)
    assert {"+0.0", "+10.0", "+25.0", "2 trials", "·"} <= set(said)
    assert "inner rate" in said


def test_rates_drawn_from_a_range_are_binned_by_ratio():
    wide = [trial(n, 10.0 ** (-1 + 2 * n / 9), 0.3, 1.0) for n in range(10)]
    figure = rates_figure(wide)
    assert figure is not None
    said = text_of(figure)
    assert "0.1 – 0.316" in said
    assert "3.16 – 10" in said
    assert said.count("3 trials") == 2  # ten values, equally spaced by ratio, in four bins
    assert said.count("2 trials") == 2


def test_a_search_without_two_rates_has_no_tiles():
    assert rates_figure([trial(0, 1.0, 0.2), trial(1, 1.0, 0.2)]) is None
    assert rates_figure([Trial(0, {"outer_lr": 0.1}, "complete", arg=1.0)]) is None
    assert rates_figure([]) is None


def test_multi_task_learning_is_tiled_by_its_steps():
    found = [
        Trial(n, {"outer_lr": rate, "outer_steps": 100 * (n + 1)}, "complete", arg=1.0 * n)
        for n, rate in enumerate((0.1, 0.2))
    ]
    figure = rates_figure(found)
    assert figure is not None
    assert {"outer steps", "100", "200", "+1.0"} <= set(text_of(figure))


def test_similarity_is_drawn_with_its_numbers_and_without_the_trivial_ones(findings):
    said = text_of(similarity_figure(findings.similarity))
    assert {"0.25", "0.50", "t0", "t1"} <= set(said)
    assert "1.00" not in said


def test_tasks_have_gains_and_absolute_scores_of_every_method_and_the_baseline(findings):
    said = text_of(task_figure(findings.gains, findings.scores))
    assert {"t0", "t4", "PT", "MAML", "MTL", "Fine-tuning"} <= set(said)
    assert "relative gain over PT (%)" in said
    assert "test score ± standard deviation over seeds" in said
    assert "PT" not in text_of(task_figure(findings.gains))


def test_curves_are_running_means_a_panel_a_setting():
    noisy = tuple(float(at % 2) for at in range(100))
    curves = [
        Curve(name, tuple(range(100)), noisy, setting)
        for setting in ("A->B", "B->A")
        for name in ("MAML", "MTL")
    ]
    figure = curves_figure(curves, "loss")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["A->B", "B->A"]
    drawn = figure.axes[0].lines[0].get_ydata()
    assert list(drawn)[20:] == pytest.approx([0.5] * 80)
    assert text_of(figure).count("MTL") == 1


def test_every_meta_training_behind_a_gain_is_named(findings):
    units = [
        UnitLine(digest=digest, kind="meta-training", setting="A->B", method=method, meta_seed=seed)
        for digest, method, seed in (("aa", "maml", 0), ("bb", "mtl", 0), ("cc", "maml", 1))
    ]
    several = replace(findings, units=tuple(units))
    assert {row[1]: row[-1] for row in arg_grid(several).rows} == {
        "MAML": "aa, cc",
        "MTL": "bb",
        "Fine-tuning": "",
    }
    assert [row[-1] for row in records(several)["arg"].rows] == ["aa, cc", "bb", None]


def test_a_search_alone_is_summed_up_by_its_best_trial(findings):
    search = Findings(title="Study", gains=(), trials=findings.trials)
    assert (
        verdict(search) == "Best of 4 trials: trial 3, validation ARG +30.00 %, 95 % interval n/a."
    )


def test_the_page_has_a_section_for_each(findings, tmp_path):
    page = write_report(findings, tmp_path / "out")
    source = page.read_text(encoding="utf-8")
    for place in ("versus", "convergence", "similarity", "sweep"):
        assert f'<h2 id="{place}">' in source
        assert f'href="#{place}"' in source
    assert "MAML − Fine-tuning" in source
    figures = {path.stem for path in (page.parent / "figures").iterdir()}
    assert {"convergence", "dev", "similarity", "rates"} <= figures
    with (page.parent / "convergence.csv").open() as file:
        races = list(csv.DictReader(file))
    assert [race["step"] for race in races if race["method"] == "mtl"] == [""]
    with (page.parent / "paired.csv").open() as file:
        (first, *_) = csv.DictReader(file)
    assert float(first["p_holm"]) == findings.versus[0].holm
    summary = (page.parent / "report.md").read_text(encoding="utf-8")
    for figure in re.findall(r"\]\((figures/.*?)\)", summary):
        assert (page.parent / figure).exists()


def test_what_is_not_there_has_no_section(findings, tmp_path):
    lone = replace(
        findings,
        gains=findings.gains[:1],
        dev_curves=(),
        importance={},
        similarity=None,
        trials=(),
    )
    source = write_report(lone, tmp_path / "out").read_text(encoding="utf-8")
    for place in ("versus", "convergence", "similarity", "sweep"):
        assert place not in re.findall(r'<h2 id="(.*?)"', source)


def test_p_values_are_written_one_way():
    assert words.p_value(0.0311) == "0.031"
    assert words.p_value(1e-5) == "<0.001"
    assert words.p_value(float("nan")) == "n/a"
