"""The table of a study's trials in the terminal, long ones among them."""

from __future__ import annotations

import io
import json

from rich.console import Console

from mpt.report.terminal import print_sheet
from mpt.report.views import SHOWN, trials_json, trials_sheet
from mpt.search.trial import Trial


def printed(trials):
    out = Console(file=io.StringIO())
    print_sheet(out, trials_sheet("s", trials))
    return out.file.getvalue()  # type: ignore[attr-defined]


def in_one_line(text):
    return " ".join(text.split())


def complete(number, arg):
    return Trial(number, {"outer_lr": 0.1}, "complete", "d", arg, arg - 1, arg + 1)


def test_a_pruned_trial_shows_its_state_and_reason():
    reason = "pruned after 5 scores: worse than trial 0 (Wilcoxon, p < 0.1)"
    pruned = Trial(1, {"outer_lr": 0.2}, "pruned", "e", reason=reason, step=5)
    text = printed([complete(0, 3.0), pruned])
    row = next(line for line in text.splitlines() if line.strip().startswith("1 "))
    assert row.rstrip().endswith("pruned")
    assert f"trial 1: {reason}" in in_one_line(text)


def test_of_a_long_study_the_best_and_the_latest_are_shown_and_all_are_counted():
    trials = [complete(number, float(-number)) for number in range(500)]
    trials[20] = Trial(20, {"outer_lr": 0.2}, "diverged", "e", reason="run e diverged")
    text = printed(trials)
    numbers = [int(word) for word in text.replace("* ", "").split() if word.isdigit()]
    assert {0, 1, 49, 450, 499} <= set(numbers)
    assert not {20, 59, 449} & set(numbers[:-10])
    shown = [line for line in text.splitlines() if line.rstrip().endswith("complete")]
    assert len(shown) == SHOWN
    assert (
        "500 trials: 499 complete, 1 diverged. The 50 best and the 50 latest are shown"
        in in_one_line(text)
    )
    assert "run e diverged" not in text
    assert len(json.loads(trials_json(trials))["trials"]) == 500
