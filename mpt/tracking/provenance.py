"""Where a number came from: the unit behind a digest, its prompt and its runs in MLflow."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpt.config import VOCABULARY, CellConfig, RunConfig
from mpt.errors import DataError, InputError, UnknownName
from mpt.store.address import sqlite_file
from mpt.store.artefacts import whole_prompt
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.row_checks import expect_sound
from mpt.store.unit import Unit
from mpt.tracking.client import connect, disconnect
from mpt.tracking.registry import CHAMPION, registered_digest

SHOWN, NEAR = 5, 20
"""Digests that an error names at most, and those that it seeks near misses among."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A unit and what lies beside the ledger.

    Attributes:
        prompt: its file; None where the unit has none, or none that can be used.
        fault: why its prompt cannot be used.
        runs: ids of the MLflow runs of its meta-training; None where MLflow did not answer.
    """

    unit: Unit
    prompt: Path | None
    fault: str
    runs: tuple[str, ...] | None


def find_unit(ledger: Ledger, digest: str) -> Unit:
    """The unit whose digest begins with ``digest``.

    Raises:
        UnknownName: no unit does; near misses are named.
        InputError: several do.
    """
    unit = ledger.get(find_digest(ledger, digest))
    assert unit is not None, "it was there a moment ago"
    return unit


def find_digest(ledger: Ledger, digest: str) -> str:
    """The digest of a unit that begins with ``digest``, whatever is in the unit's row.

    Raises:
        UnknownName: no unit's does; near misses are named.
        InputError: several do.
    """
    found = ledger.digests(digest.lower(), SHOWN + 1) if digest else []
    if digest in found:
        return digest
    if not found:
        # a row whose digest is none of ours is found as it is written
        if digest and digest in ledger.digests(digest, 1):
            return digest
        size, hint = ledger.size, "A report's units.csv lists digests."
        raise UnknownName("digest", digest, _near(ledger, digest, size), hint, count=size)
    if len(found) > 1:
        many = len(found) > SHOWN
        few = ", ".join(found[:SHOWN]) + (", ..." if many else "")
        number = f"more than {SHOWN}" if many else len(found)
        raise InputError(f"{number} digests begin with {digest!r} ({few}); give more of it")
    return found[0]


def _near(ledger: Ledger, digest: str, size: int) -> list[str]:
    """Every digest of a small ledger; of others those that begin alike, as far as any does."""
    for length in range(len(digest) if size > NEAR else 0, 0, -1):
        if found := ledger.digests(digest[:length].lower(), NEAR):
            return found
    return ledger.digests(most=NEAR)


def find_prompt(ledger: Ledger, home: Home, which: str) -> Unit:
    """The unit of a digest, or of a registered prompt: ``NAME`` or ``models:/NAME@ALIAS``.

    A bare name means its champion.

    Raises:
        StoreError: the unit's row is damaged, or the registry cannot be used.
        UnknownName: nothing of that name; a champion that is not in this ledger.
        InputError: several digests begin so.
    """
    unit = _named_unit(ledger, home, which)
    expect_sound([unit])
    return unit


def _named_unit(ledger: Ledger, home: Home, which: str) -> Unit:
    if re.fullmatch(r"[0-9a-fA-F]{1,64}", which):
        return find_unit(ledger, which)
    name, _, alias = which.removeprefix("models:/").partition("@")
    return find_unit(ledger, registered_digest(home, name, alias or CHAMPION))


def origin(unit: Unit, home: Home) -> Origin:
    """Look beside the ledger."""
    prompt, fault = None, ""
    try:
        prompt = whole_prompt(home, unit) if unit.artefact else None
    except DataError as error:
        fault = str(error)
    start = unit.config.start if isinstance(unit.config, CellConfig) else VOCABULARY
    learned = unit.digest if unit.kind == RunConfig.kind else start
    runs = () if learned == VOCABULARY else _runs(learned, home)
    return Origin(unit, prompt, fault, runs)


def _runs(digest: str, home: Home) -> tuple[str, ...] | None:
    """Runs tagged with a digest; a local store that is not there yet is not made."""
    if file := sqlite_file(home.tracking_uri):
        return _runs_in(file, digest) if file.exists() else ()
    client: Any = None
    try:
        client = connect(home.tracking_uri, home.artifacts)
        experiments = [e.experiment_id for e in client.search_experiments()]
        found = client.search_runs(experiments, f"tags.`mpt.digest` = '{digest}'")
        return tuple(run.info.run_id for run in found)
    except Exception:
        # whatever a server or its driver raises: the ledger's answer does not need it
        return None
    finally:
        if client is not None:
            disconnect(client)


def _runs_in(file: Path, digest: str) -> tuple[str, ...] | None:
    """The same of MLflow's own tables: importing its client takes longer than all else."""
    query = """
        SELECT runs.run_uuid FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid
        WHERE tags.key = 'mpt.digest' AND tags.value = ? AND runs.lifecycle_stage = 'active'
        ORDER BY runs.start_time DESC, runs.run_uuid
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
            return tuple(run for (run,) in store.execute(query, (digest,)))
    except sqlite3.Error:
        return None
