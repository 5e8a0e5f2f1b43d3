"""Where a number came from: the unit of a digest, its prompt and its runs in MLflow."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpt.config import VOCABULARY, CellConfig, RunConfig
from mpt.errors import DataError, InputError, UnknownName
from mpt.files.sqlite import open_read_only
from mpt.store.address import sqlite_file
from mpt.store.artefacts import whole_prompt
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.row_checks import expect_sound
from mpt.store.unit import Unit
from mpt.tracking.client import connect, disconnect
from mpt.tracking.registry import CHAMPION, registered_digest

SHOWN, NEAR = 5, 20
"""Digests that an error names at most, and digests among which it looks for near misses."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Describe a unit with its prompt file and MLflow runs.

    Attributes:
        prompt: its prompt file; None if the unit has none, or an unusable one.
        fault: why its prompt cannot be used; empty if it can.
        runs: ids of the MLflow runs of its meta-training; None if MLflow did not answer.
    """

    unit: Unit
    prompt: Path | None
    fault: str
    runs: tuple[str, ...] | None


def find_unit(ledger: Ledger, digest: str) -> Unit:
    """Return the unit whose digest begins with ``digest``.

    Raises:
        UnknownName: there is no such unit; the error names near misses.
        InputError: there are several.
    """
    unit = ledger.get(find_digest(ledger, digest))
    assert unit is not None, "it was there a moment ago"
    return unit


def find_digest(ledger: Ledger, digest: str) -> str:
    """Complete the digest of a unit, even if the unit's row is damaged.

    Raises:
        UnknownName: no digest begins with ``digest``; the error names near misses.
        InputError: several do.
    """
    matches = ledger.digests(digest.lower(), SHOWN + 1) if digest else []
    if digest in matches:
        return digest
    if not matches:
        # a damaged row may have a digest that is not hexadecimal: match it exactly
        if digest and digest in ledger.digests(digest, 1):
            return digest
        size, hint = ledger.size, "A report's units.csv lists digests."
        raise UnknownName("digest", digest, _near(ledger, digest, size), hint, count=size)
    if len(matches) > 1:
        many = len(matches) > SHOWN
        few = ", ".join(matches[:SHOWN]) + (", ..." if many else "")
        number = f"more than {SHOWN}" if many else len(matches)
        raise InputError(
            f"{number} digests begin with {digest!r} ({few})",
            fix="give more digits",
        )
    return matches[0]


def _near(ledger: Ledger, digest: str, size: int) -> list[str]:
    """Return all digests of a small ledger, else those with the longest common beginning."""
    for length in range(len(digest) if size > NEAR else 0, 0, -1):
        if matches := ledger.digests(digest[:length].lower(), NEAR):
            return matches
    return ledger.digests(most=NEAR)


def find_prompt(ledger: Ledger, home: Home, which: str) -> Unit:
    """Return the unit of a digest, or of a registered prompt: ``NAME`` or ``models:/NAME@ALIAS``.

    A name without an alias means its champion.

    Raises:
        StoreError: the unit's row is damaged, or the registry cannot be used.
        UnknownName: there is no such name, or its unit is not in this ledger.
        InputError: several digests begin with ``which``.
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
    """Find the prompt file and the MLflow runs of a unit."""
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
    """Find the runs tagged with a digest; never create a local store.

    Returns:
        Run ids; None if MLflow did not answer.
    """
    if file := sqlite_file(home.tracking_uri):
        return _runs_in(file, digest) if file.exists() else ()
    client: Any = None
    try:
        client = connect(home.tracking_uri, home.artifacts)
        experiments = [e.experiment_id for e in client.search_experiments()]
        runs = client.search_runs(experiments, f"tags.`mpt.digest` = '{digest}'")
        return tuple(run.info.run_id for run in runs)
    except Exception:
        # whatever a server or its driver raises: the unit can be shown without it
        return None
    finally:
        if client is not None:
            disconnect(client)


def _runs_in(file: Path, digest: str) -> tuple[str, ...] | None:
    """Read run ids from MLflow's tables: importing its client would take seconds."""
    query = """
        SELECT runs.run_uuid FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid
        WHERE tags.key = 'mpt.digest' AND tags.value = ? AND runs.lifecycle_stage = 'active'
        ORDER BY runs.start_time DESC, runs.run_uuid
    """
    try:
        with closing(open_read_only(file)) as store:
            return tuple(run for (run,) in store.execute(query, (digest,)))
    except sqlite3.Error:
        return None
