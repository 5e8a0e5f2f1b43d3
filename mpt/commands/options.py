"""Options that several commands share: where work is computed, how, and where runs are told of."""

from __future__ import annotations

from typing import Annotated

import typer

Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N.")]
MetaEngine = Annotated[
    str, typer.Option(help="MAML's gradient: auto, graph, recursion or higher; all are exact.")
]
TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow server (default: a local store under mlruns/)")
]
