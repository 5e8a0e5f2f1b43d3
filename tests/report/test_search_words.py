"""What is said of a search's ranking, to the letter."""

from __future__ import annotations

import json
from math import nan

import numpy as np
import pytest
from gain_tables import gain_table

from mpt.lab.race import Race, Round, round_line
from mpt.report.search_words import gain_lines, race_sentence, search_lines
from mpt.report.views import trials_json, trials_sheet
from mpt.search.trial import Trial
from mpt.stats.gain_table import crossed
from mpt.stats.intervals import Interval
from mpt.stats.reliability import FlatTask, Reliability, Share, reliability


def known(**changes):
    about = {
        "over_seeds": Share(0.72, Interval(0.31, 0.9)),
        "over_tasks": Share(0.48, Interval(0.05, 0.81)),
        "trials": ("8", "6", "1", "2"),
        "not_separated": ("6", "1"),
        "further_seeds": 4,
    }
    return Reliability(**{**about, **changes})


@pytest.mark.parametrize(
    ("gain", "line"),
    [
        (
            Interval(18.0, 121.0),
            "Trial 6 beats plain prompt tuning: its interval lies above zero. The best of 8 is "
            "flattered by the choice; `mpt promote best` tests again.",
        ),
        (
            Interval(-2.0, 120.0),
            "Whether trial 6 beats plain prompt tuning on other tasks is open: its interval "
            "includes zero.",
        ),
        (
            Interval(-40.0, -2.0),
            "Plain prompt tuning beats trial 6, whose interval lies below zero.",
        ),
    ],
)
def test_whether_the_best_trial_is_known_to_gain(gain, line):
    assert gain_lines(6, gain, trials=8) == (line,)


def test_a_single_trial_is_not_flattered_and_one_without_an_interval_says_nothing():
    (line,) = gain_lines(1, Interval(5.0, 9.0), trials=1)
    assert line == "Trial 1 beats plain prompt tuning: its interval lies above zero."
    assert gain_lines(1, Interval(nan, nan), trials=2) == ()


def test_the_ranking_and_who_is_not_separated():
    assert search_lines(known()) == (
        "The ranking of these trials would repeat at 0.72 [0.31, 0.90] with other data seeds, and "
        "at 0.48 [0.05, 0.81] with other tasks (1: exactly; 0: as chance would have it).",
        "Trial 8 is not separated from 6 and 1 at 95 %; about 4 more data seeds would separate it "
        "from 6 (power 0.8), which `--until-separated` tries.",
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"further_seeds": 1},
            "Trial 8 is not separated from 6 and 1 at 95 %; about 1 more data seed would separate "
            "it from 6 (power 0.8), which `--until-separated` tries.",
        ),
        (
            {"further_seeds": None},
            "Trial 8 is not separated from 6 and 1 at 95 %; not even 1000 more data seeds would "
            "separate it from 6.",
        ),
        (
            {"not_separated": ()},
            "Trial 8 is better than every other one at 95 % on these tasks.",
        ),
        (
            {"not_separated": tuple(map(str, range(10, 20))), "further_seeds": 9},
            "Trial 8 is not separated from 10, 11, 12, 13, 14 and 5 others at 95 %; about 9 more "
            "data seeds would separate it from 10 (power 0.8), which `--until-separated` tries.",
        ),
    ],
)
def test_how_many_seeds_would_separate_it(changes, line):
    assert search_lines(known(**changes))[1] == line


def test_tasks_that_tell_nothing_are_named():
    flat = (
        FlatTask("story-colour", 1.0, is_full=True),
        FlatTask("kind-choice", 0.993, is_full=True),
        FlatTask("gadgets", 0.6, is_full=False),
    )
    assert search_lines(known(flat=flat))[2] == (
        "Plain prompt tuning leaves no room on story-colour (1.000) and kind-choice (0.993); the "
        "trials differ no more than data seeds do on gadgets. These tasks tell the search nothing."
    )
    assert search_lines(known(flat=flat[2:]))[2] == (
        "The trials differ no more than data seeds do on gadgets. This task tells the search "
        "nothing."
    )


