"""Presets: what their files say, what they resolve to, and every miniature run at a tiny scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tiers import few_in_ci

from mpt.compute.worker import Worker
from mpt.errors import ConfigError, UnknownName
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.source import open_gym
from mpt.lab.preset_runs import answer, answer_pairs, size
from mpt.lab.run import Lab
from mpt.report.preset_page import answer_findings, answer_grid
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.presets import miniature, preset_names, read_preset, rows

SWEEPS = Path(__file__).resolve().parent.parent.parent / "sweeps"
QUESTIONS = [name for name in preset_names() if name != "base"]
EACH_TIME = ("q1", "source-choice")
"""One whose rows are settings, and one that chooses its sources; the others run each night."""
FULL = [f"{name}.yaml" for name in QUESTIONS]
TINY = {
    "source_seeds": [13],
    "inner": {"steps": 1, "batch": 1},
    "outer": {"steps": 1, "episodes": 1, "batch": 1},
    # what is scored is not what is tested here
    "tuning": {"steps": 1, "batch": 1, "num_evals": 1, "dev_rows": 16, "test_rows": 16},
    "final": {
        "seeds": [13],
        "lrs": [0.5],
        "fine_tuning": {"lrs": [1e-4], "steps": 1, "num_evals": 1},
    },
    "validation": {"seeds": [13], "lrs": [0.5]},
}


def full(name, changes=None):
    """A full preset and its rows on the published settings."""
    preset = read_preset(SWEEPS / name, changes)
    return preset, rows(preset, crossfit_partitions(), crossfit_partitions())


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    """One home for all miniatures, so that they share what they have in common."""
    home = Home.find({"MPT_HOME": str(tmp_path_factory.mktemp("presets"))}).open()
    backbone = miniature("q2").base.backbone
    ledger = Ledger(home.ledger_url)
    yield Lab(Worker(open_gym(), backbone, home, "cpu"), ledger)
    ledger.close()


def run(name, lab):
    """The rows of a miniature at a tiny scale, and their promotions."""
    preset = miniature(name, TINY)
    asked = rows(preset, lab.worker.gym.partitions)
    found = []
    for row in asked:
        lab.worker = Worker(lab.worker.gym, row.entries[0].study.backbone, lab.worker.home, "cpu")
        found += answer([row], lab)
    return preset, asked, found


def test_every_question_is_there_in_miniature_and_in_full():
    assert [
        *("case-study", "q1", "q2", "q3", "q4", "sensitivity", "similarity", "source-choice")
    ] == QUESTIONS
    assert all((SWEEPS / name).is_file() for name in FULL)


@pytest.mark.parametrize("name", FULL)
def test_a_full_preset_resolves_on_the_published_settings(name):
    preset, asked = full(name)
    assert preset.title
    assert all(row.whole for row in asked)
    tasks = set(crossfit_partitions().settings["R->R"].sources)
    for setting in crossfit_partitions().settings.values():
        tasks |= {*setting.sources, *setting.targets}
    for row in asked:
        for entry in row.entries:
            assert entry.study.backbone.prompt_tokens >= 50
            assert entry.study.final.seeds == (13, 21, 42, 87, 100)
            assert entry.study.outer.lr in (0.2, 0.3, 0.5)
            if entry.study.method == "mtl":
                assert entry.epochs
    named = {task for pairs in preset.pairs.values() for pair in pairs for task in pair}
    assert named <= tasks


def test_table_1_is_what_question_1_runs():
    _, asked = full("q1.yaml")
    counts = {row.label: (len(row.setting.sources), len(row.setting.targets)) for row in asked}
    assert counts == {
        "R->R": (114, 20),
        "Cls->Cls": (45, 10),
        "Both->Cls": (45, 10),
        "Non-Cls->Cls": (45, 10),
        "Cls->Non-Cls": (45, 12),
        "Both->Non-Cls": (45, 12),
        "Non-Cls->Non-Cls": (45, 12),
        "QA->QA": (22, 15),
        "Non-QA->QA": (33, 15),
        "NP->P": (60, 4),
    }
    (setting,) = (row for row in asked if row.label == "Cls->Cls")
    assert [entry.study.method for entry in setting.entries] == ["maml", "fomaml", "reptile", "mtl"]
    maml, fomaml, reptile, mtl = (entry.study for entry in setting.entries)
    assert (maml.inner.lr, maml.inner.batch, maml.outer.lr, maml.outer.steps) == (
        3e-5,
        2,
        0.5,
        5000,
    )
    assert (fomaml.inner.batch, reptile.inner.batch, reptile.inner.steps) == (4, 4, 10)
    assert (mtl.outer.batch, mtl.outer.lr, setting.entries[3].epochs) == (4, 0.5, 20)
    # 10 targets x 5 seeds x 4 rates, for two baselines and four prompts
    assert (size(setting).meta_trainings, size(setting).cells) == (4, 10 * 5 * 4 * 6)


def test_the_papers_values_are_those_of_its_tables(shared):
    import json

    tables = json.loads((shared / "reference" / "paper_tables.json").read_text())
    names = {"maml": "MAML", "fomaml": "FoMAML", "reptile": "Reptile", "mtl": "MTL"}
    names["ft"] = "Fine-tuning"
    papers = {
        name: {row.label: dict(row.variant.paper) for row in full(name)[1]}
        for name in FULL
        if name != "similarity.yaml"
    }
    for label, paper in papers["q1.yaml"].items():
        for method, value in paper.items():
            assert value == tables["table2_arg"][names[method]][label]["arg"]
        assert len(paper) == 5
    for label, paper in papers["q4.yaml"].items():
        assert paper == {
            key: tables["table5_backbones_np_p"][label][name] for key, name in names.items()
        }
    shots = {
        label.removeprefix("targets ").removesuffix(" shots"): paper
        for label, paper in papers["q2.yaml"].items()
        if paper
    }
    table3 = tables["table3_target_shots_cls_cls"]
    assert shots == {
        k: {"maml": table3["MAML"][k], "mtl": table3["MTL"][k]} for k in table3["MAML"]
    }
    counts = tables["table4_source_tasks_cls_cls_maml"]
    assert {k: {"maml": v} for k, v in counts.items()} == {
        label.split()[0]: paper
        for label, paper in papers["q3.yaml"].items()
        if label.endswith("source tasks")
    }
    for label, paper in papers["case-study.yaml"].items():
        task, setting = label.split()
        assert [paper["MPT"], paper["mtl"]] == tables["table6_case_study_rg"][task][setting]
    for label, paper in papers["source-choice.yaml"].items():
        task, choice = label.split()
        assert paper["MPT"] == tables["table8_source_choice_rg"][task][choice]
    search = tables["appendix_a5_search"]
    for label in ("best", "worst"):
        assert papers["sensitivity.yaml"][label]["maml"] == search[label]["validation_arg"]


def test_question_2_varies_one_side_at_a_time():
    _, asked = full("q2.yaml")
    shots = {
        row.label: (row.entries[0].study.source_shots, row.entries[0].study.target_shots)
        for row in asked
    }
    assert shots["16 shots"] == (None, None)
    assert shots["targets 64 shots"] == (None, 64)
    assert shots["targets all"] == (None, "all")
    assert shots["sources all"] == ("all", None)
    epochs = {row.label: row.entries[1].epochs for row in asked}
    assert (epochs["16 shots"], epochs["sources 128 shots"]) == (20, 3)


def test_question_3_has_the_papers_numbers_of_source_tasks():
    _, asked = full("q3.yaml")
    sources = {row.label: set(row.setting.sources) for row in asked}
    counted = [sources[f"{count} source tasks"] for count in (12, 24, 45)]
    assert [len(some) for some in counted] == [12, 24, 45]
    assert counted[0] < counted[1] < counted[2] == sources["Cls->Cls"]


def test_question_4_is_np_to_p_on_five_backbones():
    _, asked = full("q4.yaml")
    assert {row.entries[0].study.backbone.name for row in asked} == {
        *("google/t5-base-lm-adapt", "google/t5-large-lm-adapt", "google/t5-xl-lm-adapt"),
        *("facebook/bart-large", "openai-community/gpt2-large"),
    }
    assert {row.setting.targets for row in asked} == {
        ("glue-mrpc", "glue-qqp", "medical_questions_pairs", "paws")
    }


def test_sensitivity_is_judged_on_the_validation_tasks():
    _, asked = full("sensitivity.yaml")
    assert {row.setting.targets for row in asked} == {crossfit_partitions().validation}
    by_label = {row.label: row.entries[0].study for row in asked}
    worst = by_label["worst"]
    assert (worst.inner.lr, worst.outer.lr, worst.outer.steps) == (5e-5, 0.2, 2500)
    assert (by_label["best"].inner.batch, by_label["inner rate 2e-5"].outer.steps) == (2, 5000)
    assert by_label["prompt of 200"].backbone.prompt_tokens == 200
    assert by_label["Reptile 6 inner steps"].method == "reptile"


def test_a_folder_that_lacks_tasks_does_not_show_the_papers_value():
    from dataclasses import replace

    published = crossfit_partitions()
    smaller = replace(published.settings["NP->P"], sources=published.settings["NP->P"].sources[1:])
    held = replace(published, settings={**published.settings, "NP->P": smaller})
    preset = read_preset(SWEEPS / "q4.yaml")
    grid = answer_grid(rows(preset, held, published), [])
    assert not any("paper" in name for name in grid.header)
    assert any("paper" in name for name in answer_grid(full("q4.yaml")[1], []).header)


WRONG = {
    "an unknown key": (
        {"variants": {"a": {"target_shot": 3}}},
        "variant 'a': unknown key 'target_shot' - did you mean 'target_shots'?",
    ),
    "an unknown key of the preset": ({"variant": {}}, "unknown key 'variant' - did you mean"),
    "an unknown method": ({"methods": ["mamls"]}, "'methods.0' is 'mamls'.* - did you mean 'maml'"),
    "a study": ({"variants": None}, "is no preset: it has neither 'variants' nor 'pairs'"),
    "both": ({"pairs": {"a": [["x", "y"]]}}, "give either 'variants' or 'pairs'"),
    "no one to be like": (
        {"variants": {"a": {"choose": {"take": "highest", "count": 2}}}},
        "'choose' needs one target task for the similarity",
    ),
    "another choice": (
        {"variants": {"a": {"targets": ["x"], "choose": {"take": "hihgest", "count": 2}}}},
        "did you mean 'highest'",
    ),
    "a base elsewhere": ({"extends": "../base.yaml"}, "give the name of a file beside it"),
    "no base": ({"extends": "nothing.yaml"}, "nothing.yaml cannot be read"),
    "odd epochs": ({"recipes": {"maml": {"epochs": "many"}}}, "'epochs' is 'many'; give a whole"),
    "a setting": ({"variants": {"a": {"setting": "Cls->Clz"}}}, "did you mean 'Cls->Cls'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_faults_are_told_with_what_to_do(case, tmp_path):
    changes, message = WRONG[case]
    given = {"name": "p", "title": "t", "methods": ["maml"], "variants": {"a": {}}, **changes}
    if given["variants"] is None:
        del given["variants"]
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(given))
    with pytest.raises((ConfigError, UnknownName), match=message):
        rows(read_preset(path), crossfit_partitions())


def test_an_unknown_miniature_is_told_its_neighbour():
    with pytest.raises(UnknownName, match="unknown preset 'q11' - did you mean 'q1'"):
        miniature("q11")
    with pytest.raises(UnknownName):
        miniature("base")


def test_steps_are_counted_from_epochs(lab):
    from mpt.lab.preset_runs import _paced
    from mpt.study.presets import PresetEntry

    study = miniature("q2").base
    study = study.model_copy(update={"source_seeds": (13, 21)})
    (row, *_) = rows(miniature("q2"), lab.worker.gym.partitions)
    per_task = [len(open_gym().split(task, 13).train) for task in row.setting.sources]
    paced = _paced(PresetEntry(study, epochs=3), row.setting, lab.worker)
    each = study.outer.episodes * study.outer.batch
    assert paced.outer.steps == -(-3 * 2 * 2 * sum(per_task) // each)
    assert paced.outer.lr == study.outer.lr


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", few_in_ci([name for name in QUESTIONS if name != "similarity"], *EACH_TIME)
)
def test_a_miniature_runs_and_computes_nothing_twice(name, lab):
    preset, asked, found = run(name, lab)
    gains = [gain for promotion in found for gain in promotion.gains]
    wanted = {(row.label, entry.study.method) for row in asked for entry in row.entries}
    assert wanted <= {(gain.setting, gain.method) for gain in gains}
    for row, promotion in zip(asked, found, strict=True):
        assert {gain.tasks for gain in promotion.gains} == {row.setting.targets}
        if row.variant.choose:
            (source,) = {meta_run.config.sources for meta_run in promotion.meta_runs}
            assert len(source) == row.variant.choose.count
    findings = answer_findings(preset, asked, found, "mpt campaign")
    assert [line[0] for line in answer_grid(asked, findings.gains).rows] == [r.label for r in asked]
    before = lab.computed
    again = [gain for promotion in run(name, lab)[2] for gain in promotion.gains]
    assert [gain.arg for gain in again] == pytest.approx([g.arg for g in gains], nan_ok=True)
    assert lab.computed == before


@pytest.mark.slow
def test_similarity_runs_in_miniature(lab):
    preset = miniature("similarity", TINY)
    pairs = answer_pairs(preset, lab)
    assert [pair.group for pair in pairs] == ["similar"] * 5 + ["dissimilar"] * 5
    assert all(0 < (pair.value or 0) <= 1 for pair in pairs)


def test_keys_of_version_0_1_are_read_in_every_part_of_a_preset(tmp_path, caplog):
    (tmp_path / "base.yaml").write_text(
        "{name: old, title: t, methods: [mtl], study: {tuning: {looks: 3, beams: 2}}}"
    )
    (tmp_path / "old.yaml").write_text(
        "extends: base.yaml\n"
        "recipes: {mtl: {epochs: 2, tuning: {num_beams: 3}}}\n"
        "variants: {a: {tuning: {looks: 5}}, b: {}}\n"
    )
    preset = read_preset(tmp_path / "old.yaml")
    a, b = rows(preset, open_gym().partitions)
    told = [
        (row.entries[0].study.tuning.num_evals, row.entries[0].study.tuning.num_beams)
        for row in (a, b)
    ]
    assert told == [(5, 3), (3, 3)]
    assert [note.split(": ")[2] for note in caplog.messages] == ["variants.a", "study"]
