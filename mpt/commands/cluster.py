"""The options `--ray` and `--gpus-per-pack`: where the packs of a command are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mpt.errors import ConfigError

if TYPE_CHECKING:
    from mpt.compute.fleet import Fleet

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


@contextmanager
def find_fleet(
    ray: str | None, gpus: float | None, device: str | None, warn: Callable[[str], None]
) -> Iterator[Fleet]:
    """This process, or the cluster that is meant.

    Raises:
        InputError: there is no such cluster, or Ray is not installed.
        ConfigError: nothing in it can take a pack, or options that do not go together.
    """
    from mpt.compute.fleet import LocalFleet

    if ray is None:
        if gpus is not None:
            raise ConfigError("--gpus-per-pack is for packs on a Ray cluster; give --ray too")
        yield LocalFleet()
        return
    if (device or "").startswith("cuda:"):
        raise ConfigError(
            f"--device {device} with --ray: Ray gives each pack its GPU; leave --device out, or "
            "give cpu to leave GPUs alone"
        )
    from mpt.compute.ray_cluster import joined, share
    from mpt.compute.ray_fleet import RayFleet

    with joined(ray):
        yield RayFleet(share(gpus, device), warn)
