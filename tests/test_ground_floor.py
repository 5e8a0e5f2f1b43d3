"""Errors that teach, streams that depend on their name alone, identities by content."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from mpt.config import BackboneConfig, InnerLoop, OuterLoop, RunConfig, Tuning
from mpt.errors import Diverged, InputError, MptError, UnknownName
from mpt.seeding import entropy, stream, torch_stream


def run(**changes) -> RunConfig:
    given = {
        "backbone": BackboneConfig(),
        "weights": "w",
        "method": "maml",
        "inner": InnerLoop(),
        "outer": OuterLoop(),
        "sources": ("a", "b"),
        "data_seeds": (13,),
        "data": "d",
    }
    return RunConfig(**{**given, **changes})


def test_an_unknown_name_is_told_with_its_neighbours():
    error = UnknownName("method", "Fomalm", ["maml", "fomaml"], "See `mpt --help`.")
    assert str(error) == (
        "unknown method 'Fomalm' - did you mean 'fomaml' or 'maml'? Known: fomaml, maml. "
        "See `mpt --help`."
    )
    assert error.exit_code == 2


def test_many_known_names_are_counted_not_listed():
    error = UnknownName("task", "zzz", [f"task-{i}" for i in range(160)])
    assert str(error) == "unknown task 'zzz'. 160 are known."


def test_a_wrong_input_is_two_and_a_failure_is_one():
    assert (InputError("x").exit_code, MptError("x").exit_code) == (2, 1)
    told = str(Diverged("abc", 7, "its loss"))
    assert told == "run abc diverged at step 7: its loss is not finite"


def test_streams_are_named_not_consumed():
    assert stream("a", 1).integers(1 << 40) == stream("a", 1).integers(1 << 40)
    draws = {stream(*name).integers(1 << 40) for name in [("a", 1), ("a", "1"), ("a1",), ("a", 2)]}
    assert len(draws) == 4
    assert torch_stream("a").initial_seed() == torch_stream("a").initial_seed()


def test_a_stream_is_the_same_in_another_process():
    code = "from mpt.seeding import entropy; print(entropy('a', 1))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == entropy("a", 1)


def test_streams_of_neighbouring_steps_are_unrelated():
    first, second = (stream("run", n).standard_normal(4000) for n in (1, 2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.08


def test_equal_configurations_are_the_same_unit():
    assert run().digest == run().digest
    assert run() == run()
    assert len(run().digest) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "other"},
        {"method": "mtl"},
        {"inner": InnerLoop(lr=2.0)},
        {"outer": OuterLoop(steps=7)},
        {"sources": ("b", "a")},
        {"data": "other rows"},
        {"seed": 1},
        {"backbone": BackboneConfig(prompt_tokens=11)},
    ],
)
def test_whatever_changes_a_result_changes_the_digest(change):
    assert run(**change).digest != run().digest


@pytest.mark.parametrize(
    "make",
    [
        lambda: InnerLoop(lr=-1.0),
        lambda: InnerLoop(lr=float("nan")),
        lambda: OuterLoop(steps=0),
        lambda: Tuning(loks=3),
        lambda: run(method="mamla"),
    ],
)
def test_a_configuration_is_checked_where_it_is_made(make):
    with pytest.raises(ValidationError):
        make()


def test_a_configuration_does_not_change():
    with pytest.raises(ValidationError):
        run().seed = 3
