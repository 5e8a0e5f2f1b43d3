"""Check that a worker on another machine reads and writes the same files as its driver."""

from __future__ import annotations

from socket import gethostname

from mpt.compute.worker import Worker
from mpt.config import RunConfig, UnitConfig, located
from mpt.errors import DataError, StoreError
from mpt.store.artefacts import prompt_of
from mpt.store.home import Home
from mpt.store.unit import Unit


def expect_inputs(worker: Worker, config: UnitConfig) -> None:
    """Raise ``DataError`` if a worker has other rows or weights than its driver."""
    if isinstance(config, RunConfig):
        rows = worker.data_digest(config.sources, config.data_seeds, config.shots)
    else:
        rows = worker.split_digest(config.task, config.data_seed, config.shots)
    name = located(config).name
    for what, actual, expected in (
        (f"rows in gym {worker.gym.name}", rows, config.data),
        (
            f"weights of {name}",
            worker.backbone.weights,
            config.weights,
        ),
    ):
        if actual != expected:
            raise DataError(
                f"the {what} on {gethostname()} are {actual}, but the driver's are {expected}",
                fix="give every machine the same gym and backbone",
            )


def expect_artefact(home: Home, unit: Unit) -> None:
    """Raise ``StoreError`` if the prompt of a unit that was just computed cannot be read here."""
    if unit.artefact is None:
        return
    if not (home.root / unit.artefact).is_file():
        raise StoreError(
            f"the prompt of {unit.digest} was written by another machine, but it is not in "
            f"{home.root} here",
            fix="set MPT_HOME to a folder that all machines share",
        )
    try:
        prompt_of(home, unit)
    except DataError as error:
        raise StoreError(
            f"what was just written cannot be read back: {error.what}",
            fix=f"check the disk of {home.root}, then run the same command",
        ) from None
