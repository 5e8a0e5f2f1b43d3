"""Sweeps with a pruner: real meta-trainings, real Optuna, and tuning whose scores can be foreseen.

What a cell scores is a function of its task, seed and the outer rate of the prompt it starts from,
so that it is known by hand which trials are pruned, and when.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

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
from mpt.search.search import Search
from mpt.store.artefacts import load_prompt
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.unit import Unit
from mpt.study.study_file import read_study

RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SEEDS = (13, 21, 42, 87)
LEVEL = {"trec": 0.4, "liar": 0.5}
"""Plain prompt tuning's score by task."""
HYPERBAND = {"pruner": {"kind": "hyperband", "min_resource": 1}, "outer": {"steps": 9}}


class Killed(Exception):
    """The driver dies here."""


@pytest.fixture
def study(tmp_path):
    def make(**changes):
        file = study_file(
            tmp_path / "study.yaml",
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
def new_home(tmp_path):
    names = count()
    return lambda: Home.find({"MPT_HOME": str(tmp_path / f"home{next(names)}")}).open()


@pytest.fixture
def tuned(monkeypatch):
    """Every cell that was tuned, in order."""
    rates, cells = {VOCABULARY: 0.0}, []
    learn = Worker.learn

    def noting(worker, configs, on_step):
        rates.update({config.digest: config.outer.lr for config in configs})
        return learn(worker, configs, on_step)

    def tune(worker, configs, on_step):
        cells.extend(configs)
        return [foreseen(config, rates[config.start]) for config in configs]

    monkeypatch.setattr(Worker, "learn", noting)
    monkeypatch.setattr(Worker, "tune", tune)
    return cells


def foreseen(cell, rate):
    """A tenth of the rate above plain prompt tuning, and the same luck for all on a data seed."""
    score = LEVEL[cell.task] + 0.1 * rate + 0.01 * SEEDS.index(cell.data_seed)
    result = {"dev": score, "test": score, "best_step": 1, "looks": [[1, score]], "curve": [1.0]}
    config = cell.model_dump(mode="json")
    return Unit(cell.digest, "cell", config, "done", result, None, 0.0, datetime.now(UTC))


def run(study, home):
    """The trials of a sweep, and its records."""
    records = []
    with Ledger(home.ledger_url) as ledger:
        worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
        lab = Lab(worker, ledger)
        trials = sweep(plan(study, worker), lab, home, on_trial=records.append)
    return trials, records


def ends(trials):
    return [(t.number, t.params, t.state, t.digest, t.arg, t.step, t.reason) for t in trials]


def test_wilcoxon_prunes_what_is_below_the_best_of_earlier_rounds(study, new_home, tuned):
    trials, records = run(study(pruner="wilcoxon"), new_home())
    best = 0.0
    for trial, record in zip(trials, records, strict=True):
        rate = trial.params["outer_lr"]
        if trial.number % 2 == 0:  # a new round knows of the trials before it
            best = max((t.params["outer_lr"] for t in trials[: trial.number]), default=0.0)
        own = [j for j in record.judged if j.cell.start != VOCABULARY]
        if rate < best:
            # two pairs cannot give p < 0.1, four below the best have p = 1/16
            assert (trial.state, trial.step, trial.arg) == ("pruned", 4, None)
            assert "pruned after 4 scores: below trial" in trial.reason
            assert "Wilcoxon, p < 0.1" in trial.reason
            assert {j.cell.data_seed for j in own} == {13, 21}
        else:
            assert (trial.state, trial.step) == ("complete", None)
            assert {j.cell.data_seed for j in own} == set(SEEDS)
    states = [trial.state for trial in trials]
    assert {"pruned", "complete"} == set(states)
    assert len(tuned) == 8 + 8 * states.count("complete") + 4 * states.count("pruned")


def test_without_rivals_nothing_is_pruned(study, new_home, tuned):
    trials, _ = run(study(pruner="wilcoxon", round=8), new_home())
    assert {trial.state for trial in trials} == {"complete"}


def test_hyperband_goes_on_with_the_better_ones_at_each_rung(study, new_home, tuned):
    chosen = study(**HYPERBAND)
    trials, _ = run(chosen, new_home())
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


def test_what_survives_hyperband_is_what_an_unpruned_sweep_learns_bit_for_bit(
    study, new_home, tuned
):
    pruned_home, whole_home = new_home(), new_home()
    _, pruned = run(study(**HYPERBAND), pruned_home)
    _, whole = run(study(outer={"steps": 9}), whole_home)
    survivors = 0
    for one, other in zip(pruned, whole, strict=True):
        if one.trial.state == "complete":
            survivors += 1
            assert one.trial == other.trial
            assert one.unit.result["curve"] == other.unit.result["curve"]
            ours = load_prompt(pruned_home, str(one.unit.artefact))
            assert torch.equal(ours, load_prompt(whole_home, str(other.unit.artefact)))
        else:
            step = one.trial.step
            assert one.unit.result["curve"] == other.unit.result["curve"][:step]
    assert 0 < survivors < len(RATES)
    assert not list(Checkpoints(pruned_home.checkpoints).folder.glob("*"))


UNDISTURBED: dict[str, list] = {}
"""How a sweep ends by its pruner, found once: it is the same for every test."""

PRUNERS = pytest.mark.parametrize(
    "changes", [{"pruner": "wilcoxon"}, HYPERBAND], ids=["wilcoxon", "hyperband"]
)


@PRUNERS
def test_packing_does_not_change_who_is_pruned(study, new_home, tuned, changes):
    alone, _ = run(study(**changes), new_home())
    together, _ = run(study(**changes, pack=2), new_home())
    # ARGs too: scores are foreseen, so that no rounding enters
    assert ends(together) == ends(alone)


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
    study, new_home, tuned, monkeypatch, changes, where, moment
):
    import optuna

    chosen = study(**changes)
    kind = chosen.pruner.kind
    if kind not in UNDISTURBED:
        UNDISTURBED[kind] = ends(run(chosen, new_home())[0])
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

    home = new_home()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying)
        with pytest.raises(Killed):
            run(chosen, home)
    assert ends(run(chosen, home)[0]) == UNDISTURBED[kind]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 4])
