"""The builder: official bytes, whole or nothing, resumable, one clear error per mishap."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpt.errors import ConfigError, DataError, StoreError, UnknownName
from mpt.gym.build import task as build
from mpt.gym.build.catalogue import card
from mpt.gym.build.checksums import file_md5, official_md5
from mpt.gym.build.many import build_many, chosen_cards, read_shots
from mpt.gym.build.rows import MirrorRows
from mpt.gym.build.task import BuildPlan, build_task
from mpt.gym.build.verify import verify

NAMES = ["entailment", "not_entailment"]


def features(**columns: object) -> dict:
    return {b"huggingface": json.dumps({"info": {"features": columns}}).encode()}


def rte_table(rows: int, names: list[str] | None = None) -> pa.Table:
    """Rows as glue/rte has them."""
    table = pa.table(
        {
            "sentence1": [f"premise {row}" for row in range(rows)],
            "sentence2": [f"hypothesis {row}" for row in range(rows)],
            "label": [row % 2 for row in range(rows)],
        }
    )
    named = {"label": {"_type": "ClassLabel", "names": NAMES if names is None else names}}
    return table.replace_schema_metadata(features(**named))


def rte_mirror(folder: Path, names: list[str] | None = None) -> Path:
    home = folder / "mirror" / "glue" / "rte"
    home.mkdir(parents=True, exist_ok=True)
    pq.write_table(rte_table(80, names), home / "train.parquet")
    pq.write_table(rte_table(20, names), home / "validation.parquet")
    return folder / "mirror"


def state(folder: Path) -> dict[str, str]:
    return {path.name: file_md5(path) for path in sorted(folder.rglob("*.tsv"))}


def build_rte(tmp_path: Path, mirror: Path, shots=None):
    return build_task(card("glue-rte"), BuildPlan(MirrorRows(mirror), tmp_path / "out", shots))


@pytest.mark.parametrize(
    "task", ["glue-rte", "tweet_eval-emotion", "lama-google_re", "crows_pairs"]
)
def test_official_bytes_from_official_rows(shared, tmp_path, task):
    plan = BuildPlan(MirrorRows(shared / "gym" / "mirror"), tmp_path)
    outcome = build_task(card(task), plan)
    assert (outcome.state, outcome.official, outcome.note) == ("built", 15, "")
    assert state(tmp_path) == dict(official_md5(task, card(task).shots))
    assert build_task(card(task), plan).state == "kept"


def test_short_train_rows_give_exact_test_files_and_are_told(shared, tmp_path):
    plan = BuildPlan(MirrorRows(shared / "gym" / "mirror_partial"), tmp_path)
    boolq, quail = build_task(card("boolq"), plan), build_task(card("quail"), plan)
    assert (boolq.state, boolq.files, boolq.official) == ("short", 15, 5)
    assert boolq.note == "train rows are short: 157 instead of 9,427"
    assert (quail.files, quail.official) == (5, 5)
    assert quail.note == "train rows are missing: only the test files can be made"
    assert {verdict.task: verdict.state for verdict in verify(tmp_path)} == {
        "boolq": "short",
        "quail": "short",
    }


def test_several_shots_share_a_folder_and_all_means_half_and_half(tmp_path):
    mirror = rte_mirror(tmp_path)
    for shots, lines in ((None, 32), (4, 8), ("all", 80 // 2)):
        assert build_rte(tmp_path, mirror, shots).state in ("built", "short")
        name = f"glue-rte_{shots or 16}_13_train.tsv"
        content = (tmp_path / "out" / "glue-rte" / name).read_text()
        assert content.count("\n") == lines
    assert len(state(tmp_path / "out")) == 45
    assert build_rte(tmp_path, mirror).state == "kept"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["glue-rte"]


def test_an_edited_file_or_new_rows_are_built_again(tmp_path):
    mirror = rte_mirror(tmp_path)
    build_rte(tmp_path, mirror)
    before = state(tmp_path)
    edited = tmp_path / "out" / "glue-rte" / "glue-rte_16_13_dev.tsv"
    edited.write_text("x\ty\n")
    assert build_rte(tmp_path, mirror).state == "short"
    assert state(tmp_path) == before
    pq.write_table(rte_table(90), mirror / "glue" / "rte" / "train.parquet")
    assert build_rte(tmp_path, mirror).state == "short"
    assert state(tmp_path) != before


def test_class_ids_are_mapped_by_name(tmp_path):
    plain = build_rte(tmp_path, rte_mirror(tmp_path))
    assert plain.state == "short"
    before = (tmp_path / "out" / "glue-rte" / "glue-rte_16_13_test.tsv").read_text()
    swapped = tmp_path / "swapped"
    build_rte(swapped, rte_mirror(swapped, names=NAMES[::-1]))
    after = (swapped / "out" / "glue-rte" / "glue-rte_16_13_test.tsv").read_text()
    swap = {"entailment": "not_entailment", "not_entailment": "entailment"}
    lines = [line.split("\t") for line in before.splitlines()]
    assert after.splitlines() == [f"{text}\t{swap[label]}" for text, label in lines]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("truncate", r"train.parquet: not a whole parquet file \(.*copy it again"),
        ("column", r"glue-rte: .*train.parquet has no column 'sentence2'; it has sentence1, label"),
        ("labels", r"the label set of 'label' in .* has changed: it has yes, no and lacks entail"),
        ("split", r"glue-rte: the source has no split 'validation' of glue/rte"),
        ("ids", r"glue-rte: split 'train', row 0: label 7 at 'label' is none of 0, 1"),
        ("texts", r"split 'train', row 0: label 'yes' at 'label' is none of 0, 1; the card was"),
    ],
)
def test_spoilt_sources_give_one_clear_error_and_no_file(tmp_path, spoil, message):
    mirror = rte_mirror(tmp_path, names=["yes", "no"] if spoil == "labels" else None)
    path = mirror / "glue" / "rte" / "train.parquet"
    if spoil == "truncate":
        path.write_bytes(path.read_bytes()[:-40])
    elif spoil == "column":
        pq.write_table(rte_table(80).drop_columns("sentence2"), path)
    elif spoil == "split":
        path.with_name("validation.parquet").unlink()
    elif spoil in ("ids", "texts"):
        table, label = rte_table(80), 7 if spoil == "ids" else "yes"
        pq.write_table(table.set_column(2, "label", pa.array([label] * 80)), path)
    outcome = build_rte(tmp_path, mirror)
    assert outcome.state == "failed"
    assert "\n" not in outcome.note
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(outcome.note)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk of .* is full; free some space"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, code, message):
    mirror = rte_mirror(tmp_path)
    build_rte(tmp_path, mirror, 4)
    before = state(tmp_path)
    written = 0

    def full(self, numbers):
        nonlocal written
        written += 1
        if written > 7:
            raise OSError(code, os.strerror(code))
        yield b"a\tb\n"

    with monkeypatch.context() as patched:
        patched.setattr(build.Lines, "content", full)
        outcome = build_rte(tmp_path, mirror)
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(outcome.note)
    assert state(tmp_path) == before
    assert build_rte(tmp_path, mirror).state == "short"


def test_leftovers_of_a_killed_builder_are_settled(tmp_path):
    mirror, out = rte_mirror(tmp_path), tmp_path / "out"
    build_rte(tmp_path, mirror, 4)
    before = state(tmp_path)
    (out / "glue-rte").rename(out / ".old-glue-rte")
    (out / ".building-glue-rte.x1").mkdir()
    (out / ".building-glue-rte.x1" / "glue-rte_4_13_train.tsv").write_text("half a li")
    assert build_rte(tmp_path, mirror, 4).state == "short"
    assert state(tmp_path) == before
    assert [path.name for path in out.iterdir()] == ["glue-rte"]


SCRIPT = """
import sys
from pathlib import Path
from mpt.gym.build.task import BuildPlan
from mpt.gym.build.many import build_many, chosen_cards
from mpt.gym.build.rows import MirrorRows
source = MirrorRows(Path(sys.argv[1]))
for outcome in build_many(chosen_cards([], source), BuildPlan(source, Path(sys.argv[2])), jobs=1):
    print(outcome.task, outcome.state, flush=True)
