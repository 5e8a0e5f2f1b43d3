"""A prompt or record that is not as it was: one line in every command, and a cure that helps."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from itertools import pairwise

import pytest
from terminal import Said, contents, mpt, study_file

from mpt.doctor.stores import stores
from mpt.store.home import Home
from mpt.store.ledger import Ledger

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    study = study_file(folder / "study.yaml", {"trials": 2})
    assert mpt("sweep", "--study", study, home=folder / "home").code == 0
    return folder


@pytest.fixture
def home(swept, tmp_path):
    return shutil.copytree(swept / "home", tmp_path / "home")


def units(home, kind=None):
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        return list(ledger.units(kind))


def args(home):
    said = mpt("studies", "show", "small", "--json", home=home)
    return [trial["arg"] for trial in json.loads(said.out)["trials"]]


def scores(home):
    return {unit.digest: (unit.result.dev, unit.result.test) for unit in units(home, "cell")}


def set_row(home, digest, **columns):
    with closing(sqlite3.connect(home / "ledger.db")) as ledger:
        for name, value in columns.items():
            ledger.execute(f"UPDATE mpt_units SET {name} = ? WHERE digest = ?", (value, digest))
        ledger.commit()


def flip(file):
    data = bytearray(file.read_bytes())
    data[-3] ^= 0x40
    file.write_bytes(data)


def folder_of(file):
    file.unlink()
    file.mkdir()


def link(file):
    other = next(one for one in file.parent.iterdir() if one != file)
    file.unlink()
    file.symlink_to(other)


FAULTS = {
    "a flipped byte": flip,
    "half of it": lambda file: file.write_bytes(file.read_bytes()[:100]),
    "nothing in it": lambda file: file.write_bytes(b""),
    "no file": lambda file: file.unlink(),
    "a folder": folder_of,
    "a link to another prompt": link,
}


def refused(said: Said) -> str:
    assert said.code == 2, said
    assert "Traceback" not in said.err
    line = said.err.splitlines()[-1]
    assert line.startswith("error: "), said.err
    return line


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_prompt_is_refused_wherever_it_is_read_and_the_cure_helps(
    fault, home, swept, forgotten
):
    digest = one_of(home, "meta").digest
    FAULTS[fault](home / "prompts" / f"{digest}.safetensors")
    study = str(swept / "study.yaml")
    words = {
        "predict": ("predict", digest, "it was good"),
        "export": ("export", digest, str(home / "adapter")),
        "evaluate": ("evaluate", digest, "--study", study, "--tasks", "trec"),
        "show": ("show", digest, "--prompt"),
        "rebuild": ("sync", "--rebuild"),
    }
    for name, command in words.items():
        line = refused(mpt(*command, home=home))
        assert re.search(r"prompt (file .* is (damaged|missing)|path .* is not a file)", line), (
            name,
            line,
        )
        assert f"(`mpt studies forget {digest}`)" in line
    assert not (home / "adapter").exists()
    assert f"{digest}.safetensors" in mpt("show", digest, home=home).out
    said = mpt("studies", "forget", digest, home=home)
    assert said.code == 0, said.err
    assert f"{digest} and 4 units that began from its prompt: forgotten" in said.out
    assert "small: trial" in said.out
    # as if its prompt had been sound: nothing is left that the next sweep could stumble over
    assert digest not in {unit.digest for unit in units(home)}
    assert rows(home) == rows(forgotten["meta"])
    assert contents(home / "prompts") == contents(forgotten["meta"] / "prompts")


def test_two_prompts_that_were_swapped_are_refused(home):
    first, second = (unit.digest for unit in units(home, "meta"))
    files = [home / "prompts" / f"{digest}.safetensors" for digest in (first, second)]
    data = [file.read_bytes() for file in files]
    for file, other in zip(files, reversed(data), strict=True):
        file.write_bytes(other)
    assert "its SHA-256 is" in refused(mpt("predict", first, "a", home=home))
    # as older ledgers had no hash
    for unit in units(home, "meta"):
        result = {
            key: value for key, value in unit.result.stored().items() if key != "prompt_sha256"
        }
        set_row(home, unit.digest, result=json.dumps(result))
    line = refused(mpt("predict", first, "a", home=home))
    assert f"it is the prompt of {second}, not of {first}" in line


def test_a_bad_prompt_is_not_promoted(home):
    for unit in units(home, "meta"):
        flip(home / "prompts" / f"{unit.digest}.safetensors")
    line = refused(mpt("promote", "best", "--settings", "cls-cls", home=home))
    assert "is damaged (its SHA-256" in line


def test_what_is_forgotten_is_named_as_a_digest(home):
    digests = sorted(unit.digest for unit in units(home))
    wrong = ("0" if digests[0][0] != "0" else "1") + digests[0][1:]
    before = contents(home)
    line = mpt("studies", "forget", wrong, home=home).error
    assert f"unknown digest '{wrong}' - did you mean '{digests[0]}'" in line
    # 14 units: two begin alike in one digit, or in none
    shared = next((a[0] for a, b in pairwise(digests) if a[0] == b[0]), None)
    if shared:
        assert f"digests begin with '{shared}'" in mpt("studies", "forget", shared, home=home).error
    changed = {name for name, data in contents(home).items() if before.get(name) != data}
    assert not {name for name in changed if not name.startswith("ledger.db-")}


ROWS = {
    "config is no JSON": {"config": "{"},
    "config is a list": {"config": "[]"},
    "config of another unit": {"config": '{"task":"trec"}'},
    "result is no JSON": {"result": "nonsense"},
    "result is a number": {"result": "3"},
    "a score is missing": {"result": "{}"},
    "a score is NaN": {"result": '{"dev": NaN}'},
    "a score is out of its range": {"result": '{"dev": 7.0}'},
    "a score is out of its metric's range": {"result": '{"dev": -0.5}'},
    "a score is a text": {"result": '{"dev": "0.5"}'},
    "an unknown state": {"state": "finished"},
    "an unknown kind": {"kind": "cells"},
    "no time": {"created": "yesterday"},
    "seconds are no number": {"seconds": "many"},
    "bytes that are no text": {"config": b"\xff\xfe\x00"},
}


KINDS = pytest.mark.parametrize("kind", ["meta", pytest.param("cell", marks=pytest.mark.slow)])


def rows(home):
    with closing(sqlite3.connect(home / "ledger.db")) as ledger:
        return set(ledger.execute("SELECT * FROM mpt_units"))


def one_of(home, kind):
    return next(
        one for one in units(home, kind) if getattr(one.config, "start", "") != "vocabulary"
    )


@pytest.fixture(scope="module")
def forgotten(swept, tmp_path_factory):
    """Homes in which a sound unit of each kind was forgotten."""

    def home_without(kind):
        home = shutil.copytree(swept / "home", tmp_path_factory.mktemp("forgotten") / kind)
        assert mpt("studies", "forget", one_of(home, kind).digest, home=home).code == 0
        return home

    return {kind: home_without(kind) for kind in ("meta", "cell")}


@KINDS
def test_what_was_forgotten_is_computed_again_to_the_same_scores(kind, swept, forgotten, tmp_path):
    home = shutil.copytree(forgotten[kind], tmp_path / "home")
    assert scores(home) != scores(swept / "home")
    again = mpt("sweep", "--study", str(swept / "study.yaml"), home=home)
    assert again.code == 0, again.err
    assert f"{5 if kind == 'meta' else 1} units computed" in again.err
    assert (scores(home), args(home)) == (scores(swept / "home"), args(swept / "home"))
    assert mpt("predict", one_of(home, "meta").digest, "it was good", home=home).code == 0


@pytest.mark.parametrize("fault", ROWS)
@KINDS
def test_a_damaged_row_is_one_line_and_is_forgotten_as_a_sound_one_is(fault, kind, home, forgotten):
    unit, columns = one_of(home, kind), dict(ROWS[fault])
    if columns.get("result", "").startswith("{"):
        if kind == "meta":
            columns["result"] = columns["result"].replace("dev", "curve")
        elif columns["result"] != "{}":
            columns["result"] = json.dumps(
                {**unit.result.stored(), **json.loads(columns["result"])}
            )
    set_row(home, unit.digest, **columns)
    cure = f"`mpt studies forget {unit.digest}`"
    commands = [("sync", "--rebuild")]
    commands += [("predict", unit.digest, "a")] if kind == "meta" else []
    commands += [("report", "--study", "small", "--out", str(home / "r"))] * (kind == "meta")
    for command in commands:
        line = refused(mpt(*command, home=home))
        assert f"row of {unit.digest} is damaged" in line
        assert cure in line
    shown = mpt("show", unit.digest, home=home)
    assert "Traceback" not in shown.err
    # what a task is scored by, only its gym says
    assert cure in shown.err or "metric" in fault
    if "metric" not in fault:
        findings = {one.name: one for one in stores(Home.find({"MPT_HOME": str(home)}))}
        assert cure in findings["units"].fix
    for command in (("studies", "list"), ("studies", "show", "small")):
        assert mpt(*command, home=home).code == 0
    assert mpt("studies", "forget", unit.digest, home=home).code == 0
    assert rows(home) == rows(forgotten[kind])
