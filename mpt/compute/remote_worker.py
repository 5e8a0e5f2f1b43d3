"""Check that a worker on another machine has the inputs, and leaves the outputs, of its driver."""

from __future__ import annotations

from socket import gethostname

from mpt.compute.worker import Worker
from mpt.config import RunConfig, UnitConfig, located
from mpt.errors import DataError, StoreError
from mpt.store.artefacts import prompt_of
from mpt.store.home import Home
from mpt.store.unit import Unit


def expect_inputs(worker: Worker, config: UnitConfig) -> None:
    """Raise ``DataError`` where a worker has other rows or weights than its driver meant."""
    if isinstance(config, RunConfig):
        rows = worker.data_digest(config.sources, config.data_seeds, config.shots)
    else:
        rows = worker.split_digest(config.task, config.data_seed, config.shots)
    name = located(config).name
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
