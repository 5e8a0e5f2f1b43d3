"""Words, tables, warnings, verdicts and the paper's values."""

from __future__ import annotations

import json
from io import StringIO
from math import nan

import pytest
from rich.console import Console

from mpt.report import words
from mpt.report.caution import warnings
from mpt.report.figures.style import looks
from mpt.report.findings import Findings, UnitLine
from mpt.report.paper import paper_arg, paper_source
from mpt.report.tables.grid import latex, markdown
from mpt.report.tables.report_tables import arg_grid, score_grid
from mpt.report.terminal import print_sheet
from mpt.report.verdict import verdict
from mpt.report.views import (
    arg_json,
    arg_sheet,
    best_trial,
    studies_json,
    studies_sheet,
    trials_json,
    trials_sheet,
)
from mpt.search.study_list import Overview
from mpt.search.trial import Trial
from mpt.stats.intervals import UNKNOWN, Interval
from mpt.stats.scores import Gain, Score

PARAPHRASE = ("glue-mrpc", "glue-qqp", "medical_questions_pairs", "paws")


def gain(low: float = 1.0, high: float = 3.0, **changes) -> Gain:
    fields: dict = {
        "setting": "NP->P",
        "method": "maml",
        "baseline": "PT",
        "arg": (low + high) / 2,
        "interval": Interval(low, high),
        "seed_interval": UNKNOWN,
        "per_task": dict.fromkeys(PARAPHRASE, 2.0),
        "tasks": PARAPHRASE,
        "seeds": (13, 21, 42),
    }
    return Gain(**(fields | changes))


def trial(number: int, arg: float | None = None, **changes) -> Trial:
    fields: dict = {
        "number": number,
        "params": {"inner_lr": 0.03214, "steps": 40},
        "state": "diverged" if arg is None else "complete",
        "arg": arg,
    }
    return Trial(**(fields | changes))


def printed(sheet) -> str:
    console = Console(file=StringIO())
    print_sheet(console, sheet)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_numbers_are_written_one_way():
    assert words.percent(11.1449) == "+11.14"
    assert words.percent(nan) == words.percent(None) == "n/a"
    assert words.interval(Interval(-4.06, 12)) == "[-4.1, +12.0]"
    assert words.interval(Interval(-64.2, 104.6)) == "[-64, +105]"
    assert words.interval(UNKNOWN) == "n/a"
    assert words.method_name("fomaml") == "FoMAML"
    assert words.method_name("mine") == "mine"


def test_arg_table_names_a_setting_once():
    text = printed(arg_sheet([gain(), gain(method="reptile"), gain(setting="QA->QA", arg=nan)]))
    assert text.count("NP->P") == 1
    assert "+2.00" in text
    assert "n/a" in text
    assert "4 × 3" in text


def test_arg_json_has_null_for_nan_and_the_context():
    found = json.loads(arg_json([gain(arg=nan, interval=UNKNOWN)], file="a.csv"))
    assert found["file"] == "a.csv"
    assert found["gains"][0]["arg"] is None
    assert found["gains"][0]["interval"] is None
    assert found["gains"][0]["per_task"]["paws"] == 2.0


def test_trials_table_marks_the_best_and_gives_reasons():
    trials = [
        trial(0, 1.0, low=-1.0, high=3.0),
        trial(1, reason="loss [x] is not finite"),
        trial(2, 1.0),
    ]
    assert best_trial(trials) is trials[0]
    text = printed(trials_sheet("mini", trials))
    assert "* 0" in text
    assert "trial 1: loss [x] is not finite" in text
    assert "0.0321" in text
    assert "…" not in text
    assert best_trial([trial(0), trial(1, nan)]) is None


def test_studies_and_trials_as_json():
    mini = [trial(0, 1.0, low=0.0, high=2.0), trial(1, nan)]
    found = json.loads("\n".join(studies_json([("mini", mini), ("new", [])])))
    one, lost = found["studies"][0]["trials"]
    assert lost["arg"] is None
    assert (one["number"], one["interval"]) == (0, [0.0, 2.0])
    assert found["studies"][1]["trials"] == []
    assert json.loads(trials_json([trial(0, nan)]))["trials"][0]["arg"] is None
    assert "mini" in printed(
        studies_sheet([Overview("mini", 1, 1, trial(0, 1.0)), Overview("new", 0, 0, None)])
    )


