"""Models from a folder, as `save_pretrained` leaves them and as T5 v1.1 comes from the Hub."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import TINY, tiny_t5, word_tokenizer

from mpt.backbone import hub
from mpt.backbone.batch import collate
from mpt.backbone.load import load_backbone
from mpt.config import BackboneConfig
from mpt.errors import ConfigError
from mpt.gym.tokens import TokenRow


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


def saved(kind, folder, **options):
    """A tiny model of some kind as a folder, and the same in memory."""
    tiny = TINY[kind](dtype=torch.float32, **options)
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    return tiny


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize("place", ["before", "after"])
def test_every_kind_of_model_loads_from_a_folder_with_its_losses(tmp_path, kind, place):
    tiny = saved(kind, tmp_path, place=place)
    config = BackboneConfig(
        name=str(tmp_path), prompt_tokens=3, max_input=8, max_target=4, prompt_position=place
    )
    loaded = load_backbone(config, "cpu")
    rows = [[TokenRow(tiny.encode(["the cat"], 8)[0], tiny.encode(["yes"], 4, "target")[0])]]
    theta = tiny.vocabulary_prompt(3, "x")[None]
    torch.testing.assert_close(
        loaded.losses(theta, collate(rows)), tiny.losses(theta, collate(rows))
    )


def test_bf16_halves_the_weights_and_keeps_losses_in_float32(tmp_path):
    tiny = saved("llama", tmp_path)
    config = BackboneConfig(name=str(tmp_path), prompt_tokens=3, max_input=8, max_target=4)
    narrow = load_backbone(config.model_copy(update={"precision": "bf16"}), "cpu")
    rows = [[TokenRow(tiny.encode(["the cat"], 8)[0], tiny.encode(["yes"], 4, "target")[0])]]
    theta = tiny.vocabulary_prompt(3, "x")[None]
    found = narrow.losses(theta.requires_grad_(), collate(rows))
    assert narrow.embed.weight.dtype == torch.bfloat16
    assert found.dtype == narrow.dtype == torch.float32
    (slope,) = torch.autograd.grad(found.sum(), theta)
    assert slope.dtype == torch.float32
    torch.testing.assert_close(found, tiny.losses(theta, collate(rows)), rtol=0.1, atol=0.1)


def test_a_model_too_short_for_prompt_and_text_is_refused(tmp_path):
    saved("gpt2", tmp_path)
    config = BackboneConfig(name=str(tmp_path), prompt_tokens=50, max_input=16, max_target=4)
    with pytest.raises(ConfigError, match=r"reads at most 64 tokens, but .* = 70; lower them"):
        load_backbone(config, "cpu")


def test_a_kind_that_turns_states_into_logits_in_its_own_way_is_refused(tmp_path):
    from transformers import GraniteConfig, GraniteForCausalLM

    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 24}
    config = GraniteConfig(**shape, **heads, logits_scaling=8.0, initializer_range=0.5)
    GraniteForCausalLM(config).save_pretrained(tmp_path)
    word_tokenizer("$A").save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="does not know how granite models turn states"):
        load_backbone(str(tmp_path), "cpu")


def test_what_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such folder; give one written by"):
        load_backbone(str(tmp_path / "nowhere"), "cpu")
    with pytest.raises(ConfigError, match="there is no such GGUF file"):
        load_backbone(str(tmp_path / "nowhere.gguf"), "cpu")
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(b"GGUF nothing")
    with pytest.raises(ConfigError, match=r"cannot be loaded .*GGUF files need"):
        load_backbone(str(torn), "cpu")
