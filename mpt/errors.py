"""Errors that teach: what was given, what was wanted, what to do next.

MptError                   the base; the door prints it as one line, exit code 1
|-- InputError             the user can mend it: exit code 2, nothing was written
|   |-- UnknownName        a name that is not in a table, with the nearest known ones
|   |-- ConfigError        a study file or option with a wrong key, type or value
|   |-- DataError          a task, split or row that cannot be read
|   |-- ResultsError       a table of results that does not give an ARG
|   `-- StoreError         a ledger, study or tracking store that is not the one meant
|-- Diverged               a loss or prompt became NaN or infinite
`-- OutOfMemory            a step that does not fit, one row at a time
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class MptError(Exception):
    """Base of every error that mpt raises on purpose; shown without a traceback.

    Args:
        what: what was given and what was wanted.
        fix: what to do next; printed behind ``what``.
    """

    exit_code = 1

    def __init__(self, what: str = "", *, fix: str = "") -> None:
        self.what, self.fix = what, fix
        super().__init__(f"{what}; {fix}" if fix else what)

    def __reduce__(self) -> tuple[Any, ...]:
        # Python would call ``__init__`` with the finished message when an error comes from afar
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class InputError(MptError):
    """What the user gave cannot be used; nothing was written."""

    exit_code = 2


class UnknownName(InputError):
    """A name that is not in a table of known names.

    Args:
        kind: what the name should be, e.g. ``"method"``.
        given: the name as typed.
        known: every valid name; near misses are suggested from it.
        hint: what to do next, appended to the message.
        count: of all valid names, where ``known`` holds only some.
    """

    def __init__(
        self,
        kind: str,
        given: str,
        known: Iterable[str],
        hint: str = "",
        *,
        count: int | None = None,
    ) -> None:
        known = sorted(known)
        folded = {name.casefold(): name for name in reversed(known)}
        near = [folded[n] for n in get_close_matches(given.casefold(), folded, n=3, cutoff=0.6)]
        meant = f" - did you mean {' or '.join(repr(n) for n in near)}?" if near else "."
        count = len(known) if count is None else count
        few = count <= 20
        listing = f" Known: {', '.join(known)}." if few else f" {count} are known."
        listing = listing if count else " There is none yet."
        super().__init__(f"unknown {kind} {given!r}{meant}{listing}{' ' + hint if hint else ''}")


def some(names: Iterable[str], most: int = 10) -> str:
    """Names by commas, the first ``most`` of many, the first letters of long ones."""
    names = [name if len(name) <= 60 else f"{name[:57]}..." for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class ConfigError(InputError):
    """A study file, card or option holds a wrong key, type or value."""


class TooFewTasks(ConfigError):
    """A folder of tasks is too small for any setting, which needs a source and a target."""


class DataError(InputError):
    """A task, split or row cannot be read; the message names file, line and cure."""


class ResultsError(InputError):
    """A table of results does not determine an average relative gain."""


class StoreError(InputError):
    """A store (ledger, Optuna, MLflow) is not the one meant, or cannot be opened."""


class Diverged(MptError):
    """A run's loss or prompt became NaN or infinite.

    Attributes:
        step: the update, counted from 1, at which it was seen.
    """

    def __init__(self, run: str, step: int, what: str) -> None:
        self.step = step
        super().__init__(f"run {run} diverged at step {step}: {what} is not finite")


class OutOfMemory(MptError):
    """A step of a pack does not fit into memory, not even one row at a time."""

    def __init__(self, runs: int, where: str, cause: str) -> None:
        super().__init__(
            f"out of memory on {where} with {runs} runs in a pack, one row at a time ({cause}); "
            "give a smaller pack, shorter max_input, precision bf16 or a smaller backbone"
        )
