"""The proof at load: kinds that mpt can prompt, and those that it would read or write wrongly."""

from __future__ import annotations

import json

import pytest
import torch
from folders import change, loaded, refused, save
from safetensors.torch import load_file, save_file
from tiny import SIZE, tiny_causal, word_tokenizer

from mpt.backbone.batch import collate
from mpt.backbone.load import load_backbone
from mpt.config import BackboneConfig
from mpt.errors import ConfigError
from mpt.gym.tokens import TokenRow

IDS = {"pad_token_id": 0, "bos_token_id": 3, "eos_token_id": 1, "vocab_size": SIZE}
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "initializer_range": 0.5,
}
GPT = {"n_embd": 16, "n_layer": 2, "n_head": 2}
BART = {
    "d_model": 16,
    **{f"{side}_{part}": 2 for side in ("encoder", "decoder") for part in ("layers",)},
    **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 32 for side in ("encoder", "decoder")},
    "init_std": 0.5,
    "decoder_start_token_id": 0,
}
NEO = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "attention_types": [[["global"], 2]]}
EAGER = {
    "bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 2, "initializer_range": 0.5},
    "gpt_neo": {**NEO, "initializer_range": 0.5},
    "gemma2": {**SMALL, "sliding_window": 4},
    "mpt": {"d_model": 16, "n_heads": 2, "n_layers": 2, "initializer_range": 0.5},
    "longt5": {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2},
}
OTHERS = {
    "opt": {**SMALL, "ffn_dim": 32, "word_embed_proj_dim": 16, "init_std": 0.5},
    "gpt_neox": SMALL,
    "qwen2": SMALL,
    "gemma3_text": {**SMALL, "sliding_window": 4},
    "mistral": {**SMALL, "sliding_window": 4},
    "pegasus": BART,
    "m2m_100": BART,
}


