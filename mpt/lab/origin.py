"""Where a number came from: the unit behind a digest, its prompt and its runs in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpt.config import VOCABULARY
from mpt.errors import InputError, UnknownName
from mpt.lab.home import Home
from mpt.lab.ledger import Ledger
from mpt.lab.mlflow_client import connect, disconnect
from mpt.lab.unit import Unit


@dataclass(frozen=True, slots=True)
class Origin:
    """A unit and what lies beside the ledger.

    Attributes:
        prompt: its file; None where the unit has none or the file is gone.
        runs: ids of the MLflow runs of its meta-training; None where MLflow did not answer.
    """

    unit: Unit
    prompt: Path | None
    runs: tuple[str, ...] | None


def find_unit(ledger: Ledger, digest: str) -> Unit:
    """The unit whose digest begins with ``digest``.

    Raises:
        UnknownName: no unit does; near misses are named.
        InputError: several do.
    """
    if (exact := ledger.get(digest)) is not None:
        return exact
    known = {unit.digest: unit for unit in ledger.units()}
    found = [name for name in known if digest and name.startswith(digest.lower())]
    if not found:
        hint = "A report's units.csv lists digests."
        raise UnknownName("digest", digest, known, hint)
    if len(found) > 1:
        few = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise InputError(f"{len(found)} digests begin with {digest!r} ({few}); give more of it")
    return known[found[0]]


def origin(unit: Unit, home: Home) -> Origin:
    """Look beside the ledger."""
    file = home.root / unit.artefact if unit.artefact else None
    learned = unit.digest if unit.kind == "meta" else str(unit.config["start"])
    runs = () if learned == VOCABULARY else _runs(learned, home)
    return Origin(unit, file if file and file.is_file() else None, runs)


def _runs(digest: str, home: Home) -> tuple[str, ...] | None:
    """Runs tagged with a digest; a local store that is not there yet is not made."""
    uri = home.tracking_uri
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return ()
    client: Any = None
    try:
        client = connect(uri)
        experiments = [e.experiment_id for e in client.search_experiments()]
        found = client.search_runs(experiments, f"tags.`mpt.digest` = '{digest}'")
        return tuple(run.info.run_id for run in found)
    except Exception:
        # whatever a server or its driver raises: the ledger's answer does not need it
        return None
    finally:
        if client is not None:
            disconnect(client)
