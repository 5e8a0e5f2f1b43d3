"""A folder whose units were recorded before configuration and vocabulary were part of its name."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from terminal import mpt, study_file, world

from mpt.backbone.hub import earlier_weights

pytestmark = pytest.mark.slow


def test_units_of_the_earlier_identity_are_computed_again_and_it_is_said_once(
    tmp_path, monkeypatch
):
    folder, home = tmp_path / "backbone", tmp_path / "home"
    shutil.copytree(world().backbone, folder)
    backbone = {"name": str(folder), "prompt_tokens": 3, "max_input": 16, "max_target": 4}
    study = study_file(tmp_path / "study.yaml", {"backbone": backbone})

    def run(*words):
        said = mpt(*words, "--study", study, home=home)
        assert said.code == 0, said.err
        return said

    cells = ("evaluate", "vocabulary", "--tasks", "trec")
    with monkeypatch.context() as before:
        before.setattr(
            "mpt.backbone.sources.folder_identity", lambda at, _: earlier_weights(str(at))
        )
        run(*cells)
        digest = json.loads(run("run", "--json").out)["digest"]
    said = run(*cells)
    assert said.err.count("note: ") == 1
    assert re.search(
        rf"note: \d+ units were recorded under .* {folder}", " ".join(said.err.split())
    )
    assert " 0 found in the ledger" in said.err
    assert "note: " not in run(*cells).err
    for words in (("predict", digest, "the cat"), ("export", digest, str(tmp_path / "adapter"))):
        refused = mpt(*words, home=home)
        assert refused.code == 2
        assert "to learn it again" in refused.error
    refused = mpt("evaluate", digest, "--tasks", "trec", "--study", study, home=home)
    assert refused.code == 2
    assert "repeat the command that learned it" in refused.error
    again = json.loads(run("run", "--json").out)["digest"]
    assert again != digest
    assert mpt("predict", again, "the cat", home=home).code == 0


def test_a_mended_configuration_is_another_model(tmp_path):
    """The same folder, its epsilon changed: nothing is taken from the ledger, nor from an old
    prompt."""
    folder, home = tmp_path / "backbone", tmp_path / "home"
    shutil.copytree(world().backbone, folder)
    backbone = {"name": str(folder), "prompt_tokens": 3, "max_input": 16, "max_target": 4}
    study = study_file(tmp_path / "study.yaml", {"backbone": backbone})
    words = ("evaluate", "vocabulary", "--tasks", "trec", "--study", study)
    assert mpt(*words, home=home).code == 0
    digest = json.loads(mpt("run", "--json", "--study", study, home=home).out)["digest"]
    assert "nothing to compute" in mpt(*words, home=home).err
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "layer_norm_epsilon": 0.5}))
    assert " 0 found in the ledger" in mpt(*words, home=home).err
    refused = mpt("evaluate", digest, "--tasks", "trec", "--study", study, home=home)
    assert refused.code == 2
    assert "was made for weights" in refused.error