def write(folder, kind, **dims):
    """A random model of a kind that ``tiny`` has not, as a folder."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    torch.manual_seed(0)
    start = {"decoder_start_token_id": 0, "initializer_factor": 3.0} if kind == "longt5" else {}
    config = AutoConfig.for_model(kind, **{**IDS, **start, **dims})
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    auto.from_config(config).save_pretrained(folder)
    word_tokenizer("$A </s>" if config.is_encoder_decoder else "$A").save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", EAGER)
def test_kinds_without_sdpa_are_read_by_eager_attention(tmp_path, kind):
    backbone = loaded(write(tmp_path, kind, **EAGER[kind]))
    assert backbone.attention == f"eager ({kind} has no sdpa)"
    curved_gradient_is_finite(backbone)


@pytest.mark.parametrize("kind", OTHERS)
def test_kinds_beyond_those_of_the_contract_are_proved(tmp_path, kind):
    backbone = loaded(write(tmp_path, kind, **OTHERS[kind]))
    assert backbone.attention.startswith("sdpa")
    curved_gradient_is_finite(backbone)


def curved_gradient_is_finite(backbone):
    theta = backbone.vocabulary_prompt(2, "x")[None].requires_grad_()
    ids, target = backbone.encode(["the cat"], 8)[0], backbone.encode(["yes"], 4, "target")[0]
    loss = backbone.losses_twice_differentiable(theta, collate([[TokenRow(ids, target)]])).sum()
    (slope,) = torch.autograd.grad(loss, theta, create_graph=True)
    (bend,) = torch.autograd.grad((slope**2).sum(), theta)
    assert bend.isfinite().all()
    assert bend.any()


@pytest.mark.parametrize(
    ("kind", "dims", "what"),
    [
        ("bert", SMALL, "of the kind 'bert', which does not write text after text"),
        ("roberta", SMALL, "of the kind 'roberta', which does not write text after text"),
        ("ctrl", {**GPT, "dff": 32}, "ctrl models cannot be prompted"),
        ("openai-gpt", GPT, "the prompt changes nothing that this openai-gpt model writes"),
        ("mamba", {"hidden_size": 16, "num_hidden_layers": 1}, "mamba models cannot be prompted"),
        ("cohere", SMALL, "mpt does not know how cohere models turn states into logits"),
        ("granite", {**SMALL, "logits_scaling": 8.0}, "how granite models turn states into logits"),
        ("switch_transformers", {"d_model": 16, "num_layers": 1, "num_heads": 2}, "drop tokens"),
    ],
)
def test_kinds_that_would_be_read_or_answered_wrongly_are_refused(tmp_path, kind, dims, what):
    start = {"decoder_start_token_id": 0} if kind == "switch_transformers" else {}
    line = refused(write(tmp_path, kind, **dims, **start))
    assert what in line
    assert "give an encoder-decoder" in line


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_model_that_reads_ahead_is_refused_wherever_the_prompt_stands(tmp_path, place):
    write(tmp_path, "gemma3_text", **SMALL, use_bidirectional_attention=True)
    config = BackboneConfig(
        name=str(tmp_path), prompt_tokens=3, max_input=8, max_target=4, prompt_position=place
    )
    with pytest.raises(ConfigError, match=r"read ahead|turn states into logits"):
        load_backbone(config, "cpu")


def test_tokens_beyond_the_embedding_table_are_refused_until_it_is_resized(tmp_path):
    tiny = save(tmp_path, "llama")
    tiny.tokenizer.add_tokens(["<new>"], special_tokens=True)
    tiny.tokenizer.save_pretrained(tmp_path)
    assert "has 1 tokens beyond the 24 rows of the model's embedding table ('<new>')" in refused(
        tmp_path
    )
    tiny.model.resize_token_embeddings(SIZE + 1)
    tiny.model.save_pretrained(tmp_path)
    assert loaded(tmp_path)


def test_what_a_decoder_starts_with_comes_from_either_configuration_or_is_asked_for(tmp_path):
    save(tmp_path, "t5")
    expected = answers(loaded(tmp_path))
    config, generation = tmp_path / "config.json", tmp_path / "generation_config.json"
    change(config, "decoder_start_token_id")
    change(generation, decoder_start_token_id=0)
    assert answers(loaded(tmp_path)) == expected
    change(generation, "decoder_start_token_id")
    line = refused(tmp_path)
    assert "write decoder_start_token_id into its config.json (T5 starts with its pad" in line
    change(config, decoder_start_token_id=99)
    assert "decoder_start_token_id 99 is beyond the 24 rows" in refused(tmp_path)
    change(config, decoder_start_token_id=0)
    assert answers(loaded(tmp_path)) == expected


def answers(backbone):
    theta = backbone.vocabulary_prompt(2, "x")[None]
    (nothing,) = backbone.encode([""], 4, "target")
    rows = [TokenRow(ids, nothing) for ids in backbone.encode(["the cat sat", "a dog"], 8)]
    return backbone.generate(theta, collate([rows]), 4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(tmp_path, bad):
    save(tmp_path, "t5")
    tensors = load_file(tmp_path / "model.safetensors")
    key = "decoder.block.1.layer.2.DenseReluDense.wo.weight"
    tensors[key][0, 0] = bad
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    assert f"{key} holds NaN or infinite values" in refused(tmp_path)


@pytest.mark.parametrize(
    ("kind", "most", "line"),
    [
        ("gpt2", (50, 10, 4), "but prompt_tokens 50 + max_input 11 + max_target 4 = 65; lower"),
        ("gemma", (50, 9, 4), "max_input 10 + max_target 4 + first token 1 = 65; lower them"),
        ("bart", (50, 14, 64), "but prompt_tokens 50 + max_input 15 = 65; lower them"),
    ],
)
def test_every_position_that_is_asked_for_is_there(tmp_path, kind, most, line):
    save(tmp_path, kind)

    def load(prompt_tokens, max_input, max_target):
        sizes = {"prompt_tokens": prompt_tokens, "max_input": max_input, "max_target": max_target}
        return load_backbone(BackboneConfig(name=str(tmp_path), **sizes), "cpu")

    assert load(*most)
    with pytest.raises(ConfigError) as error:
        load(most[0], most[1] + 1, most[2])
    assert line in str(error.value)
    if kind == "bart":
        with pytest.raises(ConfigError, match="writes at most 64 tokens, but max_target is 65"):
            load(3, 8, 65)


def test_a_tokenizer_of_no_words_is_refused(tmp_path):
    save(tmp_path, "llama")
    path = tmp_path / "tokenizer.json"
    known = json.loads(path.read_text())
    known["model"]["vocab"] = {"<pad>": 0, "</s>": 1, "<unk>": 2, "<s>": 3}
    path.write_text(json.dumps(known))
    assert "knows no words; copy its vocabulary" in refused(tmp_path)


def test_a_float64_model_is_proved_as_well():
    from mpt.backbone.proof import prove

    prove("tiny", tiny_causal("llama"))
