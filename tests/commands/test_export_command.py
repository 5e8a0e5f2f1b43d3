"""`mpt predict` and `mpt export`: a prompt answers alike in mpt and in PEFT."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
import torch
from terminal import mpt, study_file
from tiny import TINY, tiny_t5

from mpt.backbone.batch import collate
from mpt.backbone.load import load_backbone
from mpt.config import VOCABULARY, BackboneConfig, CellConfig, Tuning
from mpt.errors import ConfigError, InputError
from mpt.gym.tokens import TokenRow
from mpt.serve.export import export_peft
from mpt.store.artefacts import save_prompt
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.results import MetaResult
from mpt.store.unit import Unit

pytestmark = pytest.mark.slow

DIGEST = "abc0abc0abc0"


def exported(folder, chosen: BackboneConfig, prompt: torch.Tensor, weights: str):
    home = Home.find({"MPT_HOME": str(folder / "home")})
    path = save_prompt(home, DIGEST, prompt, {})
    config = CellConfig(
        backbone=chosen,
        weights=weights,
        task="t",
        data_seed=13,
        data="d",
        start=VOCABULARY,
        lr=0.5,
        tuning=Tuning(),
    )
    unit = Unit(DIGEST, "cell", config, "done", MetaResult(curve=()), path, 0.0, datetime.now(UTC))
    return export_peft(unit, home, folder / "adapter")


TEXTS = ["the cat sat", "a dog", "the good cat is very very bad and not on the red mat", "no"]
FILTERS = (
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Position ids are not supported:UserWarning"),
)


class Exported:
    """A tiny model of some kind, a prompt behind it, and its adapter; read from another folder."""

    def __init__(self, kind, tmp_path, monkeypatch, **changes):
        self.peft = pytest.importorskip("peft", reason="peft is an extra: pip install '.[bench]'")
        tiny = TINY[kind](dtype=torch.float32)
        tiny.model.save_pretrained(tmp_path / "base")
        tiny.tokenizer.save_pretrained(tmp_path / "base")
        monkeypatch.chdir(tmp_path)
        sizes = {"prompt_tokens": 4, "max_input": 8, "max_target": 6, **changes}
        chosen = BackboneConfig(name="./base", **sizes)
        self.backbone = load_backbone(chosen, "cpu")
        self.prompt = 2 * torch.randn(4, self.backbone.embed.weight.shape[1])
        self.caveat = exported(tmp_path, chosen, self.prompt, self.backbone.weights)
        self.folder = tmp_path / "adapter"
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")

    @property
    def ours(self):
        """What mpt answers."""
        (nothing,) = self.backbone.encode([""], 4, "target")
        rows = [TokenRow(ids, nothing) for ids in self.backbone.encode(TEXTS, 8)]
        return self.backbone.generate(self.prompt[None], collate([rows]), 6)

    @property
    def program(self):
        """The names that the README's program defines."""
        (code,) = re.findall("```python\n(.*?)```", (self.folder / "README.md").read_text(), re.S)
        names = {"ADAPTER": str(self.folder)}
        exec(code, names)
        return names


@FILTERS[0]
@FILTERS[1]
@pytest.mark.parametrize("kind", ["t5", "bart", "gpt2", "llama"])
def test_the_program_in_the_readme_answers_as_mpt_does(kind, tmp_path, monkeypatch):
    made = Exported(kind, tmp_path, monkeypatch)
    names = made.program
    assert names["answer"](TEXTS) == made.ours
    assert [names["answer"]([text])[0] for text in TEXTS] == made.ours
    assert made.caveat in (made.folder / "README.md").read_text()


@FILTERS[0]
@FILTERS[1]
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_encoder_decoders_answer_alike_with_a_cache_and_without(kind, cache, tmp_path, monkeypatch):
    made = Exported(kind, tmp_path, monkeypatch)
    names = made.program
    read = names["tokenizer"](
        TEXTS, truncation=True, max_length=8, padding=True, return_tensors="pt"
    )
    ids = names["model"].generate(
        input_ids=read["input_ids"], attention_mask=read["attention_mask"], use_cache=cache
    )
    assert made.backbone.decode(list(ids.numpy())) == made.ours


@FILTERS[0]
@FILTERS[1]
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_causal_models_answer_otherwise_as_peft_generates_by_default(kind, tmp_path, monkeypatch):
    """What the caveat says; where it no longer holds, say no more of it."""
    made = Exported(kind, tmp_path, monkeypatch)
    names = made.program
    tokenizer = names["tokenizer"]
    read = tokenizer(TEXTS, padding=True, padding_side="left", return_tensors="pt")
    options = {"attention_mask": read["attention_mask"], "use_cache": True}
    ids = names["model"].generate(input_ids=read["input_ids"], **options)
    new = list(ids[:, read["input_ids"].shape[1] :].numpy())
    assert made.backbone.decode(new) != made.ours
    assert "only for one text at a time and with use_cache=False" in made.caveat


