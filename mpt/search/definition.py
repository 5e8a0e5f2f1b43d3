"""The definition of a study, compared with that of the study of this name in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mpt.errors import StoreError
from mpt.schema import by_field_names, is_mapping
from mpt.search.storage import DEFINITION
from mpt.store.home import Home
from mpt.study.study import Study

if TYPE_CHECKING:
    import optuna

REVISION = "revision"
"""The key in a study's definition for the revision of its method, unless that is the first."""


def revision_of(store: optuna.Study, definition: Mapping[str, object]) -> int | None:
    """Return the revision that a study began with, or that of ``definition`` for a new study."""
    return store.user_attrs.get(DEFINITION, definition).get(REVISION)


def refuse_another(store: optuna.Study, definition: Mapping[str, object], home: Home) -> None:
    """Raise ``StoreError`` with the differences if the store has another study of this name."""
    stored, name = store.user_attrs.get(DEFINITION), store.study_name
    if stored is None and store.get_trials(deepcopy=False):
        raise StoreError(
            f"the store {home.shown(home.studies_url)} holds a study {name!r} that mpt did not "
            "make",
            fix="give this one another name with --name",
        )
    # a key that did not exist yet when the study began had its default value
    default = {key: value for key, value in Study().definition.items() if key in definition}
    # an earlier revision of its method does not make it another study
    definition = {**definition, REVISION: revision_of(store, definition)}
    before = {**default, **(stored or definition)}
    now, _ = by_field_names(_by_content(definition), Study)
    then, _ = by_field_names(_by_content(before), Study)
    if changes := _differences(then, now):
        places = _contents(before, definition)
        lines = [change + places.get(change.partition(" was ")[0], "") for change in changes]
        raise StoreError(
            f"study {name!r} was begun with another definition: {'; '.join(lines)}. Give this "
            "one another name with --name, or go back to the definition it was begun with"
        )


def _by_content(definition: Mapping[str, object]) -> dict[str, object]:
    """Return a definition without locations where digests identify the rows and weights."""
    content = dict(definition)
    if "data" in content:
        del content["gym"]
    if "weights" in content:
        backbone = _backbone(content)
        content["backbone"] = {key: value for key, value in backbone.items() if key != "name"}
    return content


def _backbone(definition: Mapping[str, object]) -> Mapping[str, object]:
    backbone = definition.get("backbone")
    return backbone if is_mapping(backbone) else {}


def _contents(before: Mapping[str, object], now: Mapping[str, object]) -> dict[str, str]:
    """Describe the rows and weights behind the digests of a definition."""

    def change(was: object, is_now: object) -> str:
        return f"{is_now}" if was == is_now else f"{was} then, {is_now} now"

    gym = change(before.get("gym"), now.get("gym"))
    backbone = change(_backbone(before).get("name"), _backbone(now).get("name"))
    return {
        "data": f" (rows of the source tasks in gym {gym})",
        "validation rows": f" (rows of the validation tasks in gym {gym})",
        "weights": f" (backbone {backbone})",
    }


def _differences(
    before: Mapping[str, object], after: Mapping[str, object], under: str = ""
) -> list[str]:
    """Return ``key was ..., is ...`` for every leaf that differs."""
    changes = []
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        if is_mapping(was) and is_mapping(now):
            changes += _differences(was, now, f"{under}{key}.")
        else:
            changes.append(f"{under}{key} was {was}, is {now}")
    return changes
