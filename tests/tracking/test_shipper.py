from __future__ import annotations

import threading
import time

import pytest

from mpt.tracking import uploader as shipper
from mpt.tracking.outbox import lost, orphans
from mpt.tracking.spool import Spool, SpoolEntry
from mpt.tracking.uploader import Refused, Resisted, Shipper, deliver_all


class Server:
    """Takes records unless it is down; remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.attempts = self.times = 0
        self.is_down = False
        self.seconds = 0.0
        self.refuses: set[int] = set()
        self.resists: set[int] = set()

    def __call__(self, entry: SpoolEntry) -> None:
        self.attempts += 1
        time.sleep(self.seconds)
        if self.is_down:
            raise ConnectionError("MLflow at http://x: connection refused")
        if entry.record["n"] in self.refuses:
            raise Refused("MLflow refuses it")
        if entry.record["n"] in self.resists:
            self.times += 1
            if self.times < 4:
                raise Resisted("not this one", self.times)
            self.times = 0
            raise Refused("MLflow takes others, but not this one")
        self.taken.append(entry.record["n"])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(shipper, "LONGEST", 0.02)
    monkeypatch.setattr(shipper, "GRACE", 0.3)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def said():
    return []


def tell(ship: Shipper, numbers: range) -> None:
    for n in numbers:
        ship.own.append({"n": n})
        ship.wake()


def test_records_arrive_in_order(tmp_path, server, said):
    ship = Shipper(tmp_path, server, said.append)
    tell(ship, range(50))
    assert ship.flush(10) == 0
    assert server.taken == list(range(50))
    assert ship.close(10) == 0
    assert said == []
    assert list(tmp_path.iterdir()) == []


def test_an_outage_is_told_once_and_loses_and_doubles_nothing(tmp_path, server, said):
    ship = Shipper(tmp_path, server, said.append)
    tell(ship, range(5))
    assert ship.flush(10) == 0
    server.is_down = True
    tell(ship, range(5, 20))
    while server.attempts < 12:
        time.sleep(0.01)
    assert ship.unsent == 15
    server.is_down = False
    assert ship.flush(10) == 0
    assert server.taken == list(range(20))
    assert said == [
        f"training continues, and its tracking records are kept in {tmp_path}: MLflow at http://x: "
        "connection refused",
        "the tracking server accepts records again",
    ]
    ship.close(1)


def test_new_records_do_not_hammer_a_dead_server(tmp_path, server, said, monkeypatch):
    monkeypatch.setattr(shipper, "LONGEST", 60.0)
    server.is_down = True
    ship = Shipper(tmp_path, server, said.append)
    tell(ship, range(300))
    time.sleep(0.2)
    assert server.attempts <= 2
    ship.close(1)


def test_a_slow_server_slows_nobody_down(tmp_path, server, said):
    server.seconds = 0.2
    ship = Shipper(tmp_path, server, said.append)
    began = time.monotonic()
    tell(ship, range(500))
    assert time.monotonic() - began < 2.0
    began = time.monotonic()
    assert ship.close(timeout=0.5) > 490
    assert time.monotonic() - began < 3.5


def test_a_refused_record_is_put_aside_and_the_others_go_on(tmp_path, server, said):
    server.refuses = {3}
    ship = Shipper(tmp_path, server, said.append)
    tell(ship, range(6))
    assert ship.flush(10) == 0
    ship.close(1)
    assert server.taken == [0, 1, 2, 4, 5]
    assert said == ["MLflow refuses it"]
    assert '"n": 3' in (tmp_path / "refused.jsonl").read_text()


def test_closing_before_a_dead_server_is_quick_and_the_next_one_sends_first(tmp_path, server, said):
    server.is_down = True
    ship = Shipper(tmp_path, server, said.append)
    tell(ship, range(7))
    began = time.monotonic()
    assert ship.close(timeout=60) == 7
    assert time.monotonic() - began < 3
    server.is_down = False
    again = Shipper(tmp_path, server, said.append)
    tell(again, range(7, 10))
    assert again.close(timeout=10) == 0
    assert server.taken == list(range(10))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_dies_while_closing_is_not_waited_for(tmp_path, server, said):
    server.seconds = 0.05
    ship = Shipper(tmp_path, server, said.append)
    tell(ship, range(100))
    threading.Timer(0.3, lambda: setattr(server, "is_down", True)).start()
    began = time.monotonic()
    left = ship.close(timeout=60)
    assert time.monotonic() - began < 3
    assert left == 100 - len(server.taken)


def test_sending_here_and_now_stops_at_the_first_that_is_not_taken(tmp_path, server, said):
    for start in (0, 10):
        spool = Spool.begin(tmp_path)
        for n in range(start, start + 10):
            spool.append({"n": n})
        spool.close()
    spools = orphans(tmp_path)
    server.is_down = True
    assert deliver_all(spools, server, outbox=tmp_path, warn=said.append) == 0
    assert said == ["MLflow at http://x: connection refused"]
    server.is_down = False
    assert deliver_all(spools, server, outbox=tmp_path, warn=said.append) == 20
    assert server.taken == list(range(20))
    for spool in spools:
        spool.close()


@pytest.mark.parametrize("here_and_now", [False, True])
def test_a_record_that_the_server_resists_holds_nothing_up_for_good(
    tmp_path, server, said, here_and_now
):
    server.resists = {2}
    if here_and_now:
        spool = Spool.begin(tmp_path)
        for n in range(6):
            spool.append({"n": n})
        assert deliver_all([spool], server, outbox=tmp_path, warn=said.append) == 5
        spool.close()
    else:
        ship = Shipper(tmp_path, server, said.append)
        tell(ship, range(6))
        assert ship.close(10) == 0
    assert server.taken == [0, 1, 3, 4, 5]
    assert server.attempts == 9
    assert said == ["MLflow takes others, but not this one"]
    assert '"n": 2' in (tmp_path / "refused.jsonl").read_text()


@pytest.mark.parametrize("here_and_now", [False, True])
def test_what_the_disk_lost_is_told_and_remembered(tmp_path, server, said, here_and_now):
    spool = Spool.begin(tmp_path)
    for n in range(6):
        spool.append({"n": n})
    spool.close()
    file = spool.folder / "000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"n":5', b'"n":6').replace(b'"n":2', b'"n":6'))
    if here_and_now:
        (spool,) = orphans(tmp_path)
        assert deliver_all([spool], server, outbox=tmp_path, warn=said.append) == 4
        spool.close()
    else:
        ship, deadline = Shipper(tmp_path, server, said.append), time.monotonic() + 10
        while len(said) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert ship.close(10) == 0
    assert server.taken == [0, 1, 3, 4]
    told = f"1 tracking record was damaged or deleted in {spool.folder} and left out; "
    assert [line.partition("`")[0] for line in said] == [told, told]
    assert said[0].endswith(
        "`mpt sync` logs every study again from the ledger, and a promotion, campaign or single "
        "run is logged again by its own command, which computes nothing"
    )
    assert lost(tmp_path) == 2


def test_a_refusal_that_cannot_be_written_down_says_so(tmp_path, server, said):
    (tmp_path / "refused.jsonl").mkdir()
    server.refuses = {0}
    ship = Shipper(tmp_path, server, said.append)
    tell(ship, range(2))
    assert ship.close(10) == 0
    assert said == ["MLflow refuses it (which could not be written: Is a directory)"]
