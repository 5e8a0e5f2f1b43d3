"""Digests are of a schema, not of code: what is stored is pinned, and Python names are free.

``tests/golden/configs.json`` was written by mpt 0.1.0. Where a test here fails after a class or
field was renamed, give it the name that it is stored under (``mpt.schema``); where a field was
added, pin it there. A digest that changes makes every ledger worthless.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import Field, StrictFloat, ValidationError

from mpt import config
from mpt.config import CellConfig, InnerLoop, PausedRun, RunConfig, Tuning
from mpt.engine.plan import StepPlan
from mpt.gym.partitions import Partitions, Setting
from mpt.schema import Frozen, Schema, digest_of, stored_as
from mpt.store.results import StepRecord
from mpt.store.unit import DamagedConfig, read_config
from mpt.study.study import Study

GOLDEN = json.loads((Path(__file__).parent / "golden" / "configs.json").read_text())
KINDS = sorted(GOLDEN.keys() - {"Study", "Partitions"})
CLASSES = {
    one.SCHEMA.name: one
    for one in vars(config).values()
    if isinstance(one, type) and issubclass(one, Frozen) and one is not Frozen
}
FILLINGS = ("full", "minimal")


def leaves(value: object) -> list[object]:
    """What stands at the ends of nested mappings."""
    if not isinstance(value, dict):
        return [value]
    return [leaf for part in value.values() for leaf in leaves(part)]


def test_every_kind_of_configuration_is_pinned_under_a_name_of_its_own():
    classes = [one for one in vars(config).values() if one in CLASSES.values()]
    assert sorted(CLASSES) == KINDS
    assert len({one.SCHEMA.tag for one in classes}) == len(classes) == len(KINDS)


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_stored_names_and_digests_are_those_of_the_first_version(kind, filling):
    pinned = GOLDEN[kind][filling]
    made = CLASSES[kind].model_validate(pinned["json"])
    assert json.loads(made.model_dump_json()) == pinned["json"]
    assert list(made.model_dump(mode="json")) == list(pinned["json"])
    assert made.digest == pinned["digest"] == digest_of(made.SCHEMA, pinned["json"])
    if isinstance(made, RunConfig):
        assert made.root == pinned["root"]


@pytest.mark.parametrize("kind", [*KINDS, "Study"])
def test_nothing_is_left_out_of_the_full_ones(kind):
    full = GOLDEN[kind]["full"]["json"]
    unset = {"partitions": None} if kind == "Study" else {}
    assert None not in leaves({key: value for key, value in full.items() if key not in unset})


@pytest.mark.parametrize("filling", [*FILLINGS, "partitions"])
def test_a_stored_study_is_read_and_defined_as_before(filling):
    pinned = GOLDEN["Study"][filling]
    study = Study.model_validate(pinned["json"])
    assert json.loads(study.model_dump_json()) == pinned["json"]
    assert json.loads(json.dumps(study.definition)) == pinned["definition"]
    assert study.digest == pinned["digest"]


def test_settings_have_the_digests_of_the_first_version():
    there, back = Setting("A->B", ("a", "b"), ("c",)), Setting("B->A", ("c",), ("a",))
    full = Partitions({there.name: there}, ("d",), {back.name: back})
    assert full.digest == GOLDEN["Partitions"]["full"]["digest"]
    minimal = Partitions({"A->B": Setting("A->B", ("a",), ("c",))}, ())
    assert minimal.digest == GOLDEN["Partitions"]["minimal"]["digest"]


class _Adaptation(Frozen):
    """``InnerLoop`` as it might be called one day."""

    SCHEMA: ClassVar[Schema] = Schema("InnerLoop")
    rate: Annotated[StrictFloat, Field(gt=0), stored_as("lr")] = 1.0
    num_steps: Annotated[int, stored_as("steps")] = 3
    batch: int = 8


class _Shorter(Frozen):
    """``RunConfig``, of which one part is called otherwise."""

    SCHEMA: ClassVar[Schema] = Schema("RunConfig")
    adaptation: Annotated[_Adaptation, stored_as("inner")]


def test_classes_and_fields_are_renamed_for_free():
    renamed, known = _Adaptation(rate=0.5, num_steps=2), InnerLoop(lr=0.5, steps=2)
    assert renamed.digest == known.digest
    assert renamed.model_dump_json() == known.model_dump_json()
    assert _Adaptation.model_validate_json(known.model_dump_json()) == renamed
    nested = _Shorter(adaptation=renamed)
    assert nested.digest == digest_of(RunConfig.SCHEMA, {"inner": known.model_dump()})
    assert _Shorter.model_validate({"inner": {"lr": 0.5, "steps": 2}}) == nested


def test_a_renamed_field_is_read_under_either_name_but_not_under_both():
    with pytest.raises(ValidationError) as refused:
        _Adaptation.model_validate({"lr": 0.5, "rate": 0.5})
    assert [fault["loc"] for fault in refused.value.errors()] == [("rate",)]
    with pytest.raises(ValidationError) as refused:
        _Adaptation.model_validate({"lr": -0.5})
    # errors speak of what a reader of the code or of a study file knows
    assert [fault["loc"] for fault in refused.value.errors()] == [("rate",)]


def test_another_version_or_name_is_another_unit():
    stored = Tuning().model_dump(mode="json")
    digests = {
        digest_of(schema, stored)
        for schema in (Schema("Tuning"), Schema("Tuning", 2), Schema("FineTuning"))
    }
    assert len(digests) == 3
    assert digest_of(Schema("Tuning", 1), stored) == Tuning().digest


def test_a_pause_is_another_unit_of_the_same_kind():
    paused = PausedRun.model_validate(GOLDEN["PausedRun"]["full"]["json"])
    stored = paused.model_dump(mode="json")
    assert paused.whole.digest == GOLDEN["RunConfig"]["full"]["digest"]
    assert read_config(paused.digest, stored) == paused
    assert read_config(paused.digest, stored, [CellConfig.kind]) == DamagedConfig(stored)
    assert read_config(paused.whole.digest, stored) == DamagedConfig(stored)
    assert read_config(paused.whole.digest, paused.whole.stored()) == paused.whole


def test_what_a_later_version_recorded_is_told_from_what_is_damaged():
    stored = {**GOLDEN["CellConfig"]["full"]["json"], "later": 1}
    read = read_config(digest_of(CellConfig.SCHEMA, stored), stored)
    assert read == DamagedConfig(stored, "its configuration is not one of this mpt")


def test_how_a_step_is_computed_is_noted_in_checkpoints_and_results_under_the_first_names():
    plan = StepPlan("graph", 4, "it fits", "sdpa")
    stored = {"engine": "graph", "rows": 4, "why": "it fits", "attention": "sdpa"}
    assert asdict(plan) == stored == StepRecord.model_validate(asdict(plan)).stored()
