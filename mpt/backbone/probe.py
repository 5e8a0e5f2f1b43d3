"""How well the mini backbone knows each skill when it is cued in natural language."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import torch

from mpt.backbone.corpus import Mixture, cued
from mpt.backbone.skills import SKILLS
from mpt.gym.mini.item import draw
from mpt.seeding import entropy

PLAIN = Mixture(stray=0.0, offered=0.0)


@dataclass(frozen=True, slots=True)
class Probe:
    """Accuracy of one skill on ``items`` held-out items under its own cues."""

    skill: str
    accuracy: float
    items: int


def probe(model: Any, tokenizer: Any, *, items: int = 200, seed: int = 0) -> tuple[Probe, ...]:
    """Exact-match accuracy per skill, on items of the gym's bucket, which pretraining never saw.

    Greedy decoding is not run: it writes the answer exactly if every teacher-forced argmax does.
    """
    return tuple(
        Probe(name, _accuracy(model, tokenizer, name, items, seed), items) for name in SKILLS
    )


@torch.inference_mode()
def _accuracy(model: Any, tokenizer: Any, name: str, items: int, seed: int) -> float:
    rng = Random(entropy("probe", name, seed))
    skill = SKILLS[name]
    docs = [
        cued(rng, skill, draw(rng.choice(skill.samplers), rng, held_out=True), PLAIN)
        for _ in range(items)
    ]
    source = tokenizer([doc.source for doc in docs], padding=True, return_tensors="pt")
    target = tokenizer([doc.target for doc in docs], padding=True, return_tensors="pt")
    labels = target["input_ids"].masked_fill(target["attention_mask"] == 0, -100)
    logits = model(
        input_ids=source["input_ids"], attention_mask=source["attention_mask"], labels=labels
    ).logits
    right = ((logits.argmax(-1) == labels) | (labels == -100)).all(-1)
    return float(right.double().mean())
