"""Results of finished units of work, by content digest, inserted once.

A unit is never rewritten: ``done`` and ``diverged`` are final, and after ``failed`` the next
attempt is a row of its own. Every write here is idempotent, so that it can be retried after a
connection was lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from functools import partial
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from mpt.errors import InputError, StoreError
from mpt.store.address import sqlite_file
from mpt.store.database import OPENING, Database
from mpt.store.home import Home
from mpt.store.lease import Holder, Lease, take
from mpt.store.results import read_result
from mpt.store.row_checks import damaged, read_row
from mpt.store.tables import LINKS, UNITS, insert, prepare
from mpt.store.unit import State, Unit, read_config

CHUNK = 500
"""Digests in one query; SQLite and PostgreSQL allow more, but plan shorter lists better."""

STARTS = 50
"""Prompts in one query for the cells that were tuned from them."""

RACES = 20
"""Failed attempts that other processes may record while this one records the same unit."""


class Ledger:
    """Record results, append-only, in SQLite or PostgreSQL; safe for many threads and processes.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql+psycopg://USER:PASSWORD@HOST/DATABASE``.
        is_reader: write nothing, not even missing tables.

    Raises:
        StoreError: from every method, when the database cannot be used; it says why and what to do.
    """

    def __init__(self, url: str, *, is_reader: bool = False) -> None:
        self._database = Database(url, is_reader=is_reader)
        if is_reader:
            return
        try:
            self._database.do(partial(prepare, shown=str(self._database)), OPENING)
        except StoreError:
            self.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def get(self, digest: str) -> Unit | None:
        """Return the last attempt of a unit; None if the ledger has none."""
        return self.get_many([digest]).get(digest)

    def get_many(self, digests: Iterable[str]) -> dict[str, Unit]:
        """Return the last attempts, by digest, of those units that the ledger holds."""
        wanted = list(dict.fromkeys(digests))
        units: dict[str, Unit] = {}
        for start in range(0, len(wanted), CHUNK):
            rows = self._rows(wanted[start : start + CHUNK])
            units |= {row["digest"]: _unit(row) for row in rows}
        return units

    def _rows(self, digests: Sequence[str]) -> Sequence[sa.RowMapping]:
        """Read every attempt of some units.

        Raises:
            StoreError: the driver cannot read a row; the message names its digest.
        """
        query = sa.select(UNITS).where(UNITS.c.digest.in_(digests)).order_by(UNITS.c.attempt)
        try:
            return self._database.do(lambda db: db.execute(query).mappings().all())
        except (ValueError, TypeError, StoreError) as error:
            if isinstance(error, StoreError) and "decode" not in str(error):
                raise
            if len(digests) == 1:
                damaged(digests[0], "it holds a time or text that cannot be read")
            return [row for digest in digests for row in self._rows([digest])]

    def digests(self, prefix: str = "", most: int | None = None) -> list[str]:
        """Return the digests that begin with ``prefix``, in order, without reading any unit.

        Args:
            prefix: hexadecimal digits, or none.
            most: how many to return at most; all by default.
        """
        column = UNITS.c.digest
        query = sa.select(column).distinct().order_by(column).limit(most)
        if prefix:
            # a range can use the index: every hexadecimal digit sorts before "g"
            query = query.where(column >= prefix, column < f"{prefix}g")
        return list(self._database.do(lambda db: db.execute(query).scalars().all()))

    @property
    def size(self) -> int:
        """The number of units."""
        query = sa.select(sa.func.count(sa.distinct(UNITS.c.digest)))
        return self._database.do(lambda db: db.execute(query).scalar_one())

    def begun_from(self, digest: str) -> list[str]:
        """Return the digests of units that started from the prompt of another unit."""
        ways = (f'"start":"{digest}"', f'"prompt_start":"prompt:{digest}"')
        begun = sa.or_(*(UNITS.c.config.contains(way, autoescape=True) for way in ways))
        query = sa.select(UNITS.c.digest).where(begun, UNITS.c.digest != digest).distinct()
        return sorted(self._database.do(lambda db: db.execute(query).scalars().all()))

    def cells_from(self, starts: Iterable[str], tasks: Iterable[str]) -> list[Unit]:
        """Return the downstream cells on these tasks that were tuned from one of these prompts.

        Args:
            starts: digests of meta-trainings.
            tasks: names of tasks.
        """
        wanted, digests = list(dict.fromkeys(starts)), list[str]()
        config = UNITS.c.config
        on = sa.or_(
            sa.false(),
            *(config.contains(f'"task":{json.dumps(t)}', autoescape=True) for t in tasks),
        )
        for at in range(0, len(wanted), STARTS):
            chunk = wanted[at : at + STARTS]
            begun = sa.or_(*(config.contains(f'"start":"{s}"', autoescape=True) for s in chunk))
            query = sa.select(UNITS.c.digest).where(UNITS.c.kind == "cell", on, begun).distinct()
            found = self._database.do(lambda db, query=query: db.execute(query).scalars().all())
            digests += found
        return list(self.get_many(sorted(digests)).values())

    def backbone_names(self, weights: str) -> list[str]:
        """Return the names that units of these weights have for their backbone, by frequency.

        Only one unit is read for each name, so that this is quick on a large ledger.
        """
        config, names = UNITS.c.config, dict[str, int]()
        of_weights = config.contains(f'"weights":{json.dumps(weights)}', autoescape=True)
        query = sa.select(UNITS.c.digest, config).where(of_weights).limit(1)
        while row := self._database.do(lambda db, query=query: db.execute(query).one_or_none()):
            try:
                name = str(json.loads(row.config)["backbone"]["name"])
            except (ValueError, TypeError, KeyError):
                # damaged: reported where the unit itself is read
                query = query.where(UNITS.c.digest != row.digest)
                continue
            calls_it = config.contains(f'"name":{json.dumps(name)}', autoescape=True)
            count = sa.select(sa.func.count()).where(of_weights, calls_it)
            names[name] = self._database.do(lambda db, count=count: db.execute(count).scalar_one())
            query = query.where(~calls_it)
        return sorted(names, key=lambda name: -names[name])

    def units(self, kind: str | None = None, state: State | None = None) -> Iterator[Unit]:
        """Yield the last attempt of every unit, oldest first, of one kind or state if given."""
        query = sa.select(UNITS.c.digest).group_by(UNITS.c.digest)
        query = query.order_by(sa.func.max(UNITS.c.created), UNITS.c.digest)
        if kind is not None:
            query = query.where(UNITS.c.kind == kind)
        digests = self._database.do(lambda db: db.execute(query).scalars().all())
        for start in range(0, len(digests), CHUNK):
            chunk = digests[start : start + CHUNK]
            by_digest = self.get_many(chunk)
            units = (by_digest[digest] for digest in chunk if digest in by_digest)
            yield from (unit for unit in units if state in (None, unit.state))

    def record(self, *units: Unit) -> bool:
        """Insert, in one transaction, the units that have no result yet.

        Returns:
            False when at least one already had a result, which is left as it is.

        Raises:
            StoreError: other processes kept recording failed attempts of the same unit.
        """

        def attempt(db: sa.Connection) -> bool:
            recorded = [_recorded(db, unit) for unit in units]
            return all(recorded)

        raced = ""
        for _ in range(RACES):
            try:
                return self._database.do(attempt)
            except _Raced as error:
                raced = str(error)
        raise StoreError(
            f"unit {raced} failed {RACES} times elsewhere while it was recorded",
            fix="see why it fails there, then run the same command",
        )

    def forget(self, digest: str) -> bool:
        """Delete every attempt of a unit, so that it is recomputed; return whether it had any."""
        gone = sa.delete(UNITS).where(UNITS.c.digest == digest)
        return self._database.do(lambda db: db.execute(gone).rowcount) > 0

    def link(self, owner: str, role: Mapping[str, object], digests: Iterable[str]) -> None:
        """Record which units a number of ``owner`` was computed from; idempotent.

        Args:
            owner: a study or promotion.
            role: which number, e.g. ``{"trial": 3, "method": "maml"}``.
            digests: the units that it was computed from.
        """
        text = _json(role)
        role_id = sha256(text.encode()).hexdigest()[:32]
        rows = [
            {"owner": owner, "role_id": role_id, "role": text, "digest": digest}
            for digest in dict.fromkeys(digests)
        ]
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            self._database.do(lambda db, chunk=chunk: insert(db, LINKS, chunk))

    def linked(self, owner: str) -> list[tuple[dict[str, Any], str]]:
        """Return (role, digest) for every unit linked to ``owner``, in the order of linking."""
        query = sa.select(LINKS.c.role, LINKS.c.digest)
        query = query.where(LINKS.c.owner == owner).order_by(LINKS.c.id)
        rows = self._database.do(lambda db: db.execute(query).all())
        return [(_role(role, owner), digest) for role, digest in rows]

    def lease(
        self,
        name: str,
        holder: Holder | None = None,
        seconds: float = 120.0,
        *,
        wait: Callable[[str], None] | None = None,
    ) -> Lease:
        """Lease ``name`` to this process alone; see ``mpt.store.lease.take``."""
        return take(self._database, name, holder, seconds, wait=wait)


def open_ledger(home: Home) -> Ledger:
    """Open the ledger of a home, which must exist: reading never makes one.

    Raises:
        InputError: the home has no ledger yet.
    """
    file = sqlite_file(home.ledger_url)
    if file is not None and not file.exists():
        raise InputError(
            f"there is no ledger at {file} yet",
            fix="`mpt sweep` begins one",
        )
    return Ledger(home.ledger_url)


class _Raced(Exception):
    """Signal that another process inserted the same attempt, so that it must be retried."""


def _recorded(db: sa.Connection, unit: Unit) -> bool:
    """Insert a unit's next attempt; return False if it has a result. Raises ``_Raced``."""
    last = sa.select(UNITS.c.attempt, UNITS.c.state).where(UNITS.c.digest == unit.digest)
    previous = db.execute(last.order_by(UNITS.c.attempt.desc()).limit(1)).one_or_none()
    if previous is not None and previous.state != "failed":
        return False
    number = 1 if previous is None else previous.attempt + 1
    if insert(db, UNITS, [_row(unit, number)]) != 1:
        raise _Raced(unit.digest)
    return True


def _role(text: str, owner: str) -> dict[str, Any]:
    with suppress(ValueError, TypeError):
        if isinstance(role := json.loads(text), dict):
            return role
    raise StoreError(
        f"the ledger's record of {owner} is damaged ({text!r} is not a JSON object)",
        fix="restore the ledger from a copy",
    )


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _row(unit: Unit, attempt: int) -> dict[str, object]:
    made = unit.created.replace(tzinfo=unit.created.tzinfo or UTC).astimezone(UTC)
    texts = {"config": _json(unit.config.stored()), "result": _json(unit.result.stored())}
    return {**vars(unit), **texts, "created": made, "attempt": attempt}


def _unit(row: sa.RowMapping) -> Unit:
    named = {str(key): value for key, value in row.items()}
    fields = {key: value for key, value in read_row(named).items() if key != "attempt"}
    fields["config"] = read_config(fields["digest"], fields["config"], [fields["kind"]])
    fields["result"] = read_result(fields["kind"], fields["state"], fields["result"])
    made = fields["created"]
    # SQLite keeps no time zone; what _row put there was UTC
    fields["created"] = made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
    return Unit(**fields)
