"""Models from a folder, as `save_pretrained` leaves them and as T5 v1.1 comes from the Hub."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_t5

from mpt.backbone import hub
from mpt.backbone.frozen import load_backbone
from mpt.errors import ConfigError


@pytest.fixture
def folder(tmp_path):
    tiny = tiny_t5(dtype=torch.float32)
    tiny.model.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_saved_model_answers_as_before(folder):
    before, after = tiny_t5(dtype=torch.float32), load_backbone(str(folder), "cpu")
    ours, theirs = before.model.state_dict(), after.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert after.decode(after.encode(["the cat sat"], 8)) == ["the cat sat"]


def test_a_head_of_its_own_is_kept(folder):
    """T5 v1.1 has one, though transformers ties the tables of a new model."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = torch.randn_like(tensors["shared.weight"])
    save_file(tensors, path, {"format": "pt"})
    model, _, _ = hub.load(str(folder))
    assert torch.equal(model.lm_head.weight, tensors["lm_head.weight"])
    assert torch.equal(model.shared.weight, tensors["shared.weight"])


def test_a_causal_model_is_told_what_mpt_prompts(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=8, n_layer=1, n_head=1)).save_pretrained(
        tmp_path
    )
    tiny_t5().tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="is a gpt2 model; mpt prompts encoder-decoders"):
        load_backbone(str(tmp_path), "cpu")
