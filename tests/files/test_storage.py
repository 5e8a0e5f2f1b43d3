"""Names of others: what they may lead to."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpt.errors import DataError
from mpt.files.atomic import contained


@pytest.fixture
def home(tmp_path):
    (tmp_path / "secret").write_text("s")
    folder = tmp_path / "home"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "a").write_text("a")
    (folder / "beside").symlink_to("prompts/a")
    (folder / "out").symlink_to("../secret")
    (folder / "up").symlink_to("..")
    (folder / "round").symlink_to("round")
    os.mkfifo(folder / "pipe")
    return folder


def found(folder, name):
    return contained(folder, name, "the artefact of 1f2e", "mend it")


@pytest.mark.parametrize("name", ["prompts/a", "prompts/../prompts/a", "./prompts//a", "beside"])
def test_a_name_leads_to_a_file_inside(home, name):
    assert found(home, name) == (home / "prompts" / "a").resolve()
    assert found(home, (home / name).absolute()) == (home / "prompts" / "a").resolve()


def test_a_file_need_not_be_there_and_the_folder_may_be_a_link(home, tmp_path):
    (tmp_path / "link").symlink_to(home)
    assert found(tmp_path / "link", "prompts/b") == (home / "prompts" / "b").resolve()


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "out", "up/secret", "prompts/../../secret", "..", "up"]
)
def test_a_name_that_leads_out_is_refused(home, name):
    with pytest.raises(DataError) as refused:
        found(home, name)
    what = f"the artefact of 1f2e {name!r} leads out of {home}; mend it"
    assert str(refused.value) == what


@pytest.mark.parametrize("name", ["prompts", ".", "", "pipe", "round", "a\0b", "x" * 5000])
def test_what_is_no_file_is_refused(home, name):
    with pytest.raises(DataError) as refused:
        found(home, name)
    assert str(refused.value) == f"the artefact of 1f2e {name!r} is not a file in {home}; mend it"


@given(name=st.text(alphabet="./aoutp~ \n\0\x1b", max_size=12))
def test_whatever_the_name_it_stays_inside_or_is_refused(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("home")
    (folder / "out").symlink_to("..")
    try:
        assert found(folder, name).is_relative_to(folder.resolve())
    except DataError as error:
        refused = str(error)
        assert len(refused.splitlines()) == 1