def test_what_is_left_out_is_said():
    left_out = {"3": "pruned", "5": "it has no score on trec with data seed 21"}
    assert search_lines(known(left_out=left_out, zero_baseline=("copying",)))[2] == (
        "Left out of this comparison: trial 3 (pruned), trial 5 (it has no score on trec with data "
        "seed 21) and copying (plain prompt tuning scores 0)."
    )
    many = {str(number): "pruned" for number in range(1, 30)}
    assert search_lines(known(left_out=many))[2].endswith("trial 6 (pruned) and 23 more.")


def test_one_seed_cannot_say():
    gains = np.random.default_rng(0).normal(size=(3, 2, 1))
    assert search_lines(reliability(gain_table(gains))) == (
        "Whether the ranking of these trials would repeat with other data seeds is unknown: the "
        "noise of data seeds cannot be estimated from a single one.",
    )


def test_equal_trials_are_said_to_be_equal():
    lines = search_lines(reliability(gain_table(np.zeros((3, 1, 2)))))
    assert lines[0] == (
        "The ranking of these trials would repeat at 0.00 with other data seeds (all trials have "
        "the same gain)."
    )


def test_nothing_is_said_where_nothing_is_known():
    assert search_lines(None) == ()
    assert search_lines(reliability(crossed({}))) == ()


def race(*rounds):
    return Race(
        entrants={1: "a", 6: "b", 8: "c"},
        seeds=(13, 21, 42, 87, 100)[: rounds[-1].seeds],
        rounds=rounds,
    )


FIRST = Round(seeds=2, args={1: 1.0, 6: 4.0, 8: 5.0}, left=(8, 6), dropped={1: 8})
LAST = Round(seeds=3, args={6: 4.0, 8: 2.0}, left=(6,), dropped={8: 6})


def test_a_race_is_described_look_by_look():
    assert round_line(FIRST) == "2 data seeds: trials 8, 6 left; 1 significantly below 8"
    assert round_line(LAST) == "3 data seeds: trial 6 left; 8 significantly below 6"


def test_the_winner_of_a_race_takes_the_place_of_the_comparison():
    won = race(FIRST, LAST)
    line = (
        "Trial 6 won the race on 3 data seeds: it is better than all 2 others on these tasks at "
        "95 % (the chance that a race names a wrong trial is at most 5 %)."
    )
    assert search_lines(known(), won)[1] == race_sentence(won) == line


def test_a_race_without_a_winner_names_those_left():
    assert race_sentence(race(FIRST)) == (
        "Trials 8 and 6 could not be separated at 95 % with all 2 data seeds of the gym; trial 8 "
        "has the highest gain."
    )


def test_a_race_of_one_is_none():
    alone = Race(entrants={4: "a"}, seeds=(13,), rounds=())
    assert race_sentence(alone) == "Trial 4 is the only one, so that there was no race."


TRIALS = [Trial(n, {}, "complete", f"d{n}", float(n), n - 1.0, n + 1.0) for n in range(2)]


def test_json_holds_it_all_and_null_where_nothing_is_known():
    flat = (FlatTask("a", nan, is_full=False),)
    shown = json.loads(trials_json(TRIALS, known(flat=flat), race(FIRST)))
    assert shown["reliability"]["over_seeds"] == {
        "value": 0.72,
        "interval": [0.31, 0.9],
        "why": "",
    }
    assert shown["reliability"]["ranking"] == [8, 6, 1, 2]
    assert shown["reliability"]["further_seeds"] == 4
    assert shown["reliability"]["flat_tasks"] == [
        {"task": "a", "plain_prompt_tuning": None, "why": "no difference"}
    ]
    assert shown["race"]["winner"] is None
    assert shown["race"]["left"] == [8, 6]
    assert shown["race"]["rounds"][0]["dropped"] == {"1": 8}
    empty = json.loads(trials_json(TRIALS))
    assert (empty["reliability"], empty["race"]) == (None, None)


def test_below_the_table_lines_fit_a_terminal():
    sheet = trials_sheet("s", TRIALS, search_lines(known()), TRIALS[0])
    assert max(map(len, sheet.notes)) <= 80
    assert " ".join(sheet.notes) == " ".join(search_lines(known()))
    assert sheet.grid.rows[0][0] == "* 0"
