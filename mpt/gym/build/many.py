"""Building many tasks in parallel processes; a task that fails does not stop the others."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from mpt.errors import ConfigError, DataError, StoreError
from mpt.gym.build.cards import Card
from mpt.gym.build.catalogue import card, cards
from mpt.gym.build.rows import RowSource
from mpt.gym.build.sampling import Shots, split_of_tests
from mpt.gym.build.task import BuildPlan, Outcome, build_task


def chosen_cards(names: Sequence[str], source: RowSource) -> list[Card]:
    """Return the cards of the named tasks, or of all whose test rows the source holds.

    Raises:
        UnknownName: a name that is not a task of CrossFit.
        DataError: no name was given and the source holds nothing.
    """
    if names:
        return [card(name) for name in dict.fromkeys(names)]
    available = [
        entry for entry in cards().values() if source.holds(entry.source, split_of_tests(entry))
    ]
    if not available:
        raise DataError(
            f"{source.name} holds the rows of no task",
            fix=(
                "expected "
                "<dataset>/<config or default>/<split>.parquet, as `mpt gym mirror` makes them"
            ),
        )
    return available


def left_out(chosen: Sequence[Card]) -> list[str]:
    """Return the tasks of the catalogue that are not among ``chosen``, in alphabetical order."""
    return sorted(set(cards()) - {entry.task for entry in chosen})


def read_shots(given: str | None) -> Shots | None:
    """Parse ``--shots``: a number, ``all`` or None. Raises ``ConfigError``."""
    if given is None or given == "all":
        return given
    if not given.isdecimal() or int(given) < 1:
        raise ConfigError(f"--shots {given!r}: give a whole number above 0, e.g. 64, or `all`")
    return int(given)


def build_many(chosen: Sequence[Card], plan: BuildPlan, *, jobs: int = 1) -> Iterator[Outcome]:
    """Build the tasks, ``jobs`` at a time; yield outcomes as they are ready.

    Raises:
        DataError: the folder cannot be made or written.
        StoreError: another builder is working in the same folder.
    """
    with _alone_in(plan.out):
        if jobs <= 1 or len(chosen) == 1:
            for entry in chosen:
                yield build_task(entry, plan)
            return
        yield from _in_processes(chosen, plan, jobs)


def _in_processes(chosen: Sequence[Card], plan: BuildPlan, jobs: int) -> Iterator[Outcome]:
    workers = min(jobs, len(chosen))
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_end_with_parent) as pool:
        tasks = {pool.submit(build_task, entry, plan): entry.task for entry in chosen}
        try:
            for done in as_completed(tasks):
                try:
                    yield done.result()
                except BrokenProcessPool:
                    note = "a worker was killed (out of memory?); run it again with `--jobs 1`"
                    yield Outcome(tasks[done], "failed", note=f"{tasks[done]}: {note}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """End this worker when its parent dies.

    Otherwise it would wait forever, and write beside the next builder.
    """

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Hold the folder's lock; the system releases it when the process dies."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror})",
            fix="choose another --out",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(
                f"another builder is working in {out}",
                fix="wait for it, or choose another --out",
            ) from None
        yield
