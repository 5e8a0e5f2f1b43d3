"""`mpt bench` on the embedded backbone: real measures, on few pairs."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from terminal import mpt

from mpt.bench.pack import COMPILED

needs_peft = pytest.mark.skipif(
    find_spec("peft") is None, reason="peft is not installed; pip install -e '.[bench]'"
)


def measured(home, *arguments):
    few = ("--backbone", "mini", "--pairs", "1", "--json")
    done = mpt("bench", *arguments, *few, home=home)
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.slow
def test_evaluation_is_measured_beside_generate(tmp_path):
    found = measured(tmp_path, "eval", "--targets", "3,8")
    assert found["backbone"] == "mini"
    assert "threads" in found["machine"]
    assert [m["peer"] for m in found["measures"]] == [
        "HF generate",
        "HF generate, static cache",
    ] * 2
    assert all(m["ours"] > 0 and m["ratio"] > 0 for m in found["measures"])


@pytest.mark.slow
def test_meta_gradients_are_measured_beside_higher(tmp_path):
    found = measured(tmp_path, "meta", "--steps", "2", "--rows", "4")["measures"]
    peers = {m["peer"] for m in found}
    others = {"TorchOpt"} if find_spec("torchopt") else set()
    assert peers == {"higher", "higher on mpt's forward", "torch.func", "first order"} | others
    timed = [m for m in found if m["unit"] == "s"]
    assert all(float(m["note"].split()[-1]) < 1e-3 for m in timed), "the gradients agree"
    held = {m["what"]: m["ratio"] for m in found if m["peer"] == "higher" and m["unit"] == "MB"}
    assert len(held) == 3
    first = next(m for m in found if m["peer"] == "first order" and m["unit"] == "MB")
    assert first["theirs"] > 1, "a gradient of four rows holds more than a megabyte"


@pytest.mark.slow
def test_outer_steps_are_measured_beside_the_log_of_the_authors(tmp_path):
    found = measured(tmp_path, "steps")["measures"]
    assert [m["what"].split(",")[0] for m in found] == ["maml", "fomaml", "reptile"]
    assert [round(m["theirs"], 2) for m in found] == [2.38, 1.44, 6.48]
    assert all("not on the same machine" in m["note"] for m in found)


def _without_a_compiler(model):
    def call(**batch):
        raise RuntimeError("no C++ compiler\nmore of it")

    return call


@needs_peft
@pytest.mark.slow
@pytest.mark.parametrize("compiled", [lambda model: model, _without_a_compiler])
def test_packs_are_measured_beside_peft_and_torch_func(tmp_path, monkeypatch, compiled):
    monkeypatch.setattr("torch.compile", compiled)  # which takes a minute
    found = measured(tmp_path, "pack", "--runs", "2", "--steps", "2")["measures"]
    wanted = [
        "mpt, one run at a time",
        "PEFT, plain loop",
        "PEFT, plain loop, bf16 autocast",
        COMPILED,
        "PEFT, HF Trainer",
        "torch.func, vmap of grad",
    ]
    if compiled is _without_a_compiler:
        wanted.remove(COMPILED)
        assert f"without {COMPILED}: no C++ compiler" in found[0]["note"]
    assert [m["peer"] for m in found] == wanted


def test_wrong_input_is_one_line(tmp_path):
    for arguments, line in (
        (("eval", "--backbone", "t5-265"), "unknown shape 't5-265' - did you mean 't5-256'"),
        (("meta", "--steps", "1,x"), "--steps is '1,x'; give whole numbers from 1, by commas"),
    ):
        done = mpt("bench", *arguments, home=tmp_path)
        assert done.code == 2
        assert line in done.err
