"""Names that users give become parts of paths; none leads out of the folder that it belongs in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import contents, mpt

from mpt.errors import InputError
from mpt.gym.partitions import make_partitions
from mpt.lab.artefacts import prompt_path
from mpt.lab.study_file import make_study

SAME = {"derandomize": True, "database": None, "deadline": None}
NAMES = st.text(st.sampled_from("./\\~ ab0-_>:\0\n") | st.characters(), max_size=8)


def stays(name: str, root: Path) -> bool:
    """Whether a file called so lies in the folder, and is not the folder itself."""
    return (root / name).resolve().parent == root.resolve()


@settings(max_examples=300, **SAME)
@given(name=NAMES)
def test_a_study_that_is_taken_stays_in_its_folder(name, tmp_path_factory):
    root = tmp_path_factory.getbasetemp()
    try:
        title = make_study({"name": name}).title
    except InputError:
        return
    assert stays(title, root)
    assert stays(f"{title}-1", root)


@settings(max_examples=300, **SAME)
@given(gym=NAMES)
def test_a_study_called_after_its_gym_stays_in_its_folder(gym, tmp_path_factory):
    assert stays(make_study({"gym": gym}).title, tmp_path_factory.getbasetemp())


@settings(max_examples=300, **SAME)
@given(name=NAMES)
def test_a_setting_that_is_taken_has_a_name_for_files(name, tmp_path_factory):
    sides = {"sources": ["a"], "targets": ["b"]}
    try:
        partitions = make_partitions({"settings": {name: sides}}, "here")
    except InputError:
        return
    (setting,) = partitions.settings
    assert "/" not in setting
    assert "\\" not in setting


@settings(max_examples=300, **SAME)
@given(digest=NAMES)
def test_a_digest_that_is_taken_names_a_prompt(digest):
    try:
        path = prompt_path(digest)
    except InputError:
        return
    assert Path(path).parent == Path("prompts")


OUTSIDE = {
    "a study's name": ["sweep", "--name", "../out"],
    "a study to show": ["studies", "show", "../out"],
    "a study to promote": ["promote", "--study", "../out"],
    "a promotion": ["report", "--promotion", "../out", "--out", "report"],
    "a study to report": ["report", "--study", "../../out", "--out", "report"],
    "a task to show": ["gym", "show", "../out"],
    "a task to build": ["gym", "build", "../out", "--out", "gym"],
    "tasks to mirror": ["gym", "mirror", "--tasks", "../out", "--out", "mirror"],
    "a digest": ["show", "../out"],
    "a prompt to answer with": ["predict", "../out", "a text"],
    "a prompt to export": ["export", "../out", "adapter"],
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(case, tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    said = mpt(*OUTSIDE[case], home=inside / "home")
    assert said.code == 2
    assert said.error
    assert contents(tmp_path) == {"inside": b""}
