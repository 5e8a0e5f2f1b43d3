"""The embedded backbone: offline, small, reads any text, knows its skills."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from folders import save
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mpt.backbone import hub
from mpt.errors import ConfigError
from tools.mini_backbone.__main__ import app
from tools.mini_backbone.corpus import START, Mixture, document, vocabulary
from tools.mini_backbone.feed import Reader, feed
from tools.mini_backbone.pretrain import LOOKS, Recipe, new_model, pretrain
from tools.mini_backbone.probe import probe

NASTY = [
    "", " ", "  two  blanks ", "\ttab\nline", "😀 naïve Ωmega 漢字", "</s> <pad> <unk> <0x41>",
    "<extra_id_0>a</s>b", "Ġ ▁ Ċ", "don't stop!", "\x00\x07", "ﬁ ½",
]  # fmt: skip


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    model, tokenizer, _ = hub.load("mini")
    return model.eval(), tokenizer


def _back(tokenizer: Any, text: str) -> str:
    ids = tokenizer(text)["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id
    assert not set(ids[:-1]) & set(tokenizer.all_special_ids)
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_comes_back(loaded: tuple[Any, Any], text: str) -> None:
    assert _back(loaded[1], text) == text


@settings(max_examples=200)
@given(text=st.text(max_size=40))
def test_any_text_comes_back(loaded: tuple[Any, Any], text: str) -> None:
    assert _back(loaded[1], text) == text


def test_world_words_are_one_piece(loaded: tuple[Any, Any]) -> None:
    _, tokenizer = loaded
    # brackets of lettered options stand alone
    words = [word for word in vocabulary() if not word.startswith("(")]
    assert [word for word in words if len(tokenizer(word)["input_ids"]) != 2] == []


def test_ids_fall_in_order_of_frequency(loaded: tuple[Any, Any]) -> None:
    _, tokenizer = loaded
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "</s>", "<unk>"]
    rank = [tokenizer(word)["input_ids"][0] for word in ("the", "kitchen", "entailment")]
    assert rank == sorted(rank)


def test_reader_agrees_with_the_tokenizer(loaded: tuple[Any, Any]) -> None:
    _, tokenizer = loaded
    read, rng = Reader(tokenizer), Random(4)
    docs = [document(rng, Mixture(spans=0.0), START) for _ in range(300)]
    assert [read(doc)[0] for doc in docs] == [tokenizer(d.source)["input_ids"] for d in docs]


def test_feed_weights_sum_to_one(loaded: tuple[Any, Any]) -> None:
    batch = next(feed(loaded[1], Random(0), batch=8, shares=lambda: START, pool=2))
    assert batch.input.shape == batch.mask.shape
    assert batch.weights.sum().item() == pytest.approx(1, abs=1e-6)
    assert ((batch.weights > 0) == (batch.target != -100)).all()


def test_weights_fit_in_a_package(loaded: tuple[Any, Any]) -> None:
    size = (hub.EMBEDDED / "model.safetensors").stat().st_size
    assert size < 12 * 2**20
    assert sum(p.numel() for p in loaded[0].parameters()) < 3_000_000


@pytest.mark.slow
def test_knows_its_skills_on_unseen_items(loaded: tuple[Any, Any]) -> None:
    found = {one.skill: one.accuracy for one in probe(*loaded, items=40)}
    made = json.loads((hub.EMBEDDED / "made.json").read_text())["probe"]
    assert found.keys() == made.keys()
    gaps = [abs(found[skill] - made[skill]) for skill in found]
    assert sum(gaps) / len(gaps) < 0.05
    assert sum(accuracy >= 0.8 for accuracy in found.values()) > len(found) / 2


@pytest.fixture(scope="module")
def attention() -> torch.Tensor:
    """Where every head of a new model looks from the third of five words, [heads, words]."""
    torch.manual_seed(1)
    model = new_model(Recipe()).eval()
    model.set_attn_implementation("eager")
    words = torch.tensor([[50, 60, 50, 70, 80]])
    with torch.no_grad():
        return model.encoder(input_ids=words, output_attentions=True).attentions[0][0, :, 2]


@pytest.mark.parametrize(
    ("look", "places"),
    [("previous", [1]), ("next", [3]), ("same", [0]), ("before", [0, 1, 2]), ("behind", [3, 4])],
)
def test_a_new_head_looks_where_it_should(
    attention: torch.Tensor, look: str, places: list[int]
) -> None:
    assert attention[LOOKS.index(look), places].sum() > 0.8


@pytest.mark.slow
def test_pretraining_writes_a_loadable_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shape = {"width": 16, "ff": 16, "heads": 4, "head_width": 4, "depth": 1, "decoder_depth": 1}
    pretrain(tmp_path, Recipe(steps=3, batch=4, attend=2, probed=2, **shape))
    assert capfd.readouterr().err == ""
    model, tokenizer, identity = hub.load(str(tmp_path))
    assert model.config.d_model == 16
    assert len(tokenizer) <= model.config.vocab_size
    assert len(identity) == 12
    assert json.loads((tmp_path / "made.json").read_text())["steps"] == 3


@pytest.mark.slow
def test_the_embedded_weights_are_those_of_the_recipe(tmp_path: Path) -> None:
    made = json.loads((hub.EMBEDDED / "made.json").read_text())
    assert made["recipe"] == asdict(Recipe())
    assert made["steps"] == Recipe().steps
    # the rate still rises, so that the first updates of a short run are those of a long one
    pretrain(tmp_path, Recipe(steps=5, probed=1))
    again = json.loads((tmp_path / "made.json").read_text())["first"]
    assert again == pytest.approx(made["first"][:5], rel=1e-3)


def test_pretrain_does_not_write_over_a_model() -> None:
    ran = CliRunner().invoke(app, ["pretrain", "--out", str(hub.EMBEDDED)])
    assert ran.exit_code != 0
    assert "name a new folder, nothing is written over" in str(ran.exception)


def test_probe_prints_json() -> None:
    ran = CliRunner().invoke(app, ["probe", "--items", "2", "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["skills"].keys() == START.keys()


def test_a_causal_model_is_not_probed(tmp_path):
    save(tmp_path, "gpt2")
    ran = CliRunner().invoke(app, ["probe", "--backbone", str(tmp_path)])
    assert isinstance(ran.exception, ConfigError)
    assert "is a causal model, and the cues are written for" in str(ran.exception)
