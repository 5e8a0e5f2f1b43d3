"""Checks of the three stores for `mpt doctor`: their owners, units and clocks."""

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
from mpt.tracking.moved_home import former_places
from mpt.tracking.server_errors import Faults

TIMEOUT = 3.0
"""Seconds that a store may take to answer."""

SKEW = 5.0
"""Seconds that two clocks may differ; leases use the database's, times of runs this machine's."""


@dataclass(frozen=True)
class _Store:
    name: str
    variable: str
    url: str
    owner: str
    library: Owner | None = None


def stores(home: Home) -> Iterator[Finding]:
    """Check that the stores are separate, answer, have the right owner, and agree on the time."""
    try:
        home.refuse_shared()
        yield Finding("separate stores", "ok", "ledger, studies and runs share no database")
    except StoreError as error:
        yield Finding("separate stores", "fail", error.what, error.fix)
    yield from _database(_Store("ledger", "MPT_LEDGER_URL", home.ledger_url, "the ledger"))
    yield from _units(home)
    yield from _database(_Store("studies", "MPT_STUDIES_URL", home.studies_url, "Optuna", OPTUNA))
    if home.tracking_uri.startswith("http"):
        yield from _server(home.tracking_uri)
    else:
        yield from _database(
            _Store("tracking", tracking_variable(), home.tracking_uri, "MLflow", MLFLOW)
        )
        yield from _paths(home)


def _paths(home: Home) -> Iterator[Finding]:
    """Check that MLflow's absolute paths lead into the home, which may have been moved."""
    former = former_places(home.tracking_uri, home.artifacts)
    if former:
        yield Finding(
            "artifact paths",
            "warn",
            f"MLflow looks for files in {', '.join(sorted(former))}, not in {home.artifacts}, as "
            "the home was moved or copied",
            "run `mpt doctor --fix`",
        )


def _units(home: Home) -> Iterator[Finding]:
    """Check that the ledger's rows are as mpt wrote them, and the prompt files undamaged."""
    file = sqlite_file(home.ledger_url)
    if file and not file.exists():
        return
    faults = list[MptError]()
    try:
        if UNITS.name not in survey(home.ledger_url, "ledger", "MPT_LEDGER_URL", TIMEOUT).tables:
            return
        with Ledger(home.ledger_url, is_reader=True) as ledger:
            digests = ledger.digests()
            for start in range(0, len(digests), CHUNK):
                faults += _faults(home, ledger, digests[start : start + CHUNK])
    except MptError:
        # the ledger's finding reports it
        return
    if not faults:
        yield Finding(
            "units", "ok", f"{len(digests)} in the ledger, their records and prompts whole"
        )
        return
    more = f", and {len(faults) - 1} more" if faults[1:] else ""
    yield Finding("units", "fail", f"{faults[0].what}{more}", faults[0].fix)


def _faults(home: Home, ledger: Ledger, digests: Sequence[str]) -> list[MptError]:
    """Return the faults of some units; if a query fails, they are read one by one."""
    try:
        units = ledger.get_many(digests).values()
    except MptError as error:
        if len(digests) == 1:
            return [error]
        return [fault for digest in digests for fault in _faults(home, ledger, [digest])]
    faults = []
    for unit in units:
        try:
            expect_sound([unit])
            if unit.kind == "meta" and unit.artefact:
                prompt_of(home, unit)
        except MptError as error:
            faults.append(error)
    return faults


def owner(tables: frozenset[str]) -> str:
    """Return the owner of tables: the ledger, Optuna, MLflow or another tool; empty for none."""
    owners = {"mpt_schema": "the ledger", "trials": "Optuna", "runs": "MLflow"}
    return next(
        (name for table, name in owners.items() if table in tables), "another tool" * bool(tables)
    )


def _database(store: _Store) -> Iterator[Finding]:
    shown = Home.shown(store.url)
    file = sqlite_file(store.url)
    if file and not file.exists():
        yield Finding(store.name, "ok", f"{shown}, created by the first sweep")
        return
    began, start = time.time(), time.monotonic()
    try:
        store_survey = survey(store.url, store.name, store.variable, TIMEOUT)
    except MptError as error:
        yield Finding(store.name, "fail", error.what, error.fix or f"see {store.variable}")
        return
    elapsed = time.monotonic() - start
    holder = owner(store_survey.tables)
    if holder not in ("", store.owner):
        fix = f"set {store.variable} to a separate database"
        yield Finding(store.name, "fail", f"{shown} holds the tables of {holder}", fix)
        return
    if store.library and (
        fault := schema_fault(store.url, store.variable, store.library, store_survey.revision)
    ):
        yield Finding(store.name, "fail", f"{shown}: {fault.what}", fault.fix)
        return
    if file and not os.access(file, os.W_OK):
        fix = f"let this user write it (`chmod u+w {quote(str(file))}`), or set {store.variable}"
        yield Finding(store.name, "fail", f"{shown} cannot be written", fix)
        return
    content = "no tables yet" if not holder else f"{len(store_survey.tables)} tables"
    yield Finding(store.name, "ok", f"{shown}, {content}, answered in {1000 * elapsed:.0f} ms")
    if not file:
        yield _clock(store.name, store_survey.clock - began - elapsed / 2)


def _server(uri: str) -> Iterator[Finding]:
    from mpt.tracking.client import answer

    began, start = time.time(), time.monotonic()
    try:
        clock = answer(uri, TIMEOUT)
    except Exception as error:
        # the client library raises many kinds of errors; each is a fault of the server
        fault = Faults(uri).sorted(error, "a question")
        fix = fault.fix or f"see that {tracking_variable()} names a running MLflow server"
        yield Finding("tracking", "fail", fault.what, fix)
        return
    elapsed = time.monotonic() - start
    shown = Home.shown(uri)
    yield Finding("tracking", "ok", f"MLflow at {shown} answered in {1000 * elapsed:.0f} ms")
    if clock is not None:
        # the server reports whole seconds
        yield _clock("tracking", clock + 0.5 - began - elapsed / 2)


def _clock(name: str, ahead: float) -> Finding:
    what = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) <= SKEW:
        return Finding(f"{name} clock", "ok", what)
    return Finding(f"{name} clock", "warn", what, "let NTP set both clocks (timedatectl)")