def test_what_could_not_be_learned_has_its_row():
    lost = UnitLine(
        digest="a", kind="meta-training", setting="R->R", method="maml", state="diverged"
    )
    grid = arg_grid(Findings(title="", gains=(gain(),), units=(lost,)))
    assert grid.rows[-1][:4] == ("R->R", "MAML", "n/a", "diverged")
    assert all(len(row) == len(grid.header) == len(grid.align) for row in grid.rows)


def test_arg_rows_above_zero_are_marked():
    rows = (gain(), gain(-1, 3, method="mtl"), gain(interval=UNKNOWN, method="x"))
    grid = arg_grid(Findings(title="", gains=rows))
    assert grid.marked == {0}
    assert markdown(grid).splitlines()[2].startswith("| **NP->P** |")
    assert r"\textbf{+2.00}" in latex(grid, "100 % & more")
    assert r"\caption{100 \% \& more}" in latex(grid, "100 % & more")


def test_score_grid_takes_the_best_dev_rate():
    cells = tuple(
        Score("NP->P", method, "paws", seed, dev, test, lr)
        for method, shift in (("PT", 0.0), ("maml", 0.1))
        for seed in (13, 21)
        for dev, test, lr in ((0.4, 0.9, 0.5), (0.5, 0.5 + shift + seed / 1000, 0.2))
    )
    grid = score_grid(Findings(title="", gains=(gain(tasks=("paws",)),), scores=cells), "NP->P")
    assert grid.header == ("Target task", "PT", "MAML", "MAML gain %")
    assert grid.rows == (("paws", "0.517 ± 0.006", "0.617 ± 0.006", "+2.00"),)


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ([gain()], "MAML gains +2.00 % over PT on NP->P, 95 % interval [+1.0, +3.0]: a gain."),
        ([gain(-3, -1)], "MAML gains -2.00 % over PT on NP->P, 95 % interval [-3.0, -1.0]: a loss"),
        ([gain(interval=UNKNOWN)], "interval n/a: too few tasks for an interval."),
        ([gain(-1, 3)], ": no significant difference."),
        ([gain(), gain(-3, -1, method="mtl")], "Above PT: MAML in 1 of 1 setting; below PT: MTL"),
        ([gain(-1, 3)] * 2, "No significant difference from PT (95 %"),
        ([], "No setting has an average relative gain."),
    ],
)
def test_verdict_is_no_stronger_than_the_intervals(gains, said):
    assert said in verdict(Findings(title="", gains=tuple(gains)))


def test_warnings_name_what_weakens_the_numbers():
    few = gain(tasks=("a", "b"), per_task={"a": 1.0}, zero_baseline=("b",), seeds=(13,), arg=1.0)
    low = tuple(Score("NP->P", "PT", "a", seed, 0.5, 0.01) for seed in (13, 21))
    lost = UnitLine(digest="x", kind="cell", setting="NP->P", method="PT", state="diverged")
    found = list(
        warnings(
            Findings(
                title="",
                gains=(few,),
                scores=low,
                units=(lost,),
                trials=(trial(0, 1.0), trial(1, 2.0)),
            )
        )
    )
    for said in (
        "NP->P: PT is not above zero on b; maml's ARG leaves it out",
        "NP->P: 1 target, too few",
        "NP->P: 1 seed, too few",
        "PT scores under 0.05 on a (0.010)",
        "1 of 1 unit of work diverged and gave no result",
        "best of 2 trials",
    ):
        assert any(said in line for line in found), said
    assert warnings(Findings(title="", gains=(gain(),))) == ()


def test_paper_values_only_for_the_papers_targets_and_backbone():
    assert paper_arg(gain(), "google/t5-large-lm-adapt") == 11.14
    assert paper_arg(gain(method="Fine-tuning"), "google/t5-base-lm-adapt") == 7.41
    assert paper_arg(gain(), "T5-XLarge") == 14.35
    assert paper_arg(gain(), "mini") is None
    assert paper_arg(gain(tasks=PARAPHRASE[:3]), "google/t5-large-lm-adapt") is None
    assert paper_arg(gain(setting="mine"), "google/t5-large-lm-adapt") is None
    assert "Tables 2 and 5" in paper_source()


def test_methods_differ_in_colour_and_in_marker():
    found = looks(["maml", "fomaml", "reptile", "mtl", "Fine-tuning", "mine", "yours"])
    assert len({look.colour for look in found.values()}) == len(found)
    assert len({look.marker for look in found.values()}) == len(found)
    assert looks(["MAML"])["MAML"] == found["maml"]
