"""`mpt sync --rebuild` makes on an empty store what the sweep made on the first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from terminal import mpt, study_file

from mpt.store.home import Home
from mpt.store.ledger import Ledger

OWN = ("mlflow.parentRunId",)
"""Tags that hold an id of the server itself."""

WRITTEN = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
"""When a report was written, as its page says it."""


def held(uri: str, into: Path) -> dict[str, tuple]:
    """What a store holds of each run, by key: status, params, tags, curves and files.

    The page of a report is without the minute in which it was written.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = {}
    experiment = client.get_experiment_by_name("mpt")
    for run in client.search_runs([experiment.experiment_id]):
        of = run.info.run_id
        tags = {name: value for name, value in run.data.tags.items() if name not in OWN}
        curves = {
            name: sorted((point.step, point.value) for point in client.get_metric_history(of, name))
            for name in run.data.metrics
        }
        (into / of).mkdir(parents=True, exist_ok=True)
        place = Path(client.download_artifacts(of, "", str(into / of)))
        files = {
            str(file.relative_to(place)): WRITTEN.sub(b"", file.read_bytes())
            for file in place.rglob("*")
            if file.is_file()
        }
        assert tags["mpt.key"] not in found
        found[tags["mpt.key"]] = (run.info.status, run.data.params, tags, curves, files)
    return found


@pytest.mark.slow
def test_an_empty_store_ends_as_the_first_one_however_often(tmp_path):
    home, study = tmp_path / "home", study_file(tmp_path / "study.yaml")
    swept = mpt("sweep", "--study", study, home=home)
    assert swept.code == 0, swept.err
    first = held(f"sqlite:///{home}/mlflow.db", tmp_path / "files")
    assert len(first) == 4
    with Ledger(Home.find({"MPT_HOME": str(home)}).ledger_url) as ledger:
        units = list(ledger.units())
    uri = f"sqlite:///{tmp_path}/second.db"
    for _ in range(2):
        said = mpt("sync", "--rebuild", "--tracking-uri", uri, home=home)
        assert said.code == 0, said.err
        assert said.out.splitlines() == ["small: 3 trials logged again", "0 records sent, 0 left"]
        assert held(uri, tmp_path / "files") == first
    with Ledger(Home.find({"MPT_HOME": str(home)}).ledger_url) as ledger:
        assert list(ledger.units()) == units, "rebuilding computes nothing"


def test_without_a_study_there_is_nothing_to_rebuild(tmp_path):
    said = mpt("sync", "--rebuild", home=tmp_path)
    assert (said.code, said.out) == (0, "0 records sent, 0 left\n")


@pytest.mark.slow
def test_what_the_disk_lost_of_the_outbox_is_told_and_logged_again_from_the_ledger(tmp_path):
    home, study = tmp_path / "home", study_file(tmp_path / "study.yaml")
    dead = {"MPT_TRACKING_URI": "http://127.0.0.1:9"}
    swept = mpt("sweep", "--study", study, home=home, **dead)
    assert swept.code == 0, swept.err
    outbox = home / "outbox"
    (file,) = outbox.rglob("*.jsonl")
    lines = [bytearray(line) for line in file.read_bytes().splitlines(keepends=True)]
    for line in (lines[len(lines) // 3], lines[2 * len(lines) // 3]):
        line[len(line) // 2] ^= 1
    file.write_bytes(b"".join(lines))
    assert "2 damaged or deleted on disk -> `mpt sync` logs" in mpt("doctor", home=home).out
    uri = f"sqlite:///{tmp_path}/mended.db"
    said = mpt("sync", "--tracking-uri", uri, home=home)
    assert said.code == 0, said.err
    told = "warning: 1 tracking record was damaged or deleted in "
    assert [line[: len(told)] for line in said.err.splitlines()] == [told, told]
    first, second = said.out.splitlines()
    assert first == "small: 3 trials logged again"
    assert second.endswith(" records sent, 0 left")
    assert list(outbox.iterdir()) == []
    whole = f"sqlite:///{tmp_path}/whole.db"
    assert mpt("sync", "--rebuild", "--tracking-uri", whole, home=home).code == 0
    assert held(uri, tmp_path / "a") == held(whole, tmp_path / "b")
