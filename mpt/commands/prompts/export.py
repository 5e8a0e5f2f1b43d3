"""`mpt export`: a prompt in the form of another library."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal.console import err, out
from mpt.commands.terminal.options import from_home


class Form(StrEnum):
    """Libraries that a prompt can be written for."""

    PEFT = "peft"


def export(
    prompt: Annotated[str, typer.Argument(help="A digest, or the name of a registered prompt.")],
    folder: Annotated[
        Path, typer.Argument(callback=from_home, help="The folder to write to, new or empty.")
    ],
    to: Annotated[Form, typer.Option(help="The library that will load it.")] = Form.PEFT,
) -> None:
    """Write a prompt as a PEFT adapter.

    The README beside it shows how to use it with PEFT so that it answers as in mpt.

    Example: mpt export mpt-mini-reptile --to peft adapter
    """
    learned = mpt.load_prompt(prompt)
    adapter = learned.to_peft(folder)
    out.line(f"Adapter: {folder} ({to.value}, unit {learned.digest})")
    err.line(f"note: {adapter.note}; see {folder / 'README.md'}")
