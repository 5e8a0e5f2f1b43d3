"""Workers in other processes and on other machines: opened there once, and the same in effect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from socket import gethostname

from mpt.config import BackboneConfig, CellConfig, FineTuneConfig, RunConfig, located
from mpt.errors import DataError, StoreError
from mpt.gym.source import open_gym
from mpt.lab.artefacts import prompt_of
from mpt.lab.home import Home
from mpt.lab.stopping import Stopping
from mpt.lab.unit import Unit
from mpt.lab.worker import Worker


def arrive(
    gym: str,
    backbone: str,
    root: Path,
    device: str | None,
    meta_engine: str,
    folder: Path,
    stopping: Stopping,
    sums: Mapping[str, str],
) -> Worker:
    """A worker as it was opened at the driver, opened in this process once.

    Args:
        backbone: its configuration as JSON.
        root: the home folder; the stores of a home are the driver's alone.
        folder: where the driver was started, in which relative paths are meant.
        sums: of the prompts that units begin from.

    Raises:
        StoreError: the home folder is not there.
        DataError: the gym is not there.
    """
    if not root.is_dir():
        raise StoreError(
            f"the home folder {root} is not there on {gethostname()}; set MPT_HOME to a folder "
            "that all machines share under one path"
        )
    with suppress(OSError):
        os.chdir(folder)
    worker = _opened(gym, backbone, root, device, meta_engine)
    worker.stopping, worker.sums = stopping, dict(sums)
    return worker


@lru_cache(maxsize=1)
def _opened(gym: str, backbone: str, root: Path, device: str | None, meta_engine: str) -> Worker:
    config, home = BackboneConfig.model_validate_json(backbone), Home.find({"MPT_HOME": str(root)})
    return Worker(open_gym(gym), config, home, device, meta_engine)


def expect_inputs(worker: Worker, config: RunConfig | CellConfig | FineTuneConfig) -> None:
    """Raise ``DataError`` where a worker has other rows or weights than its driver meant."""
    if isinstance(config, RunConfig):
        rows = worker.data_digest(config.sources, config.data_seeds, config.shots)
    else:
        rows = worker.split_digest(config.task, config.data_seed, config.shots)
    name = located(config.model_dump()).name
    for what, here, meant in (
        (f"rows in gym {worker.gym.name}", rows, config.data),
        (
            f"weights of {name}",
            worker.backbone.weights,
            config.weights,
        ),
    ):
        if here != meant:
            raise DataError(
                f"the {what} on {gethostname()} are {here}, but the run is to be on {meant}; give "
                "every machine the same gym and backbone"
            )


def expect_artefact(home: Home, unit: Unit) -> None:
    """Raise ``StoreError`` where the prompt of a unit that was just computed is not here, whole."""
    if unit.artefact is None:
        return
    if not (home.root / unit.artefact).is_file():
        raise StoreError(
            f"the prompt of {unit.digest} was written by another machine, but it is not in "
            f"{home.root} here; set MPT_HOME to a folder that all machines share"
        )
    try:
        prompt_of(home, unit)
    except DataError as error:
        raise StoreError(
            f"what was just written is not what lies there: {str(error).partition(';')[0]}; see "
            f"the disk of {home.root}, then run the same command"
        ) from None
