"""`mpt doctor` names real faults and what to do about each, and writes nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from terminal import contents, mpt, study_file, world

from mpt.doctor import machine as checkup
from mpt.doctor.cluster import ray
from mpt.doctor.machine import folder, versions
from mpt.tracking.server_errors import Faults
from mpt.tracking.spool import Spool

DEAD = "http://127.0.0.1:9"


def findings(*words, home, **variables):
    """The findings by name; of a small gym and backbone where no words are given."""
    words = words or ("--gym", world().gym, "--backbone", world().backbone)
    before = contents(home) if home.exists() else None
    said = mpt("doctor", "--json", *words, home=home, **variables)
    assert (contents(home) if home.exists() else None) == before, "a doctor writes nothing"
    found = {one["name"]: one for one in json.loads(said.out)}
    assert said.code == any(one["state"] == "fail" for one in found.values())
    assert all(bool(one["fix"]) == (one["state"] != "ok") for one in found.values())
    return found


@contextmanager
def replying(status: int, body: bytes = b"{}", date: str = ""):
    """A server that gives every request the same reply."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response_only(status, "x")
            if date:
                self.send_header("Date", date)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_fresh_home_is_healthy(tmp_path):
    found = findings("--gym", "mini", home=tmp_path / "new")
    assert {one["state"] for one in found.values()} <= {"ok", "warn"}
    assert found["gym"]["what"] == "mini, 109 tasks, 10 settings"
    assert "mini (Seq2Seq), weights " in found["backbone"]["what"]
    assert found["ledger"]["what"].endswith("created by the first sweep")
    assert found["device"]["what"]


@pytest.mark.slow
def test_every_finding_is_one_line(tmp_path):
    said = mpt("doctor", home=tmp_path / "new")
    lines = said.out.splitlines()
    assert said.err == ""
    assert all(line.split()[0] in ("ok", "warn", "fail") for line in lines)
    assert len(lines) == len(findings("--gym", "mini", home=tmp_path / "new"))


def test_unreachable_servers_are_named_without_their_passwords(tmp_path):
    pytest.importorskip("psycopg", reason="needs pip install 'mpt[postgres]'")
    url = "postgresql+psycopg://u:s3cret@127.0.0.1:9/d"
    found = findings(home=tmp_path, MPT_LEDGER_URL=url, MPT_TRACKING_URI=DEAD)
    assert found["ledger"]["state"] == found["tracking"]["state"] == "fail"
    assert "127.0.0.1:9/d cannot be used (connection failed" in found["ledger"]["what"]
    assert "MPT_LEDGER_URL names it" in found["ledger"]["fix"]
    assert f"MLflow at {DEAD}" in found["tracking"]["what"]
    assert found["tracking"]["fix"] == "see that the server runs and the address is right"
    assert "s3cret" not in json.dumps(found)


