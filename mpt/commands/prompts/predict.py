"""`mpt predict`: answers to texts with a recorded prompt."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal.console import out
from mpt.errors import InputError


def predict(
    prompt: Annotated[str, typer.Argument(help="A digest, or the name of a registered prompt.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts to answer (default: lines of standard input)")
    ] = None,
) -> None:
    """Answer texts with a prompt.

    One line is printed per text, in the order given. Standard input and output are UTF-8 and split
    at line feeds only, so that as many lines come out as went in. Within an answer, other line
    ends become blanks and other control characters are written as \\x1b.

    Example: mpt predict mpt-mini-reptile "it was good" "it was bad"
    """
    from mpt.files.escaping import one_line

    asked = texts or _lines()
    if not asked:
        raise InputError(
            "there is no text to answer",
            fix="give texts behind the prompt, or on stdin",
        )
    for answer in mpt.load_prompt(prompt).predict(asked):
        out.raw(one_line(answer))


def _lines() -> list[str]:
    """The lines of standard input, parted at line feeds alone."""
    from mpt.files.reading import lines_of

    try:
        return lines_of(sys.stdin.buffer.read()) if sys.stdin else []
    except OSError as wrong:
        raise InputError(
            f"standard input cannot be read ({wrong.strerror})",
            fix="give a file of texts, a line each",
        ) from None
    except ValueError as wrong:
        raise InputError(f"standard input, {wrong}") from None
