"""Optuna's storage, with every call retried while its database restarts or is locked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from optuna.storages import BaseStorage, RDBStorage, get_storage

from mpt.store.database import patient


class _Delegate:
    """The storage that the calls are delegated to.

    Attributes:
        rdb: Optuna's database storage, for operations that its public interface does not offer.
    """

    def __init__(self, rdb: RDBStorage, shown: str) -> None:
        self.rdb, self._cached, self._shown = rdb, get_storage(rdb), shown


def _repeated(name: str) -> Callable[..., Any]:
    # without its attributes, one of which marks the method as abstract
    @wraps(getattr(BaseStorage, name), updated=())
    def call(self: _Delegate, *args: Any, **kwargs: Any) -> Any:
        return patient(getattr(self._cached, name), self._shown)(*args, **kwargs)

    return call


_CALLS = {
    name: _repeated(name)
    for name, member in vars(BaseStorage).items()
    if callable(member) and not name.startswith("_")
}

PatientStorage = type("PatientStorage", (_Delegate, BaseStorage), _CALLS)
"""``PatientStorage(rdb, shown)``: a ``BaseStorage`` over ``rdb`` and Optuna's cache of it, whose
calls raise ``StoreError`` when the database ``shown`` did not come back in time."""
