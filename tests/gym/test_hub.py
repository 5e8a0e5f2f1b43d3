"""The Hub and the mirror, with ``datasets`` answering from memory."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import URLError

import pytest

from mpt.errors import DataError
from mpt.gym.build import hub_rows as hub
from mpt.gym.build.catalogue import card
from mpt.gym.build.hub_rows import HubRows, load_split
from mpt.gym.build.mirror import mirror, wanted_splits
from mpt.gym.build.rows import MirrorRows
from mpt.gym.build.task import BuildPlan, build_task

CONVERTED = "hf://datasets/{}@refs%2Fconvert%2Fparquet/"


@pytest.fixture
def answers(monkeypatch):
    """The fake Hub: repository (or glob) -> split -> Dataset; calls are noted."""
    import datasets

    known: dict[str, dict] = {}
    calls: list[str] = []

    def names(path, config, revision=None):
        calls.append(path)
        if path not in known:
            raise RuntimeError("Dataset scripts are no longer supported, but found boolq.py")
        return list(known[path])

    def load(path, config=None, *, split, revision=None, data_files=None):
        place = data_files[split] if data_files else path
        calls.append(place)
        if place not in known:
            raise FileNotFoundError(f"no files at {place}")
        return known[place][split]

    monkeypatch.setattr(datasets, "get_dataset_split_names", names)
    monkeypatch.setattr(datasets, "load_dataset", load)
    return known, calls


def boolq(rows: int):
    from datasets import Dataset

    return Dataset.from_dict(
        {
            "question": [f"q {row}" for row in range(rows)],
            "passage": [f"p {row}" for row in range(rows)],
            "answer": [row % 3 == 0 for row in range(rows)],
        }
    )


def test_rows_come_from_the_default_branch(answers, tmp_path):
    known, _ = answers
    known["google/boolq"] = {"train": boolq(90), "validation": boolq(12)}
    outcome = build_task(card("boolq"), BuildPlan(HubRows(), tmp_path / "hub"))
    assert (outcome.state, outcome.files) == ("short", 15)
    assert outcome.note.startswith("validation rows are short: 12 instead of 3,270")


def test_old_scripts_come_from_the_converted_branch(answers):
    known, calls = answers
    known[CONVERTED.format("google/boolq") + "*/train/*.parquet"] = {"train": boolq(5)}
    data = load_split(card("boolq").source, "train")
    assert data is not None
    assert len(data) == 5
    assert calls[-1].startswith("hf://datasets/google/boolq@refs%2Fconvert%2Fparquet/")
    known[CONVERTED.format("aps/super_glue") + "rte/train/*.parquet"] = {"train": boolq(4)}
    assert len(load_split(card("superglue-rte").source, "train") or ()) == 4
    assert "aps/super_glue" not in calls


def test_a_missing_split_is_none_and_a_missing_place_says_why(answers):
    known, _ = answers
    known["google/boolq"] = {"train": boolq(3)}
    assert load_split(card("boolq").source, "validation") is None
    with pytest.raises(
        DataError, match=r"nyu-mll/glue \(rte, train\) cannot .*no longer supported"
    ):
        load_split(card("glue-rte").source, "train")
    with pytest.raises(
        DataError, match="no Hub repository is known for the data set 'freebase_qa'"
    ):
        load_split(card("freebase_qa").source, "train")
    with pytest.raises(DataError, match=r"A converted, unchecked copy: tasksource/trec\."):
        load_split(card("trec").source, "train")


def test_the_newer_layout_of_trec_gives_the_same_lines(answers, tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    known, _ = answers
    newer = card("trec").source.alternate_layout
    assert newer is not None
    features = Features(
        {"text": Value("string"), "coarse_label": ClassLabel(names=list(newer.class_names))}
    )
    rows = {
        "text": [f"t {row}" for row in range(60)],
        "coarse_label": [row % 6 for row in range(60)],
    }
    place = CONVERTED.format("CogComp/trec") + "*/train/*.parquet"
    known[place] = {"train": Dataset.from_dict(rows, features=features)}
    build_task(card("trec"), BuildPlan(HubRows(), tmp_path))
    lines = (tmp_path / "trec" / "trec_16_13_test.tsv").read_text().splitlines()
    for line in lines:
        text, label = line.split("\t")
        assert label == newer.name_to_text[newer.class_names[int(text[2:]) % 6]]


def test_a_mirror_builds_what_the_hub_builds(answers, tmp_path, monkeypatch):
    known, calls = answers
    known["google/boolq"] = {"train": boolq(90), "validation": boolq(12)}
    proto = [{"question": {"normalized": "n"}, "answers": {"raw": {"b": 1, "a": 2}}}] * 90
    raw = "".join(json.dumps(row) + "\n" for row in proto).encode()
    monkeypatch.setattr("mpt.gym.build.mirror.download", lambda url: raw)
    monkeypatch.setattr(hub, "download", lambda url: raw)
    chosen = [card("boolq"), card("proto_qa")]
    out = tmp_path / "mirror"
    states = {copied.data: copied.state for copied in mirror(chosen, out)}
    assert states == {
        "boolq/default/train": "copied",
        "boolq/default/validation": "copied",
        "proto_qa/default/train": "copied",
    }
    before = len(calls)
    assert {copied.state for copied in mirror(chosen, out)} == {"kept"}
    assert len(calls) == before
    for one in chosen:
        build_task(one, BuildPlan(HubRows(), tmp_path / "a"))
        build_task(one, BuildPlan(MirrorRows(out), tmp_path / "b"))
        for path in (tmp_path / "a" / one.task).glob("*.tsv"):
            assert path.read_bytes() == (tmp_path / "b" / one.task / path.name).read_bytes()
    assert b"\tb\ta\n" in (tmp_path / "a" / "proto_qa" / "proto_qa_32_13_test.tsv").read_bytes()


def test_a_mirror_goes_on_past_a_failure_and_keeps_no_half_file(answers, tmp_path):
    known, _ = answers
    known["google/boolq"] = {"train": boolq(3)}
    copies = {copied.data: copied for copied in mirror([card("boolq"), card("imdb")], tmp_path)}
    assert copies["boolq/default/train"].state == "copied"
    assert copies["boolq/default/validation"].state == "absent"
    assert copies["imdb/default/train"].state == "failed"
    assert "cannot be loaded from the Hub" in copies["imdb/default/train"].note
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["train.parquet"]


def test_shared_splits_are_copied_once():
    chosen = [card("quartz-with_knowledge"), card("quartz-no_knowledge"), card("ethos-race")]
    assert [split for _, split in wanted_splits(chosen)] == ["train", "validation", "train"]


def test_an_unreachable_hub_is_told_at_once(monkeypatch):
    def closed(*given, **named):
        raise URLError("Name or service not known")

    monkeypatch.setattr(hub, "urlopen", closed)
    with pytest.raises(
        DataError, match=r"does not answer .*check the network, build from `--mirror"
    ):
        HubRows().reach()
    with pytest.raises(DataError, match=r"train.jsonl cannot be downloaded \(URLError"):
        hub.download("https://example.org/train.jsonl")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    HubRows().reach()


def test_json_lines_that_are_not_name_the_line(tmp_path: Path):
    home = tmp_path / "proto_qa" / "default"
    home.mkdir(parents=True)
    good = '{"question": {"normalized": "n"}, "answers": {"raw": {"a": 1}}}\n'
    (home / "train.jsonl").write_text(good + "{half\n")
    outcome = build_task(card("proto_qa"), BuildPlan(MirrorRows(tmp_path), tmp_path / "out"))
    assert outcome.state == "failed"
    assert "train.jsonl:2: not JSON" in outcome.note
