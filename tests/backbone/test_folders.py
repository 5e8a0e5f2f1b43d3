"""Folders that are not the whole of a model: each is refused in one line that says what to do."""

from __future__ import annotations

import json
import logging
import shutil
import sys

import pytest
import torch
from folders import change, loaded, refused, save
from safetensors.torch import load_file, save_file
from tiny import TINY

from mpt.backbone import hub


def twice(path):
    """Write a key two times into a JSON object."""
    path.write_text('{"zork": 1,\n"zork": 2,' + path.read_text()[1:])


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_saved_without_its_head_is_refused_until_it_is_saved_whole(tmp_path):
    tiny = save(tmp_path, "gpt2")
    change(tmp_path / "config.json", tie_word_embeddings=False)
    assert "(missing: lm_head.weight)" in refused(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["lm_head.weight"] = tiny.model.lm_head.weight.detach().clone()
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    assert loaded(tmp_path)


def test_tensors_missing_of_another_shape_or_of_no_use_are_named(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    key = "encoder.block.0.layer.0.SelfAttention.q.weight"
    save_file({k: v for k, v in tensors.items() if k != key}, path, {"format": "pt"})
    assert f"(missing: {key})" in refused(folder)
    save_file({**tensors, key: torch.zeros(4, 16)}, path, {"format": "pt"})
    assert f"(of another shape: {key} [4, 16] instead of [16, 16])" in refused(folder)
    save_file({**tensors, "score.weight": torch.zeros(2, 16)}, path, {"format": "pt"})
    assert "(not part of it: score.weight)" in refused(folder)


def test_the_weights_of_another_architecture_are_refused(folder, tmp_path):
    save(tmp_path / "llama", "llama")
    shutil.copy(tmp_path / "llama" / "model.safetensors", folder)
    line = refused(folder)
    assert "does not hold the weights of a T5ForConditionalGeneration (missing: " in line
    assert " more; not part of it: " in line


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda f: [p.unlink() for p in f.iterdir()], "the folder is empty; give one written by"),
        (lambda f: (f / "config.json").unlink(), "holds no config.json; give a folder"),
        (
            lambda f: (f / "config.json").write_text("{"),
            "config.json cannot be read (line 1, column 2",
        ),
        (
            lambda f: twice(f / "config.json"),
            "(line 2: the key 'zork' is already in line 1; keep",
        ),
        (
            lambda f: twice(f / "tokenizer_config.json"),
            "tokenizer_config.json cannot be read (line",
        ),
        (lambda f: twice(f / "generation_config.json"), "generation_config.json cannot be read ("),
        (lambda f: (f / "config.json").write_text("[]"), "config.json is no JSON object"),
        (lambda f: (f / "config.json").write_text("{}"), "names no model_type"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no model.safetensors; give"),
        (lambda f: (f / "model.safetensors").write_bytes(b"torn"), "cannot be loaded ("),
        (lambda f: change(f / "config.json", model_type="vit"), "of the kind 'vit', which does"),
        (lambda f: change(f / "config.json", model_type="bert"), "cannot be loaded|of the kind"),
        (lambda f: change(f / "config.json", model_type="no-such"), "cannot be loaded ("),
        (lambda f: change(f / "config.json", num_heads="two"), "cannot be loaded ("),
        (lambda f: change(f / "config.json", num_heads=0), "cannot be loaded ("),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(folder, spoil, what):
    spoil(folder)
    assert any(part in refused(folder) for part in what.split("|"))


def test_truncated_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "copy or download the folder anew" in refused(folder)


def test_a_shard_that_is_not_there_is_named(folder):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"shared.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names model-00001-of-00002.safetensors, which is not there" in refused(folder)


def test_an_adapter_is_told_from_a_model(folder):
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "acme/base"}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    assert "holds a PEFT adapter, no model of its own; give its base model (acme/base)" in refused(
        folder
    )


def test_code_beside_a_model_is_never_run(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stdin, "readline", lambda *_: pytest.fail("nobody is asked"))
    ran = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Own: pass\n")
    auto = dict.fromkeys(("AutoConfig", "AutoModelForSeq2SeqLM"), "code.Own")
    change(folder / "config.json", model_type="own", auto_map=auto)
    assert "needs code that lies beside it (auto_map), which mpt never runs" in refused(folder)
    assert not ran.exists()


def test_code_beside_a_model_of_a_known_kind_is_not_needed(folder, tmp_path):
    ran = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Own: pass\n")
    change(folder / "config.json", auto_map={"AutoModelForSeq2SeqLM": "code.Own"})
    auto = {"AutoTokenizer": ["code.Own", None]}
    change(folder / "tokenizer_config.json", tokenizer_class="Own", auto_map=auto)
    (folder / "custom_generate").mkdir()
    shutil.copy(folder / "code.py", folder / "custom_generate" / "generate.py")
    assert loaded(folder)
    assert not ran.exists()


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "awq", "hqq", "no-such"])
def test_quantised_weights_without_their_library_are_refused(folder, method):
    config = {"quant_method": method, "bits": 4, "load_in_4bit": True, "group_size": 8}
    change(folder / "config.json", quantization_config=config)
    assert "cannot be loaded (" in refused(folder)


