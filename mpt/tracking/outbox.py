"""The outbox: the spools of all processes, and what was lost of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mpt.tracking.spool import Spool, delete_spool

LOST = "lost.jsonl"
"""The outbox's file of lost records, kept until everything is logged again."""


def orphans(outbox: Path, warn: Callable[[str], None] | None = None) -> list[Spool]:
    """Adopt the spools that dead processes left behind, and return them, oldest first.

    A spool that cannot be read is left where it is, and reported to ``warn``.
    """
    for folder in outbox.glob(".*.done"):
        delete_spool(folder)
    spools = []
    for folder in sorted(folder for folder in outbox.glob("[0-9]*-*-*") if folder.is_dir()):
        try:
            spool = Spool.adopt(folder)
        except OSError as error:
            if warn:
                warn(f"the records in {folder} cannot be read ({error.strerror}); they are kept")
            continue
        if spool is not None:
            spools.append(spool)
    return spools


def waiting(outbox: Path) -> int:
    """Count the records of all spools, also of live processes, without changing or locking any."""
    return sum(spool.left for spool in _every(outbox))


def note_lost(outbox: Path, spool: Spool, count: int) -> None:
    """Record that records were lost, until everything is logged again."""
    line = json.dumps({"spool": spool.folder.name, "records": count})
    with suppress(OSError), (outbox / LOST).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def lost(outbox: Path) -> int:
    """Count the records that were lost from the disk and not logged again since."""
    recorded = 0
    with suppress(OSError):
        for line in (outbox / LOST).read_bytes().splitlines():
            try:
                recorded += int(json.loads(line)["records"])
            except (ValueError, KeyError, TypeError):
                # a damaged line still stands for a lost record
                recorded += 1
    # read twice: what a live owner deletes in between looks like damage
    first, second = ({s.folder: s.damaged for s in _every(outbox)} for _ in range(2))
    return recorded + sum(min(count, second.get(folder, 0)) for folder, count in first.items())


def forget_lost(outbox: Path) -> None:
    """Delete the record of lost records, once everything was logged again."""
    (outbox / LOST).unlink(missing_ok=True)


def _every(outbox: Path) -> Iterator[Spool]:
    for folder in outbox.glob("[0-9]*-*-*"):
        # its owner may finish and delete it meanwhile
        with suppress(OSError):
            yield Spool(folder, -1, is_new=False)
