"""What an error of a model folder says is to be done: done, and it is the model that it was."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from folders import change, loaded, refused, save
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def spoil_weights(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors[min(tensors)][..., 0] = torch.nan
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def rename_shard(folder):
    """Weights in shards, of which the index names one that is not there."""
    (folder / WEIGHTS).rename(folder / "model-00001-of-00002.safetensors")
    names = load_file(folder / "model-00001-of-00002.safetensors")
    index = dict.fromkeys(names, "model-00001-of-00002.safetensors")
    index[min(index)] = "model-00002-of-00002.safetensors"
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": index}))


def twice(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text('{"zork": 1, "zork": 2,' + text[1:])


def copy_anew(folder, whole):
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)


def copy(*names):
    """Copy files from where the model is from."""
    return lambda folder, whole: [shutil.copy(whole / name, folder) for name in names]


CURES = {
    "no model_type": (
        lambda folder: change(folder / "config.json", "model_type"),
        'write the one of its makers, e.g. "model_type": "t5"',
        lambda folder, _: change(folder / "config.json", model_type="t5"),
    ),
    "no decoder start": (
        lambda folder: [
            change(folder / name, "decoder_start_token_id")
            for name in ("config.json", "generation_config.json")
        ],
        "write decoder_start_token_id into its config.json (T5 starts with its pad token, here 0",
        lambda folder, _: change(folder / "config.json", decoder_start_token_id=0),
    ),
    "a decoder start beyond the table": (
        lambda folder: [
            change(folder / name, decoder_start_token_id=999)
            for name in ("config.json", "generation_config.json")
        ],
        "mend it in config.json",
        lambda folder, _: [
            change(folder / name, decoder_start_token_id=0)
            for name in ("config.json", "generation_config.json")
        ],
    ),
    "no number": (spoil_weights, "copy or download the weights anew", copy(WEIGHTS)),
    "a missing shard": (rename_shard, "which is not there; copy or download it anew", copy_anew),
    "a key twice": (twice, "mend it, or copy or download it anew", copy("config.json")),
    "no tokenizer": (
        lambda folder: [path.unlink() for path in folder.glob("*token*")],
        "copy it from where the model is from",
        lambda folder, whole: [shutil.copy(path, folder) for path in whole.glob("*token*")],
    ),
}


@pytest.mark.parametrize("case", CURES)
def test_the_cure_helps(tmp_path, case):
    spoil, line, cure = CURES[case]
    whole, folder = tmp_path / "whole", tmp_path / "model"
    save(whole)
    shutil.copytree(whole, folder)
    spoil(folder)
    assert line in refused(folder)
    cure(folder, whole)
    before, after = loaded(whole).model.state_dict(), loaded(folder).model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
