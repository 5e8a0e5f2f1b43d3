"""What work costs by counting: units as they are run, operations as they add up."""

from __future__ import annotations

import pytest

import mpt
from mpt.backbone.t5_shape import FORWARD, GRADIENT, GRADIENT_TWICE, t5_shape
from mpt.errors import UnknownName
from mpt.lab.costs.device_profiles import DEVICE_PROFILES, device_profile

STUDY = {
    "name": "forecast",
    "gym": "no/such/gym",
    "backbone": {"name": "google/t5-base-lm-adapt", "prompt_tokens": 100, "max_input": 512},
    "method": "maml",
    "sources": ["ag_news"],
    "inner": {"steps": 3, "batch": 2},
    "outer": {"steps": 10, "episodes": 4, "batch": 5},
    "space": {"inner_lr": [0.1], "inner_steps": [3], "outer_lr": [0.1], "outer_steps": [10]},
    "tuning": {"steps": 7, "batch": 8, "num_evals": 2},
    "validation": {"tasks": ["glue-sst2"], "seeds": [13], "lrs": [0.3, 0.2]},
    "trials": 1,
}


def forecast(**changes):
    return mpt.forecast_sweep(mpt.Study(**{**STUDY, **changes}), shape="t5-base")


@pytest.fixture(scope="module", autouse=True)
def nothing_is_loaded(tmp_path_factory):
    """A home that is not there, and stays so."""
    home = tmp_path_factory.mktemp("forecast") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPT_HOME", str(home))
        yield
    assert not home.exists()


def test_the_operations_of_a_trial_add_up():
    cost, shape = forecast(), t5_shape("t5-base")
    inputs = 100 + 510 / 4 + 1
    outputs = len("a few words of answer") / 4 + 1

    def rows(count, kind):
        return count * shape.flops(inputs, outputs, kind)

    meta, cells = cost.parts
    assert (meta.what, meta.units) == ("meta-training", 1)
    episode = rows(3 * 2, GRADIENT_TWICE) + rows(5, GRADIENT)
    assert meta.flops == pytest.approx(10 * 4 * episode)
    # two rates from the learned prompt, and two from the vocabulary; dev has 32 rows, test 872
    assert (cells.what, cells.units) == ("prompt tuning", 4)
    assert cells.flops == pytest.approx(4 * (rows(7 * 8, GRADIENT) + rows(2 * 32 + 872, FORWARD)))
    assert cost.flops == meta.flops + cells.flops


@pytest.mark.parametrize("method", ["fomaml", "reptile", "mtl"])
def test_methods_cost_what_they_compute(method):
    first, shape = forecast(method=method).parts[0], t5_shape("t5-base")
    row = shape.flops(100 + 510 / 4 + 1, len("a few words of answer") / 4 + 1, GRADIENT)
    rows = {"fomaml": 6 + 5, "reptile": 6, "mtl": 5}[method]
    assert first.flops == pytest.approx(10 * 4 * rows * row)


def test_hours_follow_the_precision_and_the_device():
    exact = forecast()
    narrow = forecast(backbone={**STUDY["backbone"], "precision": "bf16"})
    assert (exact.precision, narrow.precision) == ("fp32", "bf16")
    h100, l4 = device_profile("h100-80gb"), device_profile("l4-24gb")
    assert narrow.hours(h100, 0.5) == pytest.approx(narrow.flops / 989e12 / 0.5 / 3600)
    assert exact.hours(h100, 0.5) == pytest.approx(narrow.hours(h100, 0.5) * 989 / 67)
    assert narrow.hours(h100, 0.3) > narrow.hours(h100, 0.5)
    assert narrow.cells_that_fit(h100) > narrow.cells_that_fit(l4) > exact.cells_that_fit(l4) > 0
    assert narrow.weights == exact.weights / 2


def test_a_gym_that_is_there_is_read():
    cost = forecast(gym="mini", sources=None, validation={"seeds": [13], "lrs": [0.3]})
    assert any("4 characters" in line for line in cost.work.about)
    assert not any("is not there" in line for line in cost.work.about)
    assert cost.longest[0] < 100 + 128


def test_a_gym_that_is_not_there_is_said():
    assert any("no/such/gym is not there" in line for line in forecast().work.about)


def test_table_2_of_the_paper_is_counted_without_gym_and_weights(repository):
    cost = mpt.forecast_campaign(repository / "sweeps" / "q1.yaml", shape="t5-large")
    units = {part.what: part.units for part in cost.parts}
    # settings share sources and targets
    assert units == {"meta-training": 28, "prompt tuning": 10620, "full fine-tuning": 1020}
    assert cost.precision == "bf16"
    assert 40 < cost.hours(device_profile("h100-80gb"), 0.5) < 90


def test_sources_that_are_chosen_by_similarity_are_counted(repository):
    cost = mpt.forecast_campaign(repository / "sweeps" / "source-choice.yaml", shape="t5-base")
    assert {part.what: part.units for part in cost.parts}["meta-training"] == 9


def test_pairs_are_cells_of_plain_prompt_tuning(repository):
    cost = mpt.forecast_campaign(repository / "sweeps" / "similarity.yaml", shape="t5-base")
    (cells,) = cost.parts
    assert (cells.what, cells.units) == ("prompt tuning", 17 * 2)


def test_a_gpu_that_nobody_knows_is_told_with_those_that_are():
    assert {"a100-80gb", "h200-141gb", "rtx-4090-24gb"} < set(DEVICE_PROFILES)
    with pytest.raises(UnknownName, match="h100-80gb"):
        device_profile("h100")
