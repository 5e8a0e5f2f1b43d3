"""`mpt predict`: answers to texts with a recorded prompt."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mpt.errors import InputError


def predict(
    prompt: Annotated[str, typer.Argument(help="A digest, or the name of a registered prompt.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Inputs [default: lines of standard input]")
    ] = None,
) -> None:
    """Answer texts with a prompt, one line each, in the order they were given.

    Example: mpt predict mpt-mini-reptile "it was good" "it was bad"
    """
    from mpt.lab.home import Home
    from mpt.lab.origin import find_prompt
    from mpt.lab.predict import predict as run
    from mpt.lab.recorded import open_ledger

    asked = texts or sys.stdin.read().splitlines()
    if not asked:
        raise InputError("there is no text to answer; give texts behind the prompt, or on stdin")
    home = Home.find()
    with open_ledger(home) as ledger:
        unit = find_prompt(ledger, home, prompt)
    if unit.artefact is None:
        raise InputError(f"unit {unit.digest} is {unit.state} and has no prompt to answer with")
    for answer in run(home.root / unit.artefact, unit.config, asked):
        typer.echo(" ".join(answer.splitlines()))
