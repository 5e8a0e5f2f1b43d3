from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpt.tracking import spool as spools
from mpt.tracking.outbox import forget_lost, lost, note_lost, orphans, waiting
from mpt.tracking.record_lines import sealed
from mpt.tracking.spool import Spool


def drained(spool: Spool) -> list[int]:
    """The numbers of all records, taken one after the other."""
    found = []
    while (entry := spool.next()) is not None:
        found.append(entry.record["n"])
        spool.take(entry)
    return found


def abandon(spool: Spool) -> None:
    """What the kernel does for a process that was killed: its locks and files are closed."""
    for handle in (spool._lock, spool._handle, spool._mark):
        if handle >= 0:
            os.close(handle)
    spool._lock = spool._handle = spool._mark = -1


def test_records_come_back_in_order_and_once(tmp_path):
    spool = Spool.begin(tmp_path)
    for n in range(100):
        spool.append({"n": n, "text": "é\n\u2028"})
    assert spool.left == 100
    first = spool.next()
    assert first.record == {"n": 0, "text": "é\n\u2028"}
    assert spool.next() == first, "it is given until it is taken"
    assert drained(spool) == list(range(100))
    assert spool.left == 0
    spool.close()
    assert list(tmp_path.iterdir()) == [], "an empty spool leaves nothing behind"


