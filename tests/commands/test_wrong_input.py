"""Whatever is wrong with a command: one line that says so, exit code 2, and nothing written."""

from __future__ import annotations

import os
import shutil
import sqlite3
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import contents, mpt, study_file, world

from mpt.errors import InputError
from mpt.methods import METHODS


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def refused(*words, home, **variables):
    """The line that refuses a command; fails if anything was written."""
    before = contents(home) if home.exists() else None
    said = mpt(*words, home=home, **variables)
    assert said.code == 2, said
    assert said.out == ""
    assert (contents(home) if home.exists() else None) == before
    return said.error


OPTIONS = {
    "a near miss of a method": (
        ["--method", "reptil"],
        f"unknown method 'reptil' - did you mean 'reptile'? Known: {', '.join(sorted(METHODS))}.",
    ),
    "a gym by a name": (["--gym", "min"], "unknown gym 'min' - did you mean 'mini'?"),
    "an unknown meta engine": (
        ["--meta-engine", "recursive"],
        "unknown meta engine 'recursive' - did you mean 'recursion'",
    ),
    "a missing folder": (["--gym", "no/such"], "gym folder no/such does not exist; give a folder"),
    "no trials": (["--trials", "0"], "'trials' is 0: input should be greater than or equal to 1"),
    "no pack": (["--pack", "0"], "'pack' is 0: input should be greater than or equal to 1"),
    "a bad name": (["--name", "../x"], "'name' is '../x': a name must consist of letters, digits"),
    "a missing file": (["--study", "no.yaml"], "study file no.yaml cannot be read (No such file"),
    "a device of no kind": (["--device", "gpu"], "unknown device 'gpu'; give cpu, cuda or cuda:N"),
    "a device mpt does not use": (["--device", "meta"], "mpt does not compute on 'meta'; give cpu"),
    "no tracking address": (
        ["--tracking-uri", "ftp://host/x"],
        "runs cannot be tracked at 'ftp://host/x'; give a server such as http://127.0.0.1:5000",
    ),
    "a type": (["--trials", "many"], "Invalid value for '--trials': Input should be a valid integ"),
    "an option": (["--trails", "3"], "No such option: --trails"),
    "an option without a value": (["--trials"], "Option '--trials' requires an argument"),
    "a word too many": (["reptile"], "Got unexpected extra argument(s) (reptile)"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_is_refused(case, home):
    words, line = OPTIONS[case]
    assert line in refused("sweep", *words, home=home)


STUDIES = {
    "unknown key": ({"methd": "maml"}, "unknown key 'methd' - did you mean 'method'?"),
    "unknown key inside": ({"outer": {"rate": 1}}, "unknown key 'outer.rate'"),
    "wrong type": ({"trials": "many"}, "'trials' is 'many': input should be a valid integer"),
    "negative rate": (
        {"space": {"outer_lr": {"low": -0.1, "high": 1.0}}},
        "'space.outer_lr.low' is -0.1: input should be greater than 0",
    ),
    "unknown method": ({"method": "mamel"}, "'method' is 'mamel'"),
    "unknown task": (
        {"validation": {"tasks": ["trek"]}},
        "unknown task 'trek' - did you mean 'trec'",
    ),
    "unknown source": (
        {"sources": ["glue-mrcp"]},
        "unknown task 'glue-mrcp' - did you mean 'glue-mrpc'",
    ),
    "unknown setting": (
        {"setting": "Cls->Clz", "sources": None},
        "unknown setting 'Cls->Clz' - did you mean 'Cls->Cls'",
    ),
    "unknown final setting": ({"final": {"settings": ["Nope"]}}, "unknown setting 'Nope'"),
    "a source that is judged": (
        {"sources": ["trec", "glue-qqp"]},
        "has trec among its sources and its targets",
    ),
    "no tasks": ({"validation": {"tasks": []}}, "'validation.tasks' is []: give at least one"),
    "no sources": ({"sources": []}, "'sources' is []: give at least one value"),
    "no seeds": ({"source_seeds": []}, "'source_seeds' is []: give at least one value"),
    "a seed twice": ({"source_seeds": [13, 13]}, "repeated: 13; name each value once"),
    "a seed without rows": (
        {"final": {"seeds": [13, 14]}},
        "'final.seeds' is [13, 14]: there are no rows for 14; choose data seeds from 13, 21, 42, "
        "87, 100",
    ),
    "missing backbone": (
        {"backbone": {"name": "/no/such"}},
        "backbone '/no/such': there is no such folder",
    ),
    "missing gym": ({"gym": "/no/such"}, "gym folder /no/such does not exist"),
    "an object for a list": ({"sources": "trec"}, "'sources' is 'trec': input should be a list"),
    "a name for an object": ({"backbone": "mini"}, "'backbone' is 'mini': input should be a mappi"),
}


@pytest.mark.parametrize("case", STUDIES)
def test_a_study_file_is_refused(case, home, tmp_path):
    changes, line = STUDIES[case]
    path = study_file(tmp_path / "study.yaml", changes)
    assert line in refused("sweep", "--study", path, home=home)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("trials: [3\npack: 2\n", "cannot be read as YAML: line 2, column 5: expected ',' or ']'"),
        ("- a\n", "holds list, not a mapping of keys"),
        ("", "holds NoneType, not a mapping of keys"),
        (
            "trials: 3\n\tpack: 2\n",
            "cannot be read as YAML: line 2, column 1: found character '\\t'",
        ),
        ("method: \xff\n", "cannot be read as YAML"),
    ],
)
def test_a_file_that_is_no_study_is_refused(text, line, home, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes(text.encode("latin-1"))
    assert line in refused("sweep", "--study", path, home=home)


def test_a_folder_that_is_no_study_file_is_refused(home, tmp_path):
    assert "(Is a directory)" in refused("sweep", "--study", tmp_path, home=home)


def test_a_line_without_a_tab_is_named_by_file_and_number(home, tmp_path):
    gym = shutil.copytree(world().gym, tmp_path / "gym")
    file = gym / "trec" / "trec_16_13_dev.tsv"
    lines = file.read_text().splitlines()
    lines[2] = "there is no tab here"
    file.write_text("\n".join(lines) + "\n")
    path = study_file(tmp_path / "study.yaml", {"gym": str(gym)})
    line = refused("sweep", "--study", path, home=home)
    assert f"{file}:3: no tab between input and target in 'there is no tab here'" in line


def test_an_empty_folder_is_refused(home, tmp_path):
    (tmp_path / "gym").mkdir()
    line = refused("sweep", "--gym", tmp_path / "gym", home=home)
    assert f"gym folder {tmp_path / 'gym'} holds no task" in line


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused(home):
    line = refused("sweep", "--device", "cuda", home=home)
    assert "device 'cuda' was asked for, but torch sees 0 CUDA devices; give cpu" in line


NOTHING_YET = {
    "promote": (["promote", "best"], "there is no study in"),
    "promote a number": (["promote", "3", "--json"], "there is no study in"),
    "promote from a study": (["promote", "best", "--study", "x"], "there is no study in"),
    "show": (["studies", "show", "x"], "begin one with `mpt sweep --method reptile`"),
    "a command": (["swep"], "No such command 'swep'. Did you mean 'sweep'? (see `mpt --help`)"),
    "a command of a group": (["studies", "lst"], "No such command 'lst'"),
    "a missing argument": (["arg"], "Missing argument 'file' (see `mpt arg --help`)"),
    "a port": (["ui", "--port", "0"], "Invalid value for '--port'"),
    "an address to sync with": (["sync", "--tracking-uri", "x"], "runs cannot be tracked at 'x'"),
}


@pytest.mark.parametrize("case", NOTHING_YET)
def test_nothing_is_made_where_nothing_has_been(case, home):
    words, line = NOTHING_YET[case]
    assert line in refused(*words, home=home)


def test_an_empty_home_is_no_error_to_look_at(home):
    listed = mpt("studies", "list", home=home)
    assert (listed.code, listed.out) == (0, "")
    assert listed.err == "no study yet; begin one with `mpt sweep --method reptile`\n"
    assert mpt("sync", home=home).out == "0 records sent, 0 left\n"
    assert not home.exists()


def test_stores_that_share_a_database_are_refused(home, tmp_path):
    path = study_file(tmp_path / "study.yaml")
    one = f"sqlite:///{tmp_path / 'one.db'}"
    line = refused("sweep", "--study", path, home=home, MPT_STUDIES_URL=one, MPT_TRACKING_URI=one)
    assert "the studies and tracking stores are the same database" in line
    line = refused("sweep", "--study", path, "--tracking-uri", one, home=home, MPT_LEDGER_URL=one)
    assert "the ledger and tracking stores are the same database" in line
    assert not (tmp_path / "one.db").exists()


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("MPT_LEDGER_URL", "the ledger cannot be kept in 'foo://host/x'"),
        ("MPT_STUDIES_URL", "the studies store foo://host/x cannot be opened"),
        ("MPT_TRACKING_URI", "runs cannot be tracked at 'foo://host/x'"),
    ],
)
def test_an_address_of_no_store_is_refused(variable, line, home, tmp_path):
    path = study_file(tmp_path / "study.yaml")
    assert line in refused("sweep", "--study", path, home=home, **{variable: "foo://host/x"})


