"""--quiet, --verbose, and the line that says at once what a sweep will run."""

from __future__ import annotations

import logging
import re

import pytest
from terminal import mpt, study_file

from mpt.commands.terminal.console import ConsoleProgress, Terminal


@pytest.fixture
def root():
    """The root logger, left as it was."""
    logger = logging.getLogger()
    handlers, level = [*logger.handlers], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def lines(monkeypatch):
    printed: list[str] = []
    monkeypatch.setattr("mpt.commands.terminal.console.err.line", printed.append)
    return printed


def test_quiet_leaves_warnings_alone(lines):
    progress = ConsoleProgress(quiet=True)
    with progress.stage("a stage", 2) as advance:
        advance(2)
    progress.say("a note")
    progress.say("warning: low disk")
    assert lines == ["warning: low disk"]


def test_verbose_tells_the_time_and_what_libraries_log(lines, root):
    progress = ConsoleProgress(verbose=True)
    progress.say("a note")
    logging.getLogger("a.library").info("trial 3 began")
    logging.getLogger("mpt.lab").info("printed elsewhere")
    note, logged = lines
    assert re.fullmatch(r"\d\d:\d\d:\d\d a note", note)
    assert re.fullmatch(r"\d\d:\d\d:\d\d a\.library: trial 3 began", logged)


def test_by_default_lines_stand_as_they_are(lines):
    ConsoleProgress().say("a note")
    assert lines == ["a note"]


def test_a_terminal_shows_what_will_run_before_anything_is_loaded(tmp_path, monkeypatch):
    study = study_file(tmp_path / "study.yaml")
    words = ("sweep", "--study", study, "--device", "tpu")
    assert mpt(*words, home=tmp_path / "home").err.count("\n") == 1
    monkeypatch.setattr(Terminal, "is_terminal", True)
    said = mpt(*words, home=tmp_path / "home")
    banner, error = said.err.splitlines()
    assert banner.startswith("small: fomaml on Cls->Cls, 3 trials (tpe) over outer_lr; gym /")
    assert banner.endswith("device tpu")
    assert error.startswith("error: ")
    assert mpt(*words, "--quiet", home=tmp_path / "home").err.splitlines() == [error]
