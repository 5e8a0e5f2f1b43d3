"""Comparisons of built tasks with official files: what must match, what cannot, what is short."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from synthetic_rows import HeldRows, splits_of, synthetic

from mpt.errors import DataError
from mpt.gym.build.catalogue import card
from mpt.gym.build.checksums import RECORD, file_md5
from mpt.gym.build.task import BuildPlan, build_task
from mpt.gym.build.verify import verify, verify_task


def built(folder: Path, task: str, shots=None) -> Path:
    """A task built from made-up rows, which never has the official MD5s."""
    one = card(task)
    source = synthetic(one, dict.fromkeys(splits_of(one), 90), seed=3)
    build_task(one, BuildPlan(source, folder, shots))
    return folder / task


def test_official_files_match(shared):
    comparisons = list(verify(shared / "gym" / "tsv"))
    assert len(comparisons) >= 43
    assert {(one.state, one.matching, one.files) for one in comparisons} == {("matches", 15, 15)}


def test_a_changed_file_fails_its_task(shared, tmp_path):
    shutil.copytree(shared / "gym" / "tsv" / "glue-rte", tmp_path / "glue-rte")
    path = tmp_path / "glue-rte" / "glue-rte_16_13_dev.tsv"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x\ty\n")
    (comparison,) = verify(tmp_path)
    assert (comparison.state, comparison.matching) == ("differs", 14)
    assert "glue-rte_16_13_dev.tsv" in comparison.note


def test_missing_files_are_named(tmp_path):
    home = built(tmp_path, "imdb")
    (home / RECORD).unlink()
    (home / "imdb_16_100_dev.tsv").unlink()
    (comparison,) = verify(tmp_path)
    assert (comparison.state, comparison.matching, comparison.files) == ("incomplete", 0, 15)
    assert comparison.note.startswith("1 files are missing, imdb_16_100_dev.tsv first")


def test_short_sources_are_told(tmp_path):
    comparison = verify_task(card("imdb"), built(tmp_path, "imdb"))
    assert comparison.state == "short"
    assert "train rows are short: 90 instead of 25,000" in comparison.note
    assert comparison.note.endswith("; 0 of 5 test files match")


def test_tasks_that_cannot_match_are_excused_or_compared_by_content(tmp_path):
    rows = [{"input": f"q{row}", "output": [{"answer": "b"}, {"answer": "a"}]} for row in range(90)]
    source = HeldRows({"train": rows, "validation": rows[:9]})
    for place in ("ours", "theirs"):
        build_task(card("kilt_nq"), BuildPlan(source, tmp_path / place))
        (tmp_path / place / "kilt_nq" / RECORD).unlink()
    for path in (tmp_path / "theirs" / "kilt_nq").glob("*.tsv"):
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        path.write_text("".join(f"{text}\t{b}\t{a}\n" for text, a, b in lines))
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    (alone,) = verify(ours)
    assert alone.state == "excused"
    assert "set_order" in alone.note
    assert next(verify(ours, theirs)).state == "same content"
    path = theirs / "kilt_nq" / "kilt_nq_32_13_test.tsv"
    path.write_text(path.read_text().replace("q3", "other"))
    assert next(verify(ours, theirs)).state == "differs"


def test_single_answers_are_no_excuse(tmp_path):
    rows = [{"input": f"q{row}", "output": [{"answer": "b"}]} for row in range(90)]
    build_task(card("kilt_nq"), BuildPlan(HeldRows({"train": rows, "validation": rows}), tmp_path))
    (tmp_path / "kilt_nq" / RECORD).unlink()
    (comparison,) = verify(tmp_path)
    assert comparison.state == "differs"
    assert "has no line with several answers" in comparison.note


def test_order_dependent_tasks_are_excused_with_the_reason(tmp_path):
    home = built(tmp_path, "xsum")
    (home / RECORD).unlink()
    comparison = verify_task(card("xsum"), home)
    assert comparison.state == "excused"
    assert "XSum-TRAINING-DEV-TEST-SPLIT" in comparison.note


def test_other_shots_are_judged_by_the_builders_record(tmp_path):
    home = built(tmp_path, "imdb", 4)
    comparison = verify_task(card("imdb"), home)
    assert (comparison.state, comparison.files) == ("unofficial", 15)
    path = home / "imdb_4_13_dev.tsv"
    assert len(file_md5(path)) == 32
    path.write_text("x\ty\n")
    assert verify_task(card("imdb"), home).state == "differs"


def test_folders_without_tasks_are_refused(tmp_path):
    with pytest.raises(
        DataError, match="is not a folder; give the one that `mpt gym build --out` made"
    ):
        list(verify(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no CrossFit task"):
        list(verify(tmp_path))
