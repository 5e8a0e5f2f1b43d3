"""The README is executed: its commands parse and run, its paths exist, its map is the territory."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
import yaml
from terminal import mpt, study_file, world

from mpt.commands.app import app
from mpt.gym.partitions import read_partitions
from mpt.study.presets import read_preset
from mpt.study.study_file import read_study

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
SHELL = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line]
COMMANDS = [
    part.strip()
    for line in SHELL
    for part in line.partition("#")[0].split("&&")
    if part.strip().startswith("mpt ")
]
RESULTS = """\
setting,method,task,seed,dev,test
A->B,PT,boolq,13,0.5,0.5
A->B,MAML,boolq,13,0.5,0.6
"""


def test_the_first_command_is_the_promise():
    assert SHELL[0] == "pip install -e . && mpt sweep --method reptile"
    assert "pip install -e '.[test]' && pytest" in SHELL


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line):
    words = shlex.split(line)[1:]
    command = typer.main.get_command(app)
    while inside := getattr(command, "commands", {}):
        command, words = inside[words[0]], words[1:]
    assert command.make_context(line, words).params.keys()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder laid out as the README's commands expect it, on the small world."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(world().gym, folder / "path" / "to" / "gym")
    # instead of hours on T5-Large: the same file name, a study of two trials
    study_file(folder / "sweeps" / "paper.yaml", {"trials": 2, "setting": "R->R"})
    (folder / "results.csv").write_text(RESULTS)
    return folder


def replaced(line: str, place: Path) -> list[str]:
    """The words of a line; what would run for minutes is run on the small study instead."""
    words = shlex.split(line)[1:]
    if words[0] == "sweep" and "--study" not in words:
        words += ["--study", "sweeps/paper.yaml", "--name", f"line-{COMMANDS.index(line)}"]
    return words


@pytest.mark.slow
def test_every_command_runs(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr("mpt.tracking.mlflow_tracker.serve_ui", lambda home, host, port, names: 0)
    for line in COMMANDS:
        said = mpt(*replaced(line, place), home=place / "home")
        assert said.code == 0, (line, said.err)
        assert "Traceback" not in said.err
    with_json = next(line for line in COMMANDS if "--json" in line)
    assert json.loads(mpt(*replaced(with_json, place), home=place / "home").out)


def test_the_map_lists_every_folder_that_exists_and_no_other(repository):
    (text,) = (text for kind, text in BLOCKS if kind == "text" and "mpt/" in text)
    here, named = "", set()
    for line in text.splitlines():
        word = line.split()[0]
        if not line.startswith("  "):
            here = ""
        if line.startswith("    "):
            continue
        named.add(here + word)
        here = word if word == "mpt/" else here
    for word in named:
        assert (repository / word).exists(), word
    rooms = {f"mpt/{path.parent.name}/" for path in (repository / "mpt").glob("*/__init__.py")}
    assert rooms <= named
    tracked = {"sweeps/", "docker/", "docs/", "tests/", "mlruns/"}
    assert tracked <= named


def test_every_path_that_is_mentioned_exists(repository):
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("http") or (repository / link).exists(), link


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).resolve().parent.parent / "sweeps").glob("*.yaml")), ids=str
)
def test_every_file_of_sweeps_is_valid_and_can_say_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    given = yaml.safe_load(text)
    if "settings" in given:
        assert read_partitions(path).settings
    elif given.keys() & {"variants", "pairs"}:
        assert read_preset(path).title
    elif "recipes" in given:
        # what presets extend, and are tested with
        assert given.keys() == {"study", "recipes"}
    else:
        study = read_study(path, {})
        assert study.title
        assert study.space.dimensions(study.method)
