"""`mpt gym` from the outside: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mpt.commands.tasks.gym import app
from mpt.errors import DataError, UnknownName
from mpt.gym.build.catalogue import cards

SIZES = {
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


def mpt_gym(*words: str):
    return CliRunner().invoke(app, list(words))


def test_every_command_has_help_with_an_example():
    for name in ("list", "show", "build", "verify", "mirror", "page"):
        shown = mpt_gym(name, "--help")
        assert shown.exit_code == 0
        assert f"Example: mpt gym {name}" in " ".join(shown.stdout.split())


def test_list_has_160_tasks_with_their_roles():
    tasks = json.loads(mpt_gym("list", "--json").stdout)
    assert len(tasks) == 160
    for task in tasks:
        assert task["family"]
        assert task["metric"]
        assert task["k"] in (16, 32)
        assert task["source"]
    for name, sizes in SIZES.items():
        found = tuple(
            sum(f"{name} {side}" in task["roles"] for task in tasks)
            for side in ("source", "target")
        )
        assert found == sizes, name


def test_list_can_be_narrowed_and_read():
    lines = mpt_gym("list", "--family", "qa").stdout.strip().split("\n")
    count = sum(card.family == "qa" for card in cards().values())
    assert lines[0].split() == ["task", "metric", "k", "roles"]
    assert lines[1] == f"qa: {count} tasks"
    assert len(lines) == count + 4
    every = mpt_gym("list").stdout.split("\n")
    assert sum(line.startswith("  ") for line in every[1:]) == 160
    assert sum(len(line) > 80 for line in every) <= 1
    wrong = mpt_gym("list", "--family", "q")
    assert isinstance(wrong.exception, UnknownName)
    assert str(wrong.exception).startswith("unknown family 'q'")


def test_show_tells_the_card_and_the_roles():
    shown = mpt_gym("show", "superglue-rte").stdout
    assert "super_glue/rte (aps/super_glue)" in shown
    assert "R->R target" in shown
    assert "rows in 2021    train 2,490, validation 277" in shown
    assert json.loads(mpt_gym("show", "superglue-rte", "--json").stdout)["k"] == 16
    assert isinstance(mpt_gym("show", "superglue-rt").exception, UnknownName)


def test_show_with_a_gym_adds_sizes_labels_and_examples(shared):
    shown = mpt_gym("show", "glue-rte", "--gym", str(shared / "gym" / "tsv")).stdout
    assert "test size       277" in shown
    assert "labels          entailment, not_entailment" in shown
    assert "train example" in shown


@pytest.fixture
def small_mirror(shared, tmp_path) -> Path:
    """Two data sets of the mirror, one of which lacks its test split."""
    for name in ("crows_pairs", "poem_sentiment"):
        shutil.copytree(shared / "gym" / "mirror" / name, tmp_path / "mirror" / name)
    (tmp_path / "mirror" / "poem_sentiment" / "default").chmod(0o755)
    (tmp_path / "mirror" / "poem_sentiment" / "default" / "validation.parquet").unlink()
    return tmp_path / "mirror"


def test_build_and_verify(small_mirror, tmp_path):
    words = ("build", "--mirror", str(small_mirror), "--out", str(tmp_path / "out"), "--jobs", "1")
    first = mpt_gym(*words)
    assert first.exit_code == 0, first.output
    assert "1 tasks in" in first.stdout
    assert "1 of them have all 15 official MD5s" in first.stdout
    assert "159 of the 160 tasks have no test rows in mirror" in first.stdout
    assert "1 kept" in mpt_gym(*words).stdout
    verified = mpt_gym("verify", str(tmp_path / "out"))
    assert verified.exit_code == 0
    assert "crows_pairs" in verified.stdout
    (verdict,) = json.loads(mpt_gym("verify", str(tmp_path / "out"), "--json").stdout)
    assert (verdict["state"], verdict["matching"]) == ("matches", 15)
    changed = tmp_path / "out" / "crows_pairs" / "crows_pairs_16_13_dev.tsv"
    changed.write_bytes(changed.read_bytes() + b"x\ty\n")
    assert mpt_gym("verify", str(tmp_path / "out")).exit_code == 1


def test_a_task_that_fails_is_told_and_stops_no_other(small_mirror, tmp_path):
    words = ("--mirror", str(small_mirror), "--out", str(tmp_path / "out"), "--jobs", "1")
    built = mpt_gym("build", "poem_sentiment", "crows_pairs", *words)
    assert built.exit_code == 1
    assert "1 built, 1 failed" in built.stdout
    assert "failed  poem_sentiment: the source has no split 'validation'" in built.stdout
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["crows_pairs"]
    states = json.loads(mpt_gym("build", "poem_sentiment", *words, "--json").stdout)
    assert states[0]["state"] == "failed"


def test_wrong_input_is_one_error_and_writes_nothing(tmp_path):
    out = tmp_path / "out"
    missing = mpt_gym("build", "--mirror", str(tmp_path / "nowhere"), "--out", str(out))
    assert isinstance(missing.exception, DataError)
    (tmp_path / "mirror" / "x").mkdir(parents=True)
    unknown = mpt_gym("build", "glue", "--mirror", str(tmp_path / "mirror"), "--out", str(out))
    assert isinstance(unknown.exception, UnknownName)
    assert unknown.exception.exit_code == 2
    assert not out.exists()


def test_a_mirror_of_an_unknown_task_is_refused_before_any_network(tmp_path):
    found = mpt_gym("mirror", "--out", str(tmp_path / "m"), "--tasks", "boolq, glue-mrcp")
    assert isinstance(found.exception, UnknownName)
    assert "unknown task 'glue-mrcp' - did you mean 'glue-mrpc'" in str(found.exception)
    assert not (tmp_path / "m").exists()


def test_the_embedded_gym_is_listed_and_shown_without_a_folder():
    from mpt.gym.source import open_gym

    tasks = open_gym().tasks
    listed = json.loads(mpt_gym("list", "--gym", "mini", "--json").stdout)
    assert [one["task"] for one in listed] == list(tasks)
    shown = mpt_gym("show", tasks[0]).stdout
    assert f"mini/{tasks[0]}" in shown
    assert "train example" in shown