"""


@pytest.mark.slow
def test_kill_and_restart_end_in_the_same_bytes(shared, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(shared / "gym" / "mirror")]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    whole = state(tmp_path / "whole")
    assert len(whole) == 63 * 15
    for wait in (1.2, 1.7, 2.4, 3.1):
        with subprocess.Popen([*command, str(tmp_path / "killed")], stdout=subprocess.PIPE) as one:
            time.sleep(wait)
            one.send_signal(signal.SIGKILL)
        for folder in (tmp_path / "killed").glob("[!.]*"):
            assert len(list(folder.glob("*.tsv"))) == 15, f"{folder} is half written"
    done = subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True)
    assert b"kept" in done.stdout
    assert state(tmp_path / "killed") == whole
    assert not list((tmp_path / "killed").glob(".building*"))


def test_many_tasks_in_processes_and_one_that_fails(tmp_path):
    mirror = rte_mirror(tmp_path)
    chosen = [card("glue-rte"), card("boolq")]
    plan = BuildPlan(MirrorRows(mirror), tmp_path / "out")
    found = {outcome.task: outcome for outcome in build_many(chosen, plan, jobs=2)}
    assert found["glue-rte"].state == "short"
    assert found["boolq"].state == "failed"
    assert "has no split 'validation' of boolq/default" in found["boolq"].note


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for a process in /proc")
def test_workers_end_with_a_killed_parent(tmp_path):
    script = (
        "import sys, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from mpt.gym.build.many import _end_with_parent\n"
        "import os\n"
        "pool = ProcessPoolExecutor(1, get_context('spawn'), _end_with_parent)\n"
        "print(pool.submit(os.getpid).result(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        stat = Path(f"/proc/{worker}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"worker {worker} lives on")


def test_one_builder_at_a_time(tmp_path):
    plan = BuildPlan(MirrorRows(rte_mirror(tmp_path)), tmp_path / "out")
    first = build_many([card("glue-rte"), card("boolq")], plan)
    next(first)
    with pytest.raises(StoreError, match="another builder is working in"):
        next(build_many([card("glue-rte")], plan))
    first.close()


def test_what_to_build_is_checked_first(tmp_path):
    source = MirrorRows(rte_mirror(tmp_path))
    assert [one.task for one in chosen_cards([], source)] == ["glue-rte"]
    assert [one.task for one in chosen_cards(["boolq", "boolq"], source)] == ["boolq"]
    with pytest.raises(UnknownName, match="unknown task 'bool' - did you mean 'boolq'"):
        chosen_cards(["bool"], source)
    with pytest.raises(
        DataError, match=r"mirror folder .* does not exist; make one with `mpt gym m"
    ):
        MirrorRows(tmp_path / "nowhere")
    (tmp_path / "empty" / "x").mkdir(parents=True)
    with pytest.raises(DataError, match="holds the rows of no task"):
        chosen_cards([], MirrorRows(tmp_path / "empty"))
    assert (read_shots(None), read_shots("all"), read_shots("64")) == (None, "all", 64)
    with pytest.raises(ConfigError, match="--shots '0': give a whole number above 0"):
        read_shots("0")


def test_shards_are_read_in_order(tmp_path):
    mirror = rte_mirror(tmp_path)
    build_rte(tmp_path, mirror)
    whole = state(tmp_path / "out")
    home = mirror / "glue" / "rte"
    table = pq.read_table(home / "train.parquet")
    (home / "train.parquet").unlink()
    pq.write_table(table.slice(0, 50), home / "train-00000-of-00002.parquet")
    pq.write_table(table.slice(50), home / "train-00001-of-00002.parquet")
    assert build_rte(tmp_path, mirror).state == "short"
    assert state(tmp_path / "out") == whole
