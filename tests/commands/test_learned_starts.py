"""`prompt_init: prompt:DIGEST`: a prompt of these weights that saw nothing it is scored on."""

from __future__ import annotations

import json
import shutil

import pytest
from synthetic import write_backbone
from terminal import mpt, study_file, world

SIZES = {"prompt_tokens": 3, "max_input": 16, "max_target": 4}


def begun_from(folder, digest, name=None, **changes):
    """A study whose prompts begin from a learned one."""
    backbone = {"name": str(name or world().backbone), **SIZES}
    backbone |= {"prompt_init": f"prompt:{digest}"} if digest else {}
    return study_file(folder / f"{digest or 'plain'}.yaml", {"backbone": backbone, **changes})


def learn(study, home):
    said = mpt("run", "--study", study, "--json", home=home)
    assert said.code == 0, said.err
    return json.loads(said.out)["digest"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A home, its folder, and the digest of a prompt learned on glue-mrpc and glue-qqp."""
    folder = tmp_path_factory.mktemp("learned")
    home = folder / "home"
    return folder, home, learn(begun_from(folder, ""), home)


def test_a_task_that_the_start_was_learned_on_is_not_scored(learned):
    folder, home, first = learned
    study = begun_from(folder, first)
    words = ("evaluate", "vocabulary", "--study", study, "--tasks")
    refused = mpt(*words, "glue-qqp", home=home)
    assert refused.code == 2
    assert refused.error == (
        f"error: the prompt of {first} was learned on glue-qqp, so that its score there would say "
        "nothing about unseen tasks; leave that task out, or start from a prompt that was learned "
        "on others"
    )
    assert mpt(*words, "ethos-race", home=home).code == 0


def test_nor_one_that_the_start_of_the_start_was_learned_on(learned):
    folder, home, first = learned
    second = learn(begun_from(folder, first, sources=["imdb"]), home)
    words = ("evaluate", "vocabulary", "--study", begun_from(folder, second), "--tasks")
    refused = mpt(*words, "glue-mrpc", home=home)
    assert refused.code == 2
    assert (
        f"of {second} was learned on glue-mrpc (it started from that of {first})" in refused.error
    )
    assert mpt(*words, "ethos-race", home=home).code == 0


def test_a_prompt_of_other_weights_is_no_start(learned):
    folder, home, first = learned
    other = folder / "other"
    write_backbone(other, steps=3)
    refused = mpt("run", "--study", begun_from(folder, first, other), home=home)
    assert refused.code == 2
    assert refused.error.startswith(f"error: the prompt of {first} was learned for weights ")
    assert refused.error.endswith(
        "start from a prompt that was learned with this backbone (`mpt run` prints its digest), or "
        "from `vocabulary`"
    )
    shutil.rmtree(other)
    assert mpt("run", "--study", begun_from(folder, first), home=home).code == 0
