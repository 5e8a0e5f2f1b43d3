"""Options that several commands share: where work is computed, how, and where runs are tracked."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from mpt.commands.terminal import completion
from mpt.methods import METHODS, engine_names

Device = Annotated[
    str | None, typer.Option(help="cpu, cuda or cuda:N (default: cuda where there is one)")
]

Devices = Annotated[
    str | None,
    typer.Option(help="GPUs of this machine, a process for each: auto, or numbers such as 0,1."),
]


def either(names: Iterable[str]) -> str:
    """``a, b or c``."""
    *most, last = names
    return f"{', '.join(most)} or {last}"


Method = Annotated[
    str | None,
    typer.Option(
        autocompletion=completion.methods,
        help=f"{either(METHODS)} (default: reptile)",
        show_default=False,
    ),
]
METHODS_LISTED = "\n\n".join(f"{name}: {known.summary}." for name, known in METHODS.items())
"""What each method does, for the end of a help page."""

MetaEngine = Annotated[
    str,
    typer.Option(help=f"How gradients of order 2 are computed: {either(engine_names())}."),
]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="Compute the same bits in every run on a GPU; slower."),
]
TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow server (default: a local store under mlruns/)")
]

Experiment = Annotated[
    str | None,
    typer.Option(help="MLflow experiment of the runs (default: MLFLOW_EXPERIMENT_NAME, or mpt)"),
]


Quiet = Annotated[bool, typer.Option("--quiet", help="Print only results, warnings and errors.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", help="Print progress as lines with the time of day, and what libraries log."
    ),
]


def from_home(path: Path | None) -> Path | None:
    """A path that was given, ``~`` expanded: a shell leaves it as it is in ``--out=~/folder``."""
    if path is not None:
        # of a user who is none, the path stays as it is and leads nowhere
        with suppress(RuntimeError):
            return path.expanduser()
    return path


def given(**options: object) -> dict[str, object]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def by_commas(names: str | None) -> tuple[str, ...]:
    """Return names that were given with commas between them, each once."""
    return tuple(dict.fromkeys(name.strip() for name in names.split(","))) if names else ()
