"""`mpt sweep --partitions FILE --setting NAME` from the outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mpt.commands.app import app
from mpt.errors import ConfigError, UnknownName
from mpt.gym.mini import MiniGym


def refused(tmp_path: Path, monkeypatch, text: str, *words: str) -> BaseException | None:
    """What a sweep over these settings of the embedded gym is told."""
    monkeypatch.setenv("MPT_HOME", str(tmp_path / "home"))
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    ended = CliRunner().invoke(app, ["sweep", "--partitions", str(file), *words])
    assert not (tmp_path / "home").exists()
    return ended.exception


def test_the_file_is_read_from_where_the_command_is_given(tmp_path, monkeypatch):
    first, second, *_ = MiniGym().tasks
    text = f"settings: {{Mine: {{sources: [{first}], targets: [{second}]}}}}"
    wrong = refused(tmp_path, monkeypatch, text, "--setting", "Mien")
    assert isinstance(wrong, UnknownName)
    assert str(wrong).startswith("unknown setting 'Mien' - did you mean 'Mine'?")
    near = f"settings: {{Mine: {{sources: [{first}], targets: [{second}x]}}}}"
    wrong = refused(tmp_path, monkeypatch, near)
    assert isinstance(wrong, UnknownName)
    assert f"unknown task '{second}x' - did you mean '{second}'" in str(wrong)
    assert str(wrong).endswith("It is named in the targets of setting 'Mine'.")


def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"settings file no.yaml cannot be read \(No such file"):
        CliRunner().invoke(app, ["sweep", "--partitions", "no.yaml"], catch_exceptions=False)
