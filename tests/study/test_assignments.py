"""`mpt sweep --set KEY=VALUE`: as if the key were written in the study file."""

from __future__ import annotations

import pytest
import yaml
from terminal import contents, mpt, study_file, tree_of

from mpt.api.values.study import studied
from mpt.commands.app import app
from mpt.errors import ConfigError
from mpt.study.assignments import assigned
from mpt.study.pruning import PRUNERS
from mpt.study.samplers import SAMPLERS


def test_dotted_keys_become_mappings_and_values_are_yaml():
    given = assigned(
        [
            "tuning.steps=60",
            "tuning.lr=1e-3",
            "setting=NP->P",
            "sources=[a, b]",
            "space.outer_lr={low: 0.1, high: 1.0}",
            "partitions=",
        ]
    )
    assert given == {
        "tuning": {"steps": 60, "lr": 1e-3},
        "setting": "NP->P",
        "sources": ["a", "b"],
        "space": {"outer_lr": {"low": 0.1, "high": 1.0}},
        "partitions": None,
    }


REFUSED = {
    "tuning.steps": "--set takes KEY=VALUE, not 'tuning.steps'",
    "=3": "--set takes KEY=VALUE, not '=3'",
    "tuning..steps=3": "--set takes KEY=VALUE",
    "trials=[1": "--set trials: ",
    "trials=012": "--set trials: ",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(ConfigError) as refused:
        assigned([text])
    assert str(refused.value).startswith(REFUSED[text])


def test_a_key_is_given_once():
    with pytest.raises(ConfigError, match=r"'tuning\.steps' twice"):
        assigned(["tuning.steps=3", "tuning.steps=4"])


def test_it_is_the_study_that_a_file_with_these_keys_gives(tmp_path):
    file = study_file(tmp_path / "study.yaml", {"trials": 2})
    keys = yaml.safe_load(file.read_text())
    keys["tuning"]["steps"] = 6
    keys |= {"sampler": "random", "space": {"outer_lr": [0.1, 0.2]}, "trials": 5}
    keys["setting"] = "R->R"
    written = tmp_path / "written.yaml"
    written.write_text(yaml.safe_dump(keys))
    words = ["tuning.steps=6", "space.outer_lr=[0.1, 0.2]", "trials=5", "setting=R->R"]
    options = {"sampler": "random", "trials": 4}
    assert studied(file, options, words) == studied(written)
    assert studied(studied(file), {}, ["trials=9"]).trials == 9


NEAR = {
    "tuning.stepz=3": "unknown key 'tuning.stepz' - did you mean 'steps'?",
    "sampler=tp": "'sampler' is 'tp'",
    "trials=many": "'trials' is 'many'",
}


@pytest.mark.parametrize("text", NEAR)
def test_a_near_miss_is_one_line_and_nothing_is_written(text, tmp_path):
    home = tmp_path / "home"
    file = study_file(tmp_path / "study.yaml")
    before = contents(tmp_path)
    refused = mpt("sweep", "--study", file, "--set", text, home=home)
    assert refused.code == 2
    assert NEAR[text] in refused.error
    assert contents(tmp_path) == before


def test_help_names_every_sampler_and_pruner():
    options = {one.name: one.help for one in tree_of(app).commands["sweep"].params}
    assert all(name in options["sampler"] for name in SAMPLERS)
    assert all(name in options["pruner"] for name in (*PRUNERS, "none"))
