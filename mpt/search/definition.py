"""What makes a study this one and no other, compared with what the store holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpt.errors import StoreError
from mpt.schema import by_field_names
from mpt.search.storage import DEFINITION
from mpt.store.home import Home
from mpt.study.study import Study

REVISION = "revision"
"""The key of a study's definition for the formula of its method, where it is not the first."""


def revision_of(store: Any, definition: Mapping[str, Any]) -> int | None:
    """Return the revision that a study was begun with; that of ``definition`` where it is new."""
    return store.user_attrs.get(DEFINITION, definition).get(REVISION)


def refuse_another(store: Any, definition: Mapping[str, Any], home: Home) -> None:
    """Raise ``StoreError``, with what differs, where the store holds another study of this name."""
    known, name = store.user_attrs.get(DEFINITION), store.study_name
    if known is None and store.get_trials(deepcopy=False):
        raise StoreError(
            f"the store {home.shown(home.studies_url)} holds a study {name!r} that mpt did not "
            "make; give this one another name with --name"
        )
    # a key that is younger than the study had its default when the study was begun
    default = {key: value for key, value in Study().definition.items() if key in definition}
    # an earlier formula of its method does not make it another study
    definition = {**definition, REVISION: revision_of(store, definition)}
    before = {**default, **(known or definition)}
    now, _ = by_field_names(_by_content(definition), Study)
    then, _ = by_field_names(_by_content(before), Study)
    if changes := _differences(then, now):
        places = _contents(before, definition)
        told = [change + places.get(change.partition(" was ")[0], "") for change in changes]
        raise StoreError(
            f"study {name!r} was begun with another definition: {'; '.join(told)}. Give this "
            "one another name with --name, or go back to the definition it was begun with"
        )


def _by_content(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition without places: rows and weights are known by their digests, where there are
    any, wherever they lie."""
    found = dict(definition)
    if "data" in found:
        del found["gym"]
    if "weights" in found:
        found["backbone"] = {k: v for k, v in found["backbone"].items() if k != "name"}
    return found


def _contents(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """What stands behind the digests of a definition, for people."""

    def told(*places: object) -> str:
        was, is_now = places
        return f"{is_now}" if was == is_now else f"{was} then, {is_now} now"

    gym = told(*(one.get("gym") for one in (before, now)))
    backbone = told(*(one.get("backbone", {}).get("name") for one in (before, now)))
    return {
        "data": f" (rows of the source tasks in gym {gym})",
        "validation rows": f" (rows of the validation tasks in gym {gym})",
        "weights": f" (backbone {backbone})",
    }


def _differences(known: Mapping[str, Any], given: Mapping[str, Any], under: str = "") -> list[str]:
    """``key: was ..., is ...`` for every leaf that differs."""
    found = []
    for key in sorted({*known, *given}):
        was, now = known.get(key), given.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            found += _differences(was, now, f"{under}{key}.")
        else:
            found.append(f"{under}{key} was {was}, is {now}")
    return found