def test_a_driver_that_dies_as_optuna_notes_a_rung_prunes_the_same(
    study, new_home, tuned, monkeypatch, moment
):
    """Optuna takes a rung that it finds noted as one that was passed."""
    import optuna

    chosen, home = study(**HYPERBAND), new_home()
    if "hyperband" not in UNDISTURBED:
        UNDISTURBED["hyperband"] = ends(run(chosen, new_home())[0])
    note, calls = optuna.storages.RDBStorage.set_trial_system_attr, count(1)

    def dying(storage, trial, key, value):
        note(storage, trial, key, value)
        if key.startswith("completed_rung") and next(calls) == moment:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(optuna.storages.RDBStorage, "set_trial_system_attr", dying)
        with pytest.raises(Killed):
            run(chosen, home)
    assert ends(run(chosen, home)[0]) == UNDISTURBED["hyperband"]


@PRUNERS
def test_what_is_told_again_is_what_was_told_and_nothing_is_computed(
    study, new_home, tuned, changes
):
    home, chosen, again = new_home(), study(**changes), []
    trials, records = run(chosen, home)
    with Ledger(home.ledger_url) as ledger:
        worker = Worker(open_gym(chosen.gym), chosen.backbone, home, "cpu")
        lab = Lab(worker, ledger)
        assert replay(plan(chosen, worker), lab, home, on_trial=again.append) == trials
        assert lab.computed == 0
    assert [r.trial for r in again] == [r.trial for r in records]
    assert [[j.cell for j in r.judged] for r in again] == [
        [j.cell for j in r.judged] for r in records
    ]


def test_optuna_holds_state_step_reason_and_reports(study, new_home, tuned):
    import optuna

    home = new_home()
    trials, _ = run(study(**HYPERBAND), home)
    stored = optuna.load_study(study_name="small", storage=home.studies_url).trials
    for trial, frozen in zip(trials, stored, strict=True):
        if trial.state == "pruned":
            assert frozen.state.name == "PRUNED"
            assert frozen.user_attrs["step"] == trial.step == max(frozen.intermediate_values)
            assert frozen.user_attrs["reason"] == trial.reason
            assert frozen.user_attrs["end"] == "pruned"
    assert Search.load(home, "small").trials == trials


def test_a_trial_that_diverges_on_its_way_is_told_as_diverged(study, new_home, tuned, monkeypatch):
    from mpt.engine import train

    step = train.train

    def exploding(lanes, state, gradient, **rest):
        def blown(at):
            found = gradient(at)
            for row, lane in enumerate(at.lanes):
                if lanes[lane].rate == RATES[-1] and at.position[row] >= 1:
                    found.losses[row] = float("nan")
            return found

        return step(lanes, state, blown, **rest)

    monkeypatch.setattr(train, "train", exploding)
    trials, _ = run(study(**HYPERBAND), new_home())
    (lost,) = (trial for trial in trials if trial.params["outer_lr"] == RATES[-1])
    # brackets look first after 1, 3 or 9 steps; this one was well after the first
    assert lost.state == "diverged"
    assert lost.step == 2
    assert "diverged at step 2" in lost.reason
