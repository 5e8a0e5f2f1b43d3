"""A race between trials on scores that are made up: who is tuned on which data seeds, who wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpt.compute.progress import Silent
from mpt.gym.source import data_seeds
from mpt.gym.splits import SEEDS
from mpt.lab import race as racing
from mpt.lab.race import race, race_winner, record_race, recorded_race
from mpt.search.trial import Trial
from mpt.stats.scores import Score
from mpt.store.ledger import Ledger
from mpt.study.study_file import make_study

TASKS = ("a", "b", "c")


def complete(number, digest=None):
    return Trial(number, {}, "complete", digest or f"digest-{number}", float(number), 0.0, 1.0)


class Generator:
    """A gym that draws rows under two more seeds."""

    name, further_seeds = "generator", (7, 8)


@dataclass
class Track:
    """Where trials race: what they score, and what was evaluated.

    Attributes:
        score: a trial's name, a task and a data seed to a test score; None where tuning diverged.
        asked: per round the names of the trials and the data seeds.
    """

    score: Callable[[str, str, int], float | None]
    gym: Any = None
    seeds: tuple[int, ...] = (13, 21)
    asked: list[tuple[list[str], tuple[int, ...]]] = field(default_factory=list)

    def run(self, trials, monkeypatch):
        study = make_study({"validation": {"seeds": list(self.seeds)}})
        lab: Any = SimpleNamespace(worker=SimpleNamespace(gym=self.gym), progress=Silent())
        concrete: Any = SimpleNamespace(study=study, tasks=TASKS)
        monkeypatch.setattr(racing, "_evaluate", self._evaluate)
        return race(concrete, trials, lab)

    def _evaluate(self, concrete, trials, seeds, lab):
        names = [racing.name_of(trial) for trial in trials]
        self.asked.append((names, seeds))
        return [
            SimpleNamespace(score=found)
            for name in ("PT", *names)
            for task in TASKS
            for seed in seeds
            if (found := self._cell(name, task, seed))
        ]

    def _cell(self, name, task, seed):
        test = 0.4 if name == "PT" else self.score(name, task, seed)
        return None if test is None else Score("validation", name, task, seed, 0.5, test, 0.3)


def noisy(levels, scale=0.01):
    def score(name, task, seed):
        rng = np.random.default_rng([int(name), TASKS.index(task), seed])
        return levels[name] + scale * rng.normal()

    return score


def test_those_far_below_leave_and_are_not_tuned_again(monkeypatch):
    levels = {"0": 0.5, "1": 0.5, "2": 0.2}
    track = Track(noisy(levels))
    ended = track.run([complete(n) for n in range(3)], monkeypatch)
    assert track.asked[0] == (["0", "1", "2"], (13, 21))
    assert track.asked[-1] == (["0", "1"], SEEDS)
    assert ended.winner is None
    assert set(ended.left) == {0, 1}
    assert ended.seeds == SEEDS
    (dropped,) = [one.dropped for one in ended.rounds if one.dropped]
    assert dropped.keys() == {2}


def test_it_ends_with_the_first_look_that_leaves_one(monkeypatch):
    track = Track(noisy({"0": 0.3, "1": 0.6, "2": 0.2}, scale=0.02))
    ended = track.run([complete(n) for n in range(3)], monkeypatch)
    assert ended.winner == 1
    assert len(ended.seeds) == ended.rounds[-1].seeds < 5
    assert ended.rounds[-1].args[1] == pytest.approx(50, abs=8)


def test_a_gym_that_generates_rows_has_more_seeds(monkeypatch):
    assert data_seeds(Generator()) == (*SEEDS, 7, 8)  # type: ignore[arg-type]
    track = Track(noisy({"0": 0.5, "1": 0.5}), gym=Generator())
    ended = track.run([complete(0), complete(1)], monkeypatch)
    assert ended.seeds == (*SEEDS, 7, 8)
    assert [len(seeds) for _, seeds in track.asked] == [2, 3, 4, 6, 7]


def test_the_seeds_of_the_study_come_first(monkeypatch):
    track = Track(noisy({"0": 0.5, "1": 0.5}), seeds=(100, 42))
    assert track.run([complete(0), complete(1)], monkeypatch).seeds == (100, 42, 13, 21, 87)


def test_one_seed_is_no_look(monkeypatch):
    track = Track(noisy({"0": 0.5, "1": 0.5}), seeds=(13,))
    track.run([complete(0), complete(1)], monkeypatch)
    assert [len(seeds) for _, seeds in track.asked] == [2, 3, 4, 5]


def test_tuning_that_diverges_on_a_seed_is_a_total_loss_there(monkeypatch):
    score = noisy({"0": 0.5, "1": 0.5})
    track = Track(
        lambda name, task, seed: None if (name, seed) == ("1", 42) else score(name, task, seed)
    )
    ended = track.run([complete(0), complete(1)], monkeypatch)
    assert ended.rounds[1].args[1] == pytest.approx((25 + 25 - 100) / 3, abs=5)


def test_equal_configurations_are_one_entrant_and_only_completed_trials_race(monkeypatch):
    track = Track(noisy({"0": 0.5}))
    diverged = Trial(2, {}, "diverged", "digest-2", reason="diverged")
    ended = track.run([complete(0), complete(1, "digest-0"), diverged], monkeypatch)
    assert (ended.entrants, ended.winner, track.asked) == ({0: "digest-0"}, 0, [])


def test_a_race_is_recorded_for_these_trials_alone(tmp_path, monkeypatch):
    trials = [complete(n) for n in range(3)]
    ended = Track(noisy({"0": 0.3, "1": 0.6, "2": 0.2})).run(trials, monkeypatch)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        record_race(ended, "study", ledger)
        record_race(ended, "study", ledger)
        assert recorded_race("study", trials, ledger) == ended
        assert recorded_race("study", [*trials, complete(3)], ledger) is None
        assert recorded_race("other", trials, ledger) is None


def test_a_race_of_an_earlier_version_names_the_same_trials(tmp_path):
    """It counted trials from 1."""
    trials = [complete(n) for n in range(3)]
    recorded = {
        "entrants": {"1": "digest-0", "2": "digest-1", "3": "digest-2"},
        "seeds": [13, 21],
        "rounds": [
            {
                "seeds": 2,
                "args": {"1": 7.0, "3": 4.0, "2": 1.0},
                "left": [1],
                "dropped": {"2": 1, "3": 1},
            }
        ],
    }
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.link("race:study", recorded, ["digest-0"])
        ended = recorded_race("study", trials, ledger)
        assert ended is not None
        assert race_winner("study", trials, ledger) == trials[0]
    assert ended.rounds[0].args == {0: 7.0, 2: 4.0, 1: 1.0}
    assert ended.rounds[0].dropped == {1: 0, 2: 0}
