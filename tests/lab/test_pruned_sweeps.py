"""Sweeps with a pruner: real meta-trainings, real Optuna, and tuning whose scores can be foreseen.

What a cell scores is a function of its task, seed and the outer rate of the prompt it starts from,
so that it is known by hand which trials are pruned, and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from unittest.mock import patch

import pytest
import torch
from terminal import study_file

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY
from mpt.engine.checkpoint import Checkpoints
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.run import Lab
from mpt.lab.sweep import replay, sweep
from mpt.lab.trials import TrialRecord
from mpt.search.search import Search, Trial
from mpt.store.artefacts import load_prompt
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.results import read_result
from mpt.store.unit import Unit
from mpt.study.study import Study
from mpt.study.study_file import read_study

pytestmark = pytest.mark.slow

RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SEEDS = (13, 21, 42, 87)
LEVEL = {"trec": 0.4, "liar": 0.5}
"""Plain prompt tuning's score by task."""
WILCOXON = {"pruner": "wilcoxon"}
HYPERBAND = {"pruner": {"kind": "hyperband", "min_resource": 1}, "outer": {"steps": 9}}


class Killed(Exception):
    """The driver dies here."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    def make(**changes):
        file = study_file(
            tmp_path_factory.mktemp("study") / "study.yaml",
            {
                "space": {"outer_lr": list(RATES)},
                "sampler": "grid",
                "trials": len(RATES),
                "validation": {"tasks": list(LEVEL), "seeds": list(SEEDS)},
                "round": 2,
                "pack": 1,
                "cells_per_pack": 8,
                **changes,
                "outer": {"episodes": 2, "batch": 2, "steps": 3, **changes.get("outer", {})},
            },
        )
        return read_study(file, {})

    return make


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path / "home")}).open()


@pytest.fixture(scope="module", autouse=True)
def tuned():
    """Every cell that was tuned in this module, in order."""
    rates, cells = {VOCABULARY: 0.0}, []
    learn = Worker.learn

    def noting(worker, configs, on_step):
        rates.update({config.digest: config.outer.lr for config in configs})
        return learn(worker, configs, on_step)

    def tune(worker, configs, on_step):
        cells.extend(configs)
        return [foreseen(config, rates[config.start]) for config in configs]

    with patch.object(Worker, "learn", noting), patch.object(Worker, "tune", tune):
        yield cells


def foreseen(cell, rate):
    """A tenth of the rate above plain prompt tuning, and the same luck for all on a data seed."""
    score = LEVEL[cell.task] + 0.1 * rate + 0.01 * SEEDS.index(cell.data_seed)
    result = {"dev": score, "test": score, "best_step": 1, "looks": [[1, score]], "curve": [1.0]}
    return Unit(
        cell.digest,
        "cell",
        cell,
        "done",
        read_result("cell", "done", result),
        None,
        0.0,
        datetime.now(UTC),
    )


def run(study, home):
    """The trials of a sweep, and its records."""
    records = []
    with Ledger(home.ledger_url) as ledger:
        worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
        lab = Lab(worker, ledger)
        trials = sweep(plan(study, worker), lab, home, on_trial=records.append)
    return trials, records


@dataclass(frozen=True)
class Swept:
    """A sweep that nothing disturbed, and the home that it left."""

    study: Study
    home: Home
    trials: list[Trial]
    records: list[TrialRecord]
    tuned: int


@pytest.fixture(scope="module")
def swept(study, tuned, tmp_path_factory):
    """Sweeps by a name of theirs, each run once: nothing is written to their homes afterwards."""
    done = {}

    def once(name, **changes):
        if name not in done:
            home = Home.find({"MPT_HOME": str(tmp_path_factory.mktemp(name) / "home")}).open()
            chosen, before = study(**changes), len(tuned)
            done[name] = Swept(chosen, home, *run(chosen, home), len(tuned) - before)
        return done[name]

    return once


def ends(trials):
    return [(t.number, t.params, t.state, t.digest, t.arg, t.step, t.reason) for t in trials]


def test_wilcoxon_prunes_what_is_below_the_best_of_earlier_rounds(swept):
    done = swept("wilcoxon", **WILCOXON)
    trials, best = done.trials, 0.0
    for trial, record in zip(trials, done.records, strict=True):
        rate = trial.params["outer_lr"]
        if trial.number % 2 == 0:  # a new round knows of the trials before it
            best = max((t.params["outer_lr"] for t in trials[: trial.number]), default=0.0)
        own = [j for j in record.evaluated if j.cell.start != VOCABULARY]
        if rate < best:
            # two pairs cannot give p < 0.1, four below the best have p = 1/16
            assert (trial.state, trial.step, trial.arg) == ("pruned", 4, None)
            assert "pruned after 4 scores: worse than trial" in trial.reason
            assert "Wilcoxon, p < 0.1" in trial.reason
            assert {j.cell.data_seed for j in own} == {13, 21}
        else:
            assert (trial.state, trial.step) == ("complete", None)
            assert {j.cell.data_seed for j in own} == set(SEEDS)
    states = [trial.state for trial in trials]
    assert {"pruned", "complete"} == set(states)
    assert done.tuned == 8 + 8 * states.count("complete") + 4 * states.count("pruned")


def test_without_rivals_nothing_is_pruned(study, home):
    trials, _ = run(study(**WILCOXON, round=8), home)
    assert {trial.state for trial in trials} == {"complete"}


def test_hyperband_goes_on_with_the_better_ones_at_each_rung(swept):
    done = swept("hyperband", **HYPERBAND)
    chosen, trials = done.study, done.trials
    reached: dict[tuple[int, int], list[float]] = {}
    for trial in trials:
        bracket = chosen.pruner.bracket(trial.number, chosen.seed, 9)
        rate, stopped = trial.params["outer_lr"], None
        for step in chosen.pruner.rungs(bracket, 9, 9):
            rivals = sorted([*reached.setdefault((bracket, step), []), rate], reverse=True)
            reached[bracket, step].append(rate)
            if rate < rivals[max(len(rivals) // 3, 1) - 1]:
                stopped = step
                break
        assert trial.step == stopped
        assert trial.state == ("complete" if stopped is None else "pruned")
        if stopped:
            assert f"pruned at meta-step {stopped}: a gain of" in trial.reason
    assert {"pruned", "complete"} == {trial.state for trial in trials}
    assert len({bracket for bracket, _ in reached}) == 2, "both brackets that prune were used"


def test_what_survives_hyperband_is_what_an_unpruned_sweep_learns_bit_for_bit(swept):
    pruned, whole = swept("hyperband", **HYPERBAND), swept("whole", outer={"steps": 9})
    survivors = 0
    for one, other in zip(pruned.records, whole.records, strict=True):
        if one.trial.state == "complete":
            survivors += 1
            assert one.trial == other.trial
            assert one.unit.curve == other.unit.curve
            ours = load_prompt(pruned.home, str(one.unit.artefact))
            assert torch.equal(ours, load_prompt(whole.home, str(other.unit.artefact)))
        else:
            step = one.trial.step
            assert one.unit.curve == other.unit.curve[:step]
    assert 0 < survivors < len(RATES)
    assert not list(Checkpoints(pruned.home.checkpoints).folder.glob("*"))


PRUNERS = pytest.mark.parametrize(
    ("pruner", "changes"),
    [("wilcoxon", WILCOXON), ("hyperband", HYPERBAND)],
    ids=["wilcoxon", "hyperband"],
)


@PRUNERS
def test_packing_does_not_change_who_is_pruned(study, home, swept, pruner, changes):
    together, _ = run(study(**changes, pack=2), home)
    # ARGs too: scores are foreseen, so that no rounding enters
    assert ends(together) == ends(swept(pruner, **changes).trials)


@pytest.mark.slow
@PRUNERS
@pytest.mark.parametrize(
    ("where", "moment"),
    [
        ("report", 2),
        ("report", 5),
        ("attr", 4),
        ("attr", 9),
        ("record", 5),
        ("record", 12),
    ],
)
def test_a_driver_that_dies_is_continued_to_the_same_verdicts(
    home, swept, monkeypatch, pruner, changes, where, moment
):
    import optuna

    undisturbed = swept(pruner, **changes)
    owner, name = {
        "report": (optuna.storages.RDBStorage, "set_trial_intermediate_value"),
        "attr": (optuna.storages.RDBStorage, "set_trial_user_attr"),
        "record": (Ledger, "record"),
    }[where]
    write, calls = getattr(owner, name), count(1)

    def dying(*args, **named):
        found = write(*args, **named)
        if next(calls) == moment:
            raise Killed  # after the write: whoever comes next finds it
        return found

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, dying)
        with pytest.raises(Killed):
            run(undisturbed.study, home)
    assert ends(run(undisturbed.study, home)[0]) == ends(undisturbed.trials)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 4])
def test_a_driver_that_dies_as_optuna_notes_a_rung_prunes_the_same(
    home, swept, monkeypatch, moment
):
    """Optuna takes a rung that it finds noted as one that was passed."""
    import optuna

    undisturbed = swept("hyperband", **HYPERBAND)
    note, calls = optuna.storages.RDBStorage.set_trial_system_attr, count(1)

    def dying(storage, trial, key, value):
        note(storage, trial, key, value)
        if key.startswith("completed_rung") and next(calls) == moment:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(optuna.storages.RDBStorage, "set_trial_system_attr", dying)
        with pytest.raises(Killed):
            run(undisturbed.study, home)
    assert ends(run(undisturbed.study, home)[0]) == ends(undisturbed.trials)


@PRUNERS
def test_what_is_told_again_is_what_was_told_and_nothing_is_computed(swept, pruner, changes):
    done, again = swept(pruner, **changes), []
    with Ledger(done.home.ledger_url) as ledger:
        worker = Worker(open_gym(done.study.gym), done.study.backbone, done.home, "cpu")
        lab = Lab(worker, ledger)
        told = replay(plan(done.study, worker), lab, done.home, on_trial=again.append)
        assert told == done.trials
        assert lab.computed == 0
    assert [r.trial for r in again] == [r.trial for r in done.records]
    assert [[j.cell for j in r.evaluated] for r in again] == [
        [j.cell for j in r.evaluated] for r in done.records
    ]


def test_optuna_holds_state_step_reason_and_reports(swept):
    import optuna

    done = swept("hyperband", **HYPERBAND)
    home, trials = done.home, done.trials
    stored = optuna.load_study(study_name="small", storage=home.studies_url).trials
    for trial, frozen in zip(trials, stored, strict=True):
        if trial.state == "pruned":
            assert frozen.state.name == "PRUNED"
            assert frozen.user_attrs["step"] == trial.step == max(frozen.intermediate_values)
            assert frozen.user_attrs["reason"] == trial.reason
            assert frozen.user_attrs["end"] == "pruned"
    assert Search.load(home, "small").trials == trials


def test_a_trial_that_diverges_on_its_way_is_told_as_diverged(study, home, monkeypatch):
    from mpt.engine import train

    step = train.train

    def exploding(runs, state, gradient, **rest):
        def blown(at):
            found = gradient(at)
            for row, run in enumerate(at.runs):
                if runs[run].rate == RATES[-1] and at.position[row] >= 1:
                    found.losses[row] = float("nan")
            return found

        return step(runs, state, blown, **rest)

    monkeypatch.setattr(train, "train", exploding)
    trials, _ = run(study(**HYPERBAND), home)
    (lost,) = (trial for trial in trials if trial.params["outer_lr"] == RATES[-1])
    # brackets look first after 1, 3 or 9 steps; this one was well after the first
    assert lost.state == "diverged"
    assert lost.step == 2
    assert "diverged at step 2" in lost.reason
