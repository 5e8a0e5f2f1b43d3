"""The name of weights, configuration and tokenizer: other answers, other name."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
import torch
from tiny import TINY

from mpt.backbone.hub import EMBEDDED, earlier_weights, identity
from mpt.backbone.load import load_backbone
from mpt.errors import ConfigError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text('{"model_type": "t5", "d_ff": 8}')
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *("model.safetensors", "tokenizer.json", "tokenizer_config.json", "spiece.model"),
        *("tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"),
        *("special_tokens_map.json", "source.spm", "target_vocab.json", "dict.txt", "bpe.codes"),
        *("sentencepiece.bpe.model", "vocab-src.json", "qwen.tiktoken", "prophetnet.tokenizer"),
    ],
)
def test_weights_and_every_file_of_a_tokenizer_count(folder, name):
    seen = {identity(str(folder))}
    for content in (b"one", b"two"):
        (folder / name).write_bytes(content)
        seen.add(identity(str(folder)))
    assert len(seen) == 3


def test_a_vocabulary_that_only_its_tokenizer_knows_counts(folder):
    seen = {identity(str(folder), vocabularies=["emoji.json"])}
    for content in ("one", "two"):
        (folder / "emoji.json").write_text(content)
        seen.add(identity(str(folder), vocabularies=["emoji.json"]))
    assert len(seen) == 3


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_of_a_configuration_counts_what_has_a_meaning(folder, name):
    def named(**changes):
        meant = {"model_type": "t5", "d_ff": 8, "rope": {"factor": 2}}
        (folder / name).write_text(json.dumps({**meant, **changes}))
        return identity(str(folder))

    plain = named()
    assert named(transformers_version="4.1", _name_or_path="elsewhere", dtype="bfloat16") == plain
    assert len({plain, named(d_ff=9), named(rope={"factor": 4}), named(added=None)}) == 4


def test_what_is_no_part_of_the_model_does_not_count(folder):
    before = identity(str(folder))
    (folder / "README.md").write_text("no part of it")
    (folder / "pytorch_model.bin").write_bytes(b"not read beside safetensors")
    (folder / "other.safetensors").write_bytes(b"named by no index")
    assert identity(str(folder)) == before


def test_the_shards_that_the_index_names_count(folder):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for shard in ("model-1.safetensors", "model-2.safetensors", "stray.safetensors"):
        (folder / shard).write_bytes(b"one")
    before = identity(str(folder))
    (folder / "stray.safetensors").write_bytes(b"two")
    assert identity(str(folder)) == before
    (folder / "model-2.safetensors").write_bytes(b"two")
    assert identity(str(folder)) != before


def test_the_embedded_backbone_keeps_its_name():
    """Units recorded on it stay its own; a change to its files is another backbone."""
    assert identity(str(EMBEDDED)) == "88c2036301de"
    assert earlier_weights("mini") is None
    config = sha256((EMBEDDED / "config.json").read_bytes()).hexdigest()
    assert config[:12] == "bb098213c282"


def test_a_hub_model_is_named_by_its_commit_and_all_its_files_are_of_it(tmp_path, monkeypatch):
    """An offline cache in the Hub's layout, its branch moved on since."""
    commit, other = "0123456789abcdef0123456789abcdef01234567", "f" * 40
    tiny = TINY["t5"](dtype=torch.float32)
    place = tmp_path / "models--acme--tiny"
    for one in (commit, other):
        tiny.model.save_pretrained(place / "snapshots" / one)
        tiny.tokenizer.save_pretrained(place / "snapshots" / one)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert load_backbone("acme/tiny", "cpu").weights == commit[:12]
    (place / "refs" / "main").write_text(other)
    assert load_backbone("acme/tiny", "cpu").weights == other[:12]
    with pytest.raises(ConfigError, match=r"cannot be loaded .* a Hub id that this machine can"):
        load_backbone("acme/nothing", "cpu")


def test_a_hub_model_of_unknown_commit_is_refused():
    with pytest.raises(ConfigError, match="hf download acme/x --local-dir FOLDER"):
        identity("acme/x")
