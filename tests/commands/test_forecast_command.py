"""`--dry-run --shape`: planned without weights, GPU and gym."""

from __future__ import annotations

import json

import pytest
from terminal import contents, mpt, study_file


@pytest.fixture
def study(tmp_path):
    changes = {"gym": "no/such/gym", "setting": "R->R", "validation": {"seeds": [13], "lrs": [0.5]}}
    return study_file(tmp_path / "study.yaml", changes)


def test_a_sweep_is_counted_for_one_gpu(study, tmp_path):
    words = ("sweep", "--study", study, "--dry-run", "--shape", "t5-large")
    printed = mpt(*words, "--device-profile", "h100-80gb", home=tmp_path / "home")
    assert printed.code == 0, printed.err
    assert not (tmp_path / "home").exists()
    assert "Counted for t5-large, 783 million weights, fp32" in printed.out
    assert "no/such/gym is not there" in printed.out
    (line,) = (line for line in printed.out.splitlines() if "H100" in line)
    assert float(line.split()[-1].replace(",", "")) >= 0
    assert "A100" not in printed.out


def test_programs_get_every_gpu_that_is_known(study, tmp_path):
    words = ("sweep", "--study", study, "--dry-run", "--shape", "t5-small", "--json")
    printed = mpt(*words, home=tmp_path / "home")
    assert printed.code == 0, printed.err
    cost = json.loads(printed.out)
    names = {device["name"] for device in cost["devices"]}
    assert {"a100-40gb", "a100-80gb", "h100-80gb", "h200-141gb", "l4-24gb"} < names
    assert cost["flops"] == pytest.approx(sum(part["flops"] for part in cost["parts"]))
    assert cost["units"] == sum(part["units"] for part in cost["parts"])
    assert cost["shape"]["layers"] == 8


def test_a_campaign_is_counted(repository, tmp_path):
    file = repository / "sweeps" / "q1.yaml"
    words = ("campaign", "--study", file, "--dry-run", "--shape", "t5-large")
    printed = mpt(*words, home=tmp_path / "home")
    assert printed.code == 0, printed.err
    assert "meta-training: 28 units" in printed.out
    assert "prompt tuning: 10620 units" in printed.out
    assert "full fine-tuning: 1020 units" in printed.out


@pytest.mark.slow
def test_a_promotion_is_counted_from_its_study(tmp_path):
    home = tmp_path / "home"
    assert mpt("sweep", "--study", study_file(tmp_path / "study.yaml"), home=home).code == 0
    before = contents(home)
    words = ("promote", "best", "--dry-run", "--shape", "t5-base", "--baselines", "all", "--json")
    printed = mpt(*words, home=home)
    assert printed.code == 0, printed.err
    assert contents(home) == before
    cost = json.loads(printed.out)
    kinds = {part["what"] for part in cost["parts"]}
    assert kinds == {"meta-training", "prompt tuning", "full fine-tuning"}
    assert "re-tests of trials are left out" in cost["about"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--shape", "t5-large"), "give --dry-run too"),
        (("--dry-run", "--device-profile", "l4-24gb"), "give --shape"),
        (("--dry-run", "--shape", "t6"), "unknown shape 't6'"),
        (("--dry-run", "--shape", "t5-base", "--device-profile", "h10"), "unknown device profile"),
    ],
)
def test_what_cannot_be_planned_is_refused(words, line, study, tmp_path):
    refused = mpt("sweep", "--study", study, *words, home=tmp_path / "home")
    assert refused.code == 2
    assert line in refused.error
