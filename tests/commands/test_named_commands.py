"""Commands that messages and docs name are commands that there are, with the options they have."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from terminal import tree_of

from mpt.commands.app import app

ROOT = Path(__file__).parent.parent.parent
NAMED = re.compile(r"`(mpt [a-z][^`\n]*)`")


def named() -> list[str]:
    """Every command between backticks, once; what a message fills in is some word."""
    files = [*(ROOT / "mpt").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    # a text that is broken over two lines of source is one text
    texts = (re.sub(r'"\s*\n\s*f?"', "", file.read_text(encoding="utf-8")) for file in files)
    found = {command for text in texts for command in NAMED.findall(text)}
    return sorted(re.sub(r"\{[^}]*\}", "word", command) for command in found)


@pytest.mark.parametrize("command", named())
def test_a_command_that_is_named_is_there(command):
    words = shlex.split(command.split(" > ")[0].split("  #")[0], posix=False)[1:]
    at = tree_of(app)
    while words and hasattr(at, "commands"):
        assert words[0] in at.commands, f"`{command}`: there is no {words[0]!r}"
        at = at.commands[words.pop(0)]
    known = {name for param in at.params for name in (*param.opts, *param.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, f"`{command}`: no option {word}"
