"""What `mpt doctor` looks at beyond this machine: three stores, their owners, their clocks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from mpt.doctor.machine import Finding
from mpt.errors import MptError, StoreError
from mpt.store.address import sqlite_file
from mpt.store.artefacts import prompt_of
from mpt.store.database import survey
from mpt.store.home import Home, tracking_variable
from mpt.store.ledger import CHUNK, Ledger
from mpt.store.row_checks import expect_sound
from mpt.store.schema import MLFLOW, OPTUNA, Owner, schema_fault
from mpt.store.tables import UNITS
from mpt.tracking.server_errors import Faults

TIMEOUT = 3.0
"""Seconds that a store may take to answer."""

SKEW = 5.0
"""Seconds that two clocks may differ; leases go by the database's, times of runs by this one's."""


@dataclass(frozen=True)
class _Store:
    name: str
    variable: str
    url: str
    owner: str
    library: Owner | None = None


def stores(home: Home) -> Iterator[Finding]:
    """Whether the stores are three, answer, belong to whom they should, and know the time."""
    try:
        home.refuse_shared()
        yield Finding("separate stores", "ok", "ledger, studies and runs share no database")
    except StoreError as error:
        what, _, fix = str(error).rpartition("; ")
        yield Finding("separate stores", "fail", what, fix)
    yield from _database(_Store("ledger", "MPT_LEDGER_URL", home.ledger_url, "the ledger"))
    yield from _units(home)
    yield from _database(_Store("studies", "MPT_STUDIES_URL", home.studies_url, "Optuna", OPTUNA))
    if home.tracking_uri.startswith("http"):
        yield from _server(home.tracking_uri)
    else:
        yield from _database(
            _Store("tracking", tracking_variable(), home.tracking_uri, "MLflow", MLFLOW)
        )


def _units(home: Home) -> Iterator[Finding]:
    """Whether the rows of the ledger are what mpt wrote, and the learned prompts whole."""
    file = sqlite_file(home.ledger_url)
    if file and not file.exists():
        return
    faults = list[str]()
    try:
        if UNITS.name not in survey(home.ledger_url, "ledger", "MPT_LEDGER_URL", TIMEOUT).tables:
            return
        with Ledger(home.ledger_url, is_reader=True) as ledger:
            digests = ledger.digests()
            for start in range(0, len(digests), CHUNK):
                faults += _faults(home, ledger, digests[start : start + CHUNK])
    except MptError:
        # the ledger's own finding says it
        return
    if not faults:
        yield Finding(
            "units", "ok", f"{len(digests)} in the ledger, their records and prompts whole"
        )
        return
    what, _, fix = faults[0].partition("; ")
    more = f", and {len(faults) - 1} more" if faults[1:] else ""
    yield Finding("units", "fail", f"{what}{more}", fix)


def _faults(home: Home, ledger: Ledger, digests: Sequence[str]) -> list[str]:
    """What is wrong with some units; where anything is, they are read one by one."""
    try:
        found = ledger.get_many(digests).values()
    except MptError as error:
        if len(digests) == 1:
            return [str(error)]
        return [fault for one in digests for fault in _faults(home, ledger, [one])]
    faults = []
    for unit in found:
        try:
            expect_sound([unit])
            if unit.kind == "meta" and unit.artefact:
                prompt_of(home, unit)
        except MptError as error:
            faults.append(str(error))
    return faults


def owner(tables: frozenset[str]) -> str:
    """Whose tables these are: the ledger's, Optuna's, MLflow's, another tool's; empty for none."""
    signs = {"mpt_schema": "the ledger", "trials": "Optuna", "runs": "MLflow"}
    return next(
        (who for sign, who in signs.items() if sign in tables), "another tool" * bool(tables)
    )


def _database(store: _Store) -> Iterator[Finding]:
    shown = Home.shown(store.url)
    file = sqlite_file(store.url)
    if file and not file.exists():
        yield Finding(store.name, "ok", f"{shown}, made by the first sweep")
        return
    began, start = time.time(), time.monotonic()
    try:
        found = survey(store.url, store.name, store.variable, TIMEOUT)
    except MptError as error:
        what, _, fix = str(error).rpartition("; ")
        yield Finding(store.name, "fail", what or fix, fix if what else f"see {store.variable}")
        return
    took = time.monotonic() - start
    holder = owner(found.tables)
    if holder not in ("", store.owner):
        fix = f"give {store.variable} a database of its own"
        yield Finding(store.name, "fail", f"{shown} holds the tables of {holder}", fix)
        return
    if store.library and (
        fault := schema_fault(store.url, store.variable, store.library, found.revision)
    ):
        what, _, fix = fault.partition("; ")
        yield Finding(store.name, "fail", f"{shown}: {what}", fix)
        return
    if file and not os.access(file, os.W_OK):
        fix = f"let this user write it (`chmod u+w {quote(str(file))}`), or set {store.variable}"
        yield Finding(store.name, "fail", f"{shown} cannot be written", fix)
        return
    kept = "no tables yet" if not holder else f"{len(found.tables)} tables"
    yield Finding(store.name, "ok", f"{shown}, {kept}, answered in {1000 * took:.0f} ms")
    if not file:
        yield _clock(store.name, found.clock - began - took / 2)


def _server(uri: str) -> Iterator[Finding]:
    from mpt.tracking.client import answer

    began, start = time.time(), time.monotonic()
    try:
        clock = answer(uri, TIMEOUT)
    except Exception as error:
        # whatever the client library raises is what is wrong with the server
        what, _, fix = str(Faults(uri).sorted(error, "a question")).partition("; ")
        fix = fix or f"see that {tracking_variable()} names a running MLflow server"
        yield Finding("tracking", "fail", what, fix)
        return
    took = time.monotonic() - start
    shown = Home.shown(uri)
    yield Finding("tracking", "ok", f"MLflow at {shown} answered in {1000 * took:.0f} ms")
    if clock is not None:
        # the server tells whole seconds
        yield _clock("tracking", clock + 0.5 - began - took / 2)


def _clock(name: str, ahead: float) -> Finding:
    what = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) <= SKEW:
        return Finding(f"{name} clock", "ok", what)
    return Finding(f"{name} clock", "warn", what, "let NTP set both clocks (timedatectl)")
