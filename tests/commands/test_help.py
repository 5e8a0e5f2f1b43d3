"""Help is the manual: every command has it, it fits a terminal, and it costs no heavy import."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import pytest
from terminal import mpt, tree_of

from mpt.commands.app import app
from mpt.version import __version__


def every_command(command, path=()):
    """(words, command) of every command and group, the root among them."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_command(inner, (*path, name))


COMMANDS = dict(every_command(tree_of(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_help_says_what_a_command_does_and_fits(path, columns, tmp_path):
    said = mpt(*path, "--help", home=tmp_path / "never", columns=columns)
    assert said.code == 0
    assert said.err == ""
    assert f"Usage: mpt {' '.join(path)}".rstrip() in said.out
    assert max(map(len, said.out.splitlines())) <= columns
    assert "…" not in said.out, "a word is cut off"
    assert mpt(*path, "-h", home=tmp_path, columns=columns).out == said.out


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_explained(path):
    command = COMMANDS[path]
    assert command.help
    for parameter in command.params:
        if parameter.name not in ("install_completion", "show_completion"):
            assert parameter.help, f"{parameter.name} of mpt {' '.join(path)}"


@pytest.mark.parametrize(
    "path", [path for path, command in COMMANDS.items() if not hasattr(command, "commands")]
)
def test_every_command_shows_an_example_of_itself(path):
    assert f"Example: mpt {' '.join(path)}" in " ".join(COMMANDS[path].help.split())


@pytest.mark.parametrize("path", [(), ("studies",), ("gym",)], ids=" ".join)
def test_a_group_without_a_command_shows_its_help(path, tmp_path):
    said = mpt(*path, home=tmp_path / "never")
    assert said.code == 2
    assert "COMMAND [ARGS]..." in said.out
    assert said.err == ""


def test_the_version_is_printed(tmp_path):
    said = mpt("--version", home=tmp_path)
    assert (said.code, said.out) == (0, f"mpt {__version__}\n")


def test_help_imports_nothing_heavy():
    heavy = ("torch", "transformers", "mlflow", "optuna", "sqlalchemy", "matplotlib", "pandas")
    program = (
        "import sys; sys.argv = ['mpt', 'sweep', '--help']\n"
        "from mpt.commands.app import main\n"
        "try: main()\n"
        f"finally: print([name for name in {heavy!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fills_the_width_and_names_no_type_for_switches(path, tmp_path):
    said = mpt(*path, "--help", home=tmp_path / "never", columns=140).out
    assert "<bool>" not in said
    # no line of a paragraph ends where its source line did, well before the width
    text = said.partition("╭")[0].splitlines()
    for line, after in pairwise(text):
        if line.strip() and after.strip() and not after.strip().startswith("Example:"):
            first = after.split()[0]
            assert len(line.rstrip()) + 1 + len(first) > 138, line


def test_commands_stand_in_groups(tmp_path):
    said = mpt("--help", home=tmp_path / "never").out
    panels = ("Search", "Final evaluation", "Prompts", "Gym", "Tracking", "Machines")
    assert all(f"╭─ {panel} ─" in said for panel in panels)
    assert "╭─ Commands ─" not in said


def test_no_color_drops_bold_too(tmp_path):
    script = (
        "import os, pty, sys; from mpt.commands.terminal.console import out; "
        "out.line('word', 'bold green')"
    )
    environment = {**os.environ, "FORCE_COLOR": "1"}
    run = [sys.executable, "-c", script]
    coloured = subprocess.run(run, capture_output=True, text=True, env=environment, check=True)
    assert "\x1b[" in coloured.stdout
    plain = subprocess.run(
        run, capture_output=True, text=True, env={**environment, "NO_COLOR": "1"}, check=True
    )
    assert plain.stdout == "word\n"
