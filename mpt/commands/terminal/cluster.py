"""The options `--ray` and `--gpus-per-pack`: where the packs of a command are computed."""

from __future__ import annotations

from typing import Annotated

import typer

Ray = Annotated[
    str | None,
    typer.Option(
        help="Compute on a Ray cluster: auto (RAY_ADDRESS, or this machine's), local (a cluster "
        "on this machine, for this command) or HOST:PORT."
    ),
]
GpusPerPack = Annotated[
    float | None,
    typer.Option(help="GPUs per pack on Ray, e.g. 0.5 (default: 1 where there are any)"),
]
