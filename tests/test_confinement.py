"""Names that users give become parts of paths; none leads out of the folder that it belongs in."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import contents, mpt, study_file

from mpt.errors import InputError
from mpt.gym.partitions import make_partitions
from mpt.store.artefacts import prompt_path
from mpt.study.study_file import make_study

NAMES = st.text(st.sampled_from("./\\~ ab0-_>:\0\n") | st.characters(), max_size=8)


def stays(name: str, root: Path) -> bool:
    """Whether a file called so lies in the folder, and is not the folder itself."""
    return (root / name).resolve().parent == root.resolve()


@settings(max_examples=300)
@given(name=NAMES)
def test_a_study_that_is_taken_stays_in_its_folder(name, tmp_path_factory):
    root = tmp_path_factory.getbasetemp()
    try:
        title = make_study({"name": name}).title
    except InputError:
        return
    assert stays(title, root)
    assert stays(f"{title}-1", root)


@settings(max_examples=300)
@given(gym=NAMES)
def test_a_study_called_after_its_gym_stays_in_its_folder(gym, tmp_path_factory):
    assert stays(make_study({"gym": gym}).title, tmp_path_factory.getbasetemp())


@settings(max_examples=300)
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


@settings(max_examples=300)
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


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A home with one finished trial, and a file beside it that is nobody's business."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "secret.txt").write_text("s3cret of the user")
    study = study_file(folder / "study.yaml", {"trials": 1})
    said = mpt("sweep", "--study", study, home=folder / "home")
    assert said.code == 0, said.err
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("planted", ["../secret.txt", "link", "/etc/hostname", "prompts"])
def test_an_artefact_that_leads_out_is_neither_read_nor_shown_nor_sent(swept, tmp_path, planted):
    home = tmp_path / "home"
    shutil.copytree(swept / "home", home)
    shutil.copy(swept / "secret.txt", tmp_path)
    (home / "link").symlink_to("../secret.txt")
    with closing(sqlite3.connect(home / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE mpt_units SET artefact = ? WHERE kind = 'meta'", (planted,))
        ((digest,),) = ledger.execute("SELECT digest FROM mpt_units WHERE kind = 'meta'").fetchall()
    fault = f"prompt path {planted!r} " + (
        "is not a file in" if planted == "prompts" else "leads out"
    )
    uri = f"sqlite:///{tmp_path}/other.db"
    shown = mpt("show", digest, home=home)
    assert shown.code == 0
    assert "s3cret" not in shown.out + shown.err
    commands = [
        ("show", digest, "--prompt"),
        ("predict", digest, "a text"),
        ("export", digest, str(tmp_path / "adapter")),
        ("evaluate", digest, "--study", str(swept / "study.yaml")),
        ("sync", "--rebuild", "--tracking-uri", uri),
    ]
    for words in commands:
        said = mpt(*words, home=home)
        assert said.code == 2, (words, said)
        assert fault in said.error, words
        assert "s3cret" not in said.out + said.err
    assert not (tmp_path / "adapter").exists()
    left = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    copies = [path for path in left if b"s3cret" in path.read_bytes()]
    assert copies == [tmp_path / "secret.txt"]
