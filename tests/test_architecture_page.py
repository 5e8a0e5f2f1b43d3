"""`docs/architecture.md` draws the rooms that there are, and names files that there are."""

from __future__ import annotations

import re
import tomllib

import pytest


@pytest.fixture(scope="module")
def page(repository) -> str:
    return (repository / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_drawing_has_every_room_once(page, repository):
    (drawing,) = re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL)
    names = [word for line in drawing.splitlines() for word in line[:20].split()]
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert sorted(names) == sorted(re.findall(r"\w+", " ".join(layers)))


def test_every_file_that_is_named_is_there(page, repository):
    paths = [
        path for path in re.findall(r"`([\w./-]+)`", page) if "/" in path or path.endswith(".py")
    ]
    assert paths
    folder = ""
    for path in paths:
        places = (repository / path, repository / "mpt" / path, repository / "mpt" / folder / path)
        assert any(place.exists() for place in places), path
        folder = path.rpartition("/")[0] or folder
