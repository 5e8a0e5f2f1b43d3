"""A sweep whose outbox lies on a disk that is full for real."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from stage import Stage
from terminal import mpt, study_file

DEAD = "http://127.0.0.1:9"

pytestmark = pytest.mark.slow


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 256 KiB mounted on ``folder``; skips where this user may not mount."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"there is no mount: {error}")
    if done.returncode:
        pytest.skip(f"this user may not mount a small disk: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Fill the disk to the last byte, then give ``leave`` bytes back."""
    stone = folder / "stone"
    with stone.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    with stone.open("r+b") as file:
        file.truncate(stone.stat().st_size - leave)
    return stone


@pytest.fixture
def home(tmp_path):
    with small_disk(tmp_path / "home" / "outbox"):
        yield tmp_path / "home"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    study = study_file(folder / "study.yaml")
    assert mpt("sweep", "--study", study, home=folder / "home").code == 0
    return Stage(study, folder / "home")


def is_whole(home: Path, undisturbed: Stage) -> None:
    """MLflow holds what it holds of a sweep with room: every run, point and file, once."""
    stage = Stage(undisturbed.study, home)
    assert stage.trials() == undisturbed.trials()
    assert stage.runs() == undisturbed.runs()
    assert stage.points() == undisturbed.points()
    assert files(home) == files(undisturbed.home)


def files(home: Path) -> list[str]:
    found = (home / "artifacts").rglob("*")
    return sorted(path.name for path in found if path.is_file())


@pytest.mark.parametrize("leave", [0, 8192])
def test_a_full_outbox_before_a_server_that_answers_loses_nothing(leave, home, undisturbed):
    fill(home / "outbox", leave)
    said = mpt("sweep", "--study", undisturbed.study, home=home)
    assert said.code == 0, said.err
    assert "lost" not in said.err.replace("are lost if this process dies", "")
    if not leave:
        assert (
            "cannot be written (No space left on device), so that records wait in memory"
            in said.err
        )
    is_whole(home, undisturbed)


def test_a_full_outbox_before_a_dead_server_says_what_is_lost_and_what_tells_it_again(
    home, undisturbed, monkeypatch
):
    monkeypatch.setattr("mpt.tracking.uploader.GRACE", 1.0)
    stone = fill(home / "outbox", 8192)
    said = mpt("sweep", "--study", undisturbed.study, home=home, MPT_TRACKING_URI=DEAD)
    assert said.code == 0, said.err
    assert "Best: trial" in said.out
    (full,) = (line for line in said.err.splitlines() if "No space left" in line)
    assert full.endswith("are lost if this process dies; make room")
    (lost,) = (line for line in said.err.splitlines() if "are lost with this process" in line)
    assert (
        f"`mpt sync --tracking-uri {DEAD} --rebuild` logs everything again from the ledger" in lost
    )
    stone.unlink()
    again = mpt("sync", "--rebuild", home=home)
    assert again.code == 0, again.err
    assert again.out.endswith(" 0 left\n")
    is_whole(home, undisturbed)


def test_room_made_in_time_keeps_every_record(home, undisturbed, monkeypatch):
    from mpt.tracking.mlflow_tracker import MlflowTracker

    monkeypatch.setattr("mpt.tracking.uploader.GRACE", 1.0)
    stone, close = fill(home / "outbox", 0), MlflowTracker.close

    def with_room(tracker: MlflowTracker, *wait: float) -> None:
        stone.unlink()
        close(tracker, *wait)

    monkeypatch.setattr(MlflowTracker, "close", with_room)
    said = mpt("sweep", "--study", undisturbed.study, home=home, MPT_TRACKING_URI=DEAD)
    assert said.code == 0, said.err
    assert "are lost with this process" not in said.err
    monkeypatch.undo()
    sent = mpt("sync", home=home)
    assert sent.code == 0, sent.err
    is_whole(home, undisturbed)