def test_nothing_is_made_before_the_first_record(tmp_path):
    Spool.begin(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_its_spool_and_a_dead_one_loses_it(tmp_path):
    spool = Spool.begin(tmp_path)
    for n in range(5):
        spool.append({"n": n})
    spool.take(spool.next())
    assert orphans(tmp_path) == []
    abandon(spool)
    (adopted,) = orphans(tmp_path)
    assert adopted.left == 4
    assert drained(adopted) == [1, 2, 3, 4]
    adopted.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_no_record(tmp_path, cut):
    spool = Spool.begin(tmp_path)
    for n in range(3):
        spool.append({"n": n, "text": "x" * 20})
    abandon(spool)
    file = spool.folder / "000001.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    (adopted,) = orphans(tmp_path)
    assert adopted.left == 2
    assert drained(adopted) == [0, 1]
    adopted.close()


def test_a_damaged_line_costs_only_itself(tmp_path):
    spool = Spool.begin(tmp_path)
    for n in range(3):
        spool.append({"n": n})
    abandon(spool)
    file = spool.folder / "000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"n":1', b'"n":7'))
    (adopted,) = orphans(tmp_path)
    assert drained(adopted) == [0, 2]
    adopted.close()


def test_segments_are_deleted_once_they_are_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(spools, "SEGMENT", 200)
    spool = Spool.begin(tmp_path)
    for n in range(50):
        spool.append({"n": n})
    assert len(list(spool.folder.glob("*.jsonl"))) > 3
    for _ in range(30):
        spool.take(spool.next())
    abandon(spool)
    (adopted,) = orphans(tmp_path)
    assert drained(adopted) == list(range(30, 50))
    assert len(list(spool.folder.glob("*.jsonl"))) == 1
    adopted.close()


def test_a_file_is_kept_as_it_was_when_it_was_told(tmp_path):
    source = tmp_path / "page.html"
    source.write_text("old")
    spool = Spool.begin(tmp_path / "outbox")
    spool.append({"n": 0}, source, "report.html")
    source.write_text("new")
    entry = spool.next()
    assert entry.file.name == "report.html"
    assert entry.file.read_text() == "old"
    spool.take(entry)
    assert not entry.file.exists()
    spool.close()


def test_scalars_of_numpy_are_numbers(tmp_path):
    spool = Spool.begin(tmp_path)
    spool.append({"n": np.int64(3), "value": np.float32(0.5), "path": tmp_path})
    assert spool.next().record == {"n": 3, "value": 0.5, "path": str(tmp_path)}
    spool.take(spool.next())
    spool.close()


class Disk:
    """Stands in for ``os.write``: takes ``room`` bytes, then refuses like a full disk."""

    def __init__(self, room: int) -> None:
        self.room, self._write = room, os.write

    def __call__(self, handle: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = data[: self.room]
        self.room -= len(part)
        return self._write(handle, part)


@pytest.mark.parametrize("room", [0, 10, 100, 130])
def test_a_full_disk_loses_nothing_and_raises_nothing(tmp_path, monkeypatch, room):
    disk = Disk(room)
    monkeypatch.setattr(os, "write", disk)
    spool = Spool.begin(tmp_path)
    for n in range(10):
        spool.append({"n": n})
    assert spool.trouble == "No space left on device"
    assert spool.left == 10
    spool.take(spool.next())
    disk.room = 10**6
    spool.append({"n": 10})
    assert spool.trouble == ""
    assert drained(spool) == list(range(1, 11))
    spool.close()


def test_records_in_memory_are_given_while_the_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", Disk(0))
    spool = Spool.begin(tmp_path)
    for n in range(5):
        spool.append({"n": n})
    assert drained(spool) == list(range(5))
    spool.close()


def test_a_record_in_flight_from_memory_is_not_written_meanwhile(tmp_path, monkeypatch):
    disk = Disk(0)
    monkeypatch.setattr(os, "write", disk)
    spool = Spool.begin(tmp_path)
    spool.append({"n": 0})
    entry = spool.next()
    disk.room = 10**6
    spool.append({"n": 1})
    spool.take(entry)
    assert drained(spool) == [1]
    spool.close()


def test_half_a_line_that_cannot_be_cut_off_costs_no_other_record(tmp_path, monkeypatch):
    def stuck(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk = Disk(40)
    monkeypatch.setattr(os, "write", disk)
    monkeypatch.setattr(os, "ftruncate", stuck)
    spool = Spool.begin(tmp_path)
    for n in range(4):
        spool.append({"n": n})
    disk.room = 10**6
    spool.append({"n": 4})
    assert drained(spool) == [0, 1, 2, 3, 4]
    spool.close()


def test_a_limit_of_the_real_file_system_is_borne(tmp_path):
    """RLIMIT_FSIZE refuses writes as a full disk does, in part and for real."""
    script = """
import resource, signal, sys
from pathlib import Path
from mpt.tracking.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
spool = Spool.begin(Path(sys.argv[1]))
for n in range(100):
    spool.append({"n": n})
print(spool.trouble)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append({"n": 100})
"""
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "File too large"
    (spool,) = orphans(tmp_path)
    assert drained(spool) == list(range(101))
    spool.close()


APPENDER = """
import sys
from pathlib import Path
from mpt.tracking.spool import Spool
spool = Spool.begin(Path(sys.argv[1]))
n = 0
while True:
    spool.append({"n": n, "text": "x" * (n % 977)})
    print(n, flush=True)
    n += 1
"""


@pytest.mark.parametrize("milliseconds", [1, 7, 23, 61])
def test_sigkill_in_mid_append_loses_no_record_that_was_told(tmp_path, milliseconds):
    command = [sys.executable, "-c", APPENDER, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGKILL)
        told = [0, *(int(line) for line in process.stdout if line.endswith("\n"))]
    (spool,) = orphans(tmp_path)
    found = drained(spool)
    assert found == list(range(len(found)))
    assert len(found) - 1 in (told[-1], told[-1] + 1)
    spool.close()


def test_two_processes_do_not_adopt_the_same_spool(tmp_path):
    spool = Spool.begin(tmp_path)
    spool.append({"n": 0})
    abandon(spool)
    (first,) = orphans(tmp_path)
    assert orphans(tmp_path) == []
    first.close()
    (second,) = orphans(tmp_path)
    assert drained(second) == [0]
    second.close()


def test_a_cursor_that_cannot_be_read_gives_records_again(tmp_path):
    spool = Spool.begin(tmp_path)
    for n in range(3):
        spool.append({"n": n})
    spool.take(spool.next())
    abandon(spool)
    mark = spool.folder / "cursor"
    assert mark.read_text().split()[1] == "000001"
    mark.write_bytes(mark.read_bytes()[:-2])
    (adopted,) = orphans(tmp_path)
    assert drained(adopted) == [0, 1, 2]
    adopted.close()


def filled(outbox, count=48, **fields):
    """The folder of a spool whose owner died after so many records."""
    spool = Spool.begin(outbox)
    for n in range(count):
        spool.append({"n": n, **fields})
    abandon(spool)
    return spool.folder


DRAINER = """
import os, signal, sys
from pathlib import Path
from mpt.tracking import outbox, spool as spools
spools.SEGMENT = 200
step, side, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
calls = 0

def watch(owner, name):
    original = getattr(owner, name)
    def watched(*args, **kwargs):
        global calls
        calls += 1
        if calls == step and side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, watched)

watch(os, "fsync"), watch(Path, "unlink"), watch(os, "pwrite"), watch(Path, "rename")
(spool,) = outbox.orphans(folder)
while (entry := spool.next()) is not None:
    print(entry.record["n"], flush=True)
    spool.take(entry)
spool.close()
"""


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", [1, 2, 12, 13, 14, 15, 16, 30])
def test_sigkill_while_taking_loses_no_record(tmp_path, monkeypatch, step, side):
    monkeypatch.setattr(spools, "SEGMENT", 200)
    filled(tmp_path)
    command = [sys.executable, "-c", DRAINER, str(step), side, str(tmp_path)]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    taken = [int(line) for line in died.stdout.split()]
    (again,) = orphans(tmp_path)
    # what was being taken may be given again
    assert drained(again) in (list(range(len(taken), 48)), list(range(len(taken) - 1, 48)))
    assert again.confess() == 0
    again.close()
    assert list(tmp_path.iterdir()) == []


def test_a_cursor_behind_the_first_segment_starts_at_the_first_that_is_there(tmp_path, monkeypatch):
    """As versions left it that deleted a segment before the cursor said so."""
    monkeypatch.setattr(spools, "SEGMENT", 200)
    folder = older(tmp_path / "20260131T120000.123456-4711-9f3c", 48)
    gone = (folder / "000001.jsonl").read_bytes().count(b"\n")
    (folder / "000001.jsonl").unlink()
    (adopted,) = orphans(tmp_path)
    assert drained(adopted) == list(range(gone, 48))
    adopted.close()


def older(folder, count):
    """A spool as older versions wrote it: records without numbers, an owner that says nothing."""
    folder.mkdir(parents=True)
    (folder / "owner").touch()
    for n in range(count):
        text = f'{{"n":{n}}}'.encode()
        with (folder / f"{1 + n // 10:06d}.jsonl").open("ab") as file:
            file.write(b"%08x %s\n" % (crc32(text), text))
    return folder


def test_records_of_an_older_version_are_read_and_a_damaged_one_is_counted(tmp_path):
    folder = older(tmp_path / "20260131T120000.123456-4711-9f3c", 48)
    file = folder / "000005.jsonl"
    for n in (44, 47):
        file.write_bytes(file.read_bytes().replace(b'"n":%d' % n, b'"m":%d' % n))
    second = (folder / "000001.jsonl").read_bytes().index(b"\n") + 1
    mark = b"000001 %012d" % second
    (folder / "cursor").write_bytes(b"%08x %s\n" % (crc32(mark), mark))
    (adopted,) = orphans(tmp_path)
    found = drained(adopted)
    assert found == [*range(1, 44), 45, 46]
    assert adopted.confess() == 2
    adopted.close()


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_byte_costs_its_own_record_and_is_counted(data):
    with tempfile.TemporaryDirectory() as name, patch.object(spools, "SEGMENT", 200):
        folder = filled(Path(name), 20, text="é\n" * 3)
        files = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl")
        file = data.draw(st.sampled_from([*files, folder / "owner"]))
        content = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
        file.write_bytes(content)
        (adopted,) = orphans(Path(name))
        left = adopted.left
        found = drained(adopted)
        assert left == len(found)
        assert found == sorted(set(found))
        # a line end that is flipped joins two records
        assert len(found) >= (18 if file in files else 20)
        assert adopted.confess() == 20 - len(found)
        assert adopted.left == 0
        adopted.close()


@pytest.mark.parametrize("which", [0, 2, -1])
def test_a_missing_segment_costs_its_own_records_and_they_are_counted(tmp_path, monkeypatch, which):
    monkeypatch.setattr(spools, "SEGMENT", 200)
    folder = filled(tmp_path)
    segment = sorted(folder.glob("*.jsonl"))[which]
    gone = segment.read_bytes().count(b"\n")
    segment.unlink()
    assert (waiting(tmp_path), lost(tmp_path)) == (48 - gone, gone)
    (adopted,) = orphans(tmp_path)
    assert len(drained(adopted)) == 48 - gone
    assert adopted.confess() == gone
    adopted.close()


def test_a_copy_that_is_not_what_was_copied_is_lost_and_counted(tmp_path):
    source = tmp_path / "prompt"
    source.write_bytes(b"0123456789")
    spool = Spool.begin(tmp_path / "outbox")
    for n in range(3):
        spool.append({"n": n}, source)
    first, second, third = sorted((spool.folder / "files").rglob("prompt"))
    second.write_bytes(b"0123456788")
    third.unlink()
    assert first.read_bytes() == b"0123456789"
    assert drained(spool) == [0]
    assert spool.confess() == 2
    spool.close()


@pytest.mark.parametrize(
    "name", ["../../../secret/key", "/etc/passwd", "files/../../../../secret/key", "files", "pipe"]
)
def test_a_record_that_names_a_file_elsewhere_is_given_without_it(tmp_path, name):
    """Whoever can write into the outbox must not have this machine's files sent away by it."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("s3cret")
    source = tmp_path / "home" / "prompt"
    source.parent.mkdir()
    source.write_text("p")
    spool = Spool.begin(tmp_path / "home" / "outbox")
    spool.append({"n": 0}, source)
    os.mkfifo(spool.folder / "pipe")
    for record in ({"n": 1, "file": name}, {"n": 2, "file": name, "crc": "00000000"}):
        planted = sealed(json.dumps(record).encode())
        with (spool.folder / "000001.jsonl").open("ab") as file:
            file.write(planted)
    abandon(spool)
    adopted = Spool.adopt(spool.folder)
    assert adopted is not None
    given = [adopted.next()]
    adopted.take(given[0])
    for n in (1, 2):
        entry = adopted.next()
        assert entry is not None
        assert (entry.record["n"], entry.file) == (n, None)
        assert entry.fault.startswith(f"the file '{adopted.folder / name}'")
        assert entry.fault.endswith("; it is not sent")
        adopted.take(entry)
    assert (secret / "key").read_text() == "s3cret"
    assert adopted.confess() == 0
    adopted.close()


def test_taking_a_planted_record_deletes_no_other_folder(tmp_path):
    spool = Spool.begin(tmp_path / "home" / "outbox")
    kept = tmp_path / "home" / "prompts"
    kept.mkdir(parents=True)
    (kept / "a").write_text("a")
    spool.append({"n": 0})
    planted = json.dumps({"n": 1, "file": "files/../../../prompts/a"}).encode()
    with (spool.folder / "000001.jsonl").open("ab") as file:
        file.write(sealed(planted))
    abandon(spool)
    adopted = Spool.adopt(spool.folder)
    assert adopted is not None
    assert drained(adopted) == [0, 1]
    assert (kept / "a").read_text() == "a"
    adopted.close()


def test_damage_to_a_spool_in_use_is_passed_over(tmp_path):
    spool = Spool.begin(tmp_path)
    for n in range(5):
        spool.append({"n": n})
    file = spool.folder / "000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"n":1', b'"n":7').replace(b'"n":4', b'"n":8'))
    assert drained(spool) == [0, 2, 3]
    assert (spool.left, spool.confess(), spool.confess()) == (0, 2, 0)
    spool.append({"n": 5})
    assert drained(spool) == [5]
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_spool_half_deleted_is_no_damaged_one(tmp_path):
    spool = Spool.begin(tmp_path)
    spool.append({"n": 0})
    drained(spool)
    spool.folder.rename(spool.folder.with_name(f".{spool.folder.name}.done"))
    assert (waiting(tmp_path), lost(tmp_path)) == (0, 0)
    assert orphans(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_lost_is_remembered_until_it_is_logged_again(tmp_path):
    spool = Spool.begin(tmp_path)
    note_lost(tmp_path, spool, 3)
    with (tmp_path / "lost.jsonl").open("a") as file:
        file.write("not JSON\n")
    assert lost(tmp_path) == 4
    forget_lost(tmp_path)
    assert lost(tmp_path) == 0