@FILTERS[0]
def test_an_adapter_finds_its_base_from_any_folder(tmp_path, monkeypatch):
    made = Exported("t5", tmp_path, monkeypatch)
    assert made.peft.AutoPeftModelForSeq2SeqLM.from_pretrained(made.folder)
    config = json.loads((made.folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str((tmp_path / "base").resolve())


def test_a_readme_says_how_inputs_begin_and_where_the_base_lies(tmp_path, monkeypatch):
    made = Exported("t5", tmp_path, monkeypatch, prepend_task_name=True)
    said = (made.folder / "README.md").read_text()
    assert "learned on inputs that begin with ` [task name] `" in said
    assert "path on the machine that exported it" in said


@FILTERS[0]
def test_the_embedded_backbone_is_a_base_like_any_other(tmp_path):
    pytest.importorskip("peft", reason="peft is an extra: pip install '.[bench]'")
    chosen = BackboneConfig(prompt_tokens=4)
    backbone = load_backbone(chosen, "cpu")
    prompt = backbone.vocabulary_prompt(4, "export")
    exported(tmp_path, chosen, prompt, backbone.weights)
    (code,) = re.findall(
        "```python\n(.*?)```", (tmp_path / "adapter" / "README.md").read_text(), re.S
    )
    names = {"ADAPTER": str(tmp_path / "adapter")}
    exec(code, names)
    (nothing,) = backbone.encode([""], 16, "target")
    rows = [TokenRow(ids, nothing) for ids in backbone.encode(TEXTS, 64)]
    assert names["answer"](TEXTS) == backbone.generate(prompt[None], collate([rows]), 16)


def test_a_token_before_every_text_is_refused_with_a_way_to_answer(tmp_path):
    tiny = TINY["gemma"](dtype=torch.float32)
    tiny.model.save_pretrained(tmp_path / "base")
    tiny.tokenizer.save_pretrained(tmp_path / "base")
    chosen = BackboneConfig(name=str(tmp_path / "base"), prompt_tokens=4, max_input=8, max_target=6)
    weights = load_backbone(chosen, "cpu").weights
    with pytest.raises(ConfigError, match=f"use `mpt predict {DIGEST}`"):
        exported(tmp_path, chosen, torch.zeros(4, 16), weights)
    assert not (tmp_path / "adapter").exists()


def test_what_peft_cannot_place_is_refused(tmp_path):
    tiny = tiny_t5()
    tiny.model.save_pretrained(tmp_path / "base")
    tiny.tokenizer.save_pretrained(tmp_path / "base")
    chosen = BackboneConfig(name=str(tmp_path / "base"), prompt_position="after")
    with pytest.raises(ConfigError, match="PEFT puts prompts before it"):
        exported(tmp_path, chosen, torch.zeros(4, 8), "x")
    chosen = BackboneConfig(name=str(tmp_path / "base"))
    with pytest.raises(ConfigError, match="was made for weights x, but backbone"):
        exported(tmp_path, chosen, torch.zeros(4, 8), "x")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "thesis.txt").touch()
    with pytest.raises(InputError, match="is not an empty folder"):
        exported(tmp_path, chosen, torch.zeros(4, 8), "x")


def test_a_recorded_prompt_answers_and_is_exported(tmp_path):
    home = tmp_path / "home"
    study = study_file(tmp_path / "study.yaml", {"trials": 1})
    assert mpt("sweep", "--study", study, home=home).code == 0
    assert mpt("promote", home=home).code == 0
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        digests = [unit.digest for unit in ledger.units(kind="meta")]
    named = mpt("predict", "models:/mpt-small@champion", "the cat sat", "a dog ran", home=home)
    assert named.code == 0, named.err
    assert len(named.out.splitlines()) == 2
    answers = [mpt("predict", d, "the cat sat", "a dog ran", home=home).out for d in digests]
    assert named.out in answers
    said = mpt("export", "mpt-small", "--to", "peft", tmp_path / "adapter", home=home)
    assert said.code == 0, said.err
    assert (
        "note: PEFT gives the answers of `mpt predict` for single texts and for batches" in said.err
    )
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["num_virtual_tokens"], config["num_transformer_submodules"]) == (3, 1)
    refused = mpt("predict", "mpt-smal", "x", home=home)
    assert refused.code == 2
    assert "unknown prompt 'mpt-smal' - did you mean 'mpt-small'?" in refused.error