@pytest.mark.parametrize("store", ["ledger", "studies"])
def test_a_file_that_is_no_database_is_refused(store, home, tmp_path):
    path = study_file(tmp_path / "study.yaml")
    home.mkdir()
    (home / f"{store}.db").write_text("a text file that somebody put here " * 100)
    line = refused("sweep", "--study", path, home=home)
    assert f"{home / store}.db" in line
    assert "not a database" in line


def test_reading_another_tool_s_database_leaves_it_alone(home, tmp_path):
    home.mkdir()
    with sqlite3.connect(home / "other.db") as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    url = f"sqlite:///{home / 'other.db'}"
    for words in (["studies", "list"], ["promote"], ["studies", "show", "x"]):
        line = refused(*words, home=home, MPT_STUDIES_URL=url)
        assert "it must be a database of its own" in line


def test_a_home_that_cannot_be_made_is_refused(tmp_path):
    path = study_file(tmp_path / "study.yaml")
    (tmp_path / "file").write_text("")
    said = mpt("sweep", "--study", path, home=tmp_path / "file" / "home")
    assert said.code == 2
    assert "cannot be written (Not a directory); set MPT_HOME" in said.error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_without_permission_is_refused(tmp_path):
    path = study_file(tmp_path / "study.yaml")
    (tmp_path / "locked").mkdir(mode=0o500)
    line = refused("sweep", "--study", path, home=tmp_path / "locked")
    assert "cannot be written" in line


WORDS = (
    *("sweep", "promote", "studies", "list", "show", "sync", "gym", "arg", "--method", "maml"),
    *("-1", "--trials", "0", "--json", "--study", "--device", "best", "", "--", "-x", "=", "ü"),
)


@settings(max_examples=100)
@given(words=st.lists(st.sampled_from(WORDS), max_size=5))
def test_any_words_are_a_command_or_a_clean_refusal(words, tmp_path_factory):
    home = tmp_path_factory.getbasetemp() / "never"
    with patch("mpt.api.work.session.Session.__init__", side_effect=InputError("enough")):
        said = mpt(*words, home=home)
    assert said.code in (0, 2)
    assert "Traceback" not in said.err
    if said.code and said.err:
        assert said.error
    assert not home.exists()