REPLIES = [
    (401, b"You are not authenticated", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
    (403, b"Invalid Host header - possible DNS rebinding attack detected", "--allowed-hosts"),
    (404, b"not found", "see that the address is an MLflow server's"),
    (500, b"oh", "see that MPT_TRACKING_URI names a running MLflow server"),
]


@pytest.mark.parametrize(("status", "body", "fix"), REPLIES)
def test_a_server_that_refuses_says_how_to_be_let_in(tmp_path, status, body, fix):
    with replying(status, body) as uri:
        found = findings(home=tmp_path, MPT_TRACKING_URI=uri)
    assert found["tracking"]["state"] == "fail"
    assert fix in found["tracking"]["fix"]


def test_the_digits_of_a_port_are_no_status():
    error = ConnectionError("API request to http://127.0.0.1:40345/x failed with error code 500")
    assert "may not write" not in str(Faults("http://127.0.0.1:40345").sorted(error, "a question"))


@pytest.mark.slow
def test_a_server_whose_clock_is_wrong_is_a_warning(tmp_path):
    with replying(200, date="Sat, 01 Jan 2000 00:00:00 GMT") as uri:
        found = findings("--tracking-uri", uri, home=tmp_path)
    assert found["tracking"]["state"] == "ok"
    assert found["tracking clock"]["state"] == "warn"
    assert "behind this machine's" in found["tracking clock"]["what"]


def test_two_stores_in_one_schema_are_told(tmp_path):
    url = f"sqlite:///{tmp_path / 'one.db'}"
    found = findings(home=tmp_path, MPT_LEDGER_URL=url, MPT_STUDIES_URL=url)
    assert "ledger and studies stores are the same database" in found["separate stores"]["what"]
    assert found["separate stores"]["fix"] == "give MPT_STUDIES_URL a database of its own"


def test_a_database_of_another_tool_is_told(tmp_path):
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute("CREATE TABLE trials (id INTEGER)")
    db.close()
    (tmp_path / "studies.db").write_text("no database " * 100)
    found = findings(home=tmp_path)
    assert found["ledger"]["what"].endswith("ledger.db holds the tables of Optuna")
    assert found["ledger"]["fix"] == "set MPT_LEDGER_URL to a separate database"
    assert "file is not a database" in found["studies"]["what"]
    assert "point MPT_STUDIES_URL at another path" in found["studies"]["fix"]


@pytest.mark.parametrize("words", [("--gym", "nosuch"), ("--backbone", "./no/folder")])
def test_a_missing_gym_or_backbone_fails_alone(tmp_path, words):
    found = findings(*words, home=tmp_path)
    failed = [name for name, one in found.items() if one["state"] == "fail"]
    assert failed == [words[0].removeprefix("--")]


RAYS = [
    ("", "not used: RAY_ADDRESS names no cluster", ""),
    (
        "head",
        "RAY_ADDRESS is 'head', which is not the address of a head node",
        "give HOST:PORT as `ray start",
    ),
    ("127.0.0.1:9", "no head node answers at 127.0.0.1:9 (", "start it with `ray start --head`"),
]


@pytest.mark.parametrize(("address", "what", "fix"), RAYS)
def test_a_cluster_that_does_not_answer_is_told(address, what, fix, monkeypatch):
    monkeypatch.setattr("mpt.doctor.cluster.find_spec", lambda name: name)
    found = ray({"RAY_ADDRESS": address})
    assert found.what.startswith(what)
    assert found.fix.startswith(fix)
    assert found.state == ("fail" if fix else "ok")


def test_a_head_that_answers_is_found_and_ray_is_asked_for_where_it_is_missing(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        monkeypatch.setattr("mpt.doctor.cluster.find_spec", lambda name: name)
        assert ray({"RAY_ADDRESS": address}).what == f"a head node answers at {address}"
        monkeypatch.setattr("mpt.doctor.cluster.find_spec", lambda name: None)
        assert ray({"RAY_ADDRESS": address}).fix == "pip install -e '.[ray]'"


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    found = folder(tmp_path / "file" / "home")
    assert (found.state, found.what) == ("fail", f"{tmp_path}/file cannot be written")
    if os.getuid() == 0:
        return  # root may write anywhere
    (tmp_path / "closed").mkdir(mode=0o500)
    assert folder(tmp_path / "closed" / "home").fix.startswith("set MPT_HOME to a writable folder")


def test_a_disk_that_is_nearly_full_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(checkup, "SCARCE", 2**62)
    assert folder(tmp_path).state == "warn"
    monkeypatch.setattr(checkup, "FULL", 2**62)
    assert folder(tmp_path).fix == "free some space, or set MPT_HOME to a larger disk"


def test_a_version_that_mpt_does_not_allow_is_told():
    found = {one.name: one for one in versions(["optuna>=99", "torch>=1"])}
    assert found["torch"].state == found["python"].state == "ok"
    assert found["optuna"].state == "fail"
    assert "needs >=99" in found["optuna"].what
    assert found["optuna"].fix == "pip install 'optuna>=99'"


def test_unsent_and_refused_records_are_counted(tmp_path):
    spool = Spool.begin(tmp_path / "outbox")
    for n in range(3):
        spool.append({"n": n})
    found = findings(home=tmp_path)["outbox"]
    assert (found["state"], found["what"]) == ("warn", "3 records unsent")
    assert "mpt sync" in found["fix"]
    (tmp_path / "outbox" / "refused.jsonl").write_text('{"why": "x"}\n')
    assert "1 refused by the server for good" in findings(home=tmp_path)["outbox"]["what"]
    spool.close()


def test_a_gym_of_one_task_is_healthy_and_can_be_tuned_on(tmp_path):
    gym, home = tmp_path / "gym", tmp_path / "home"
    shutil.copytree(world().gym / "trec", gym / "trec")
    words = ("--gym", str(gym))
    found = findings(*words, home=home)
    assert found["gym"]["state"] == "ok"
    assert "1 task, too few for a setting: `mpt evaluate vocabulary" in found["gym"]["what"]
    assert found["rows"]["state"] in ("ok", "warn")
    study = study_file(tmp_path / "s.yaml", {"gym": str(gym)})
    cure = ("evaluate", "vocabulary", "--tasks", "trec", "--study", study)
    assert mpt(*cure, home=home).code == 0