@pytest.mark.parametrize("kind", TINY)
def test_a_folder_without_its_tokenizer_is_refused(tmp_path, kind):
    """transformers makes tokenizers of many kinds from nothing: they know no word."""
    save(tmp_path, kind)
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    line = refused(tmp_path)
    assert " of its tokenizer (" in line or "cannot be loaded (" in line


def test_a_tokenizer_without_its_merges_is_refused(tmp_path):
    tiny = save(tmp_path, "gpt2")
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    (tmp_path / "vocab.json").write_text(json.dumps(tiny.tokenizer.get_vocab()))
    assert "cannot be loaded (`vocab` and `merges` must" in refused(tmp_path)


def test_what_transformers_warns_of_is_said(folder, caplog):
    """A head of its own, though the configuration calls it tied."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = torch.randn_like(tensors["shared.weight"])
    save_file(tensors, path, {"format": "pt"})
    change(folder / "config.json", tie_word_embeddings=True)
    with caplog.at_level(logging.WARNING, "mpt"):
        loaded(folder)
    assert [r.getMessage() for r in caplog.records if "tie_word_embeddings" in r.getMessage()]


def test_a_name_is_expanded_and_a_file_is_no_model(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert hub.where("~/model") == str(folder)
    assert loaded("~/model").weights == loaded(folder).weights
    assert "is a file; give a folder" in refused(folder / "config.json")


def test_the_layout_of_t5_on_the_hub_gives_the_pieces_of_sentencepiece(tmp_path, sentencepieces):
    """``spiece.model`` without ``tokenizer.json``."""
    import sentencepiece

    hub.new_t5(
        vocab_size=64,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        initializer_factor=3.0,
    ).save_pretrained(tmp_path)
    shutil.copy(sentencepieces, tmp_path / "spiece.model")
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 0, **special})
    )
    backbone = loaded(tmp_path)
    plain = sentencepiece.SentencePieceProcessor(model_file=str(sentencepieces))
    texts = ["the cat sat", "a dog ran on the hill", "  very   good "]
    for text, ids in zip(texts, backbone.encode(texts, 32), strict=True):
        assert ids.tolist() == [*plain.encode(text), 1]
    assert backbone.decode(backbone.encode(["the cat"], 8)) == ["the cat"]


@pytest.fixture(scope="module")
def sentencepieces(tmp_path_factory):
    """A model of pieces, trained on a few lines."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("pieces")
    words = [
        "the",
        "a",
        "cat",
        "dog",
        "sat",
        "ran",
        "on",
        "under",
        "mat",
        "hill",
        "good",
        "bad",
        "very",
    ]
    lines = [" ".join((words[i % 13 :] + words)[: 3 + i % 9]) for i in range(200)]
    (folder / "lines.txt").write_text("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"),
        model_prefix=str(folder / "spiece"),
        vocab_size=40,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return folder / "spiece.model"


def test_nothing_is_said_of_a_sound_model(tmp_path, caplog):
    for kind in TINY:
        save(tmp_path / kind, kind)
        loaded(tmp_path / kind)
    assert not [r for r in caplog.records if r.name == "mpt"]


def test_infinite_limits_as_python_writes_them_are_read(folder):
    change(folder / "config.json", time_step_limit=[0.0, float("inf")])
    assert "Infinity" in (folder / "config.json").read_text()
    assert loaded(folder)
