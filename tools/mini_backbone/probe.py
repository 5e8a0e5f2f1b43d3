"""How well the mini backbone knows each skill when it is cued in natural language."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import torch

from mpt.gym.mini.item import draw
from mpt.seeding import entropy
from tools.mini_backbone.corpus import Doc, Mixture, cued
from tools.mini_backbone.skills import SKILLS

PLAIN = Mixture(stray=0.0, offered=0.0)


@dataclass(frozen=True, slots=True)
class Probe:
    """Accuracy of one skill on ``items`` held-out items under its own cues."""

    skill: str
    accuracy: float
    items: int


def probe(
    model: Any, tokenizer: Any, *, items: int = 200, seed: int = 0, held_out: bool = True
) -> tuple[Probe, ...]:
    """Exact-match accuracy per skill, on items of the gym's bucket, which pretraining never saw
    (or, if not ``held_out``, of its own).

    Greedy decoding is not run: it writes the answer exactly if every teacher-forced argmax does.
    """
    return tuple(
        Probe(name, _accuracy(model, tokenizer, _docs(name, items, seed, held_out)), items)
        for name in SKILLS
    )


def _docs(name: str, items: int, seed: int, held_out: bool) -> list[Doc]:
    rng, skill = Random(entropy("probe", name, seed)), SKILLS[name]
    return [
        cued(rng, skill, draw(rng.choice(skill.samplers), rng, held_out=held_out), PLAIN)
        for _ in range(items)
    ]


@torch.inference_mode()
def _accuracy(model: Any, tokenizer: Any, docs: list[Doc]) -> float:
    source = tokenizer([doc.source for doc in docs], padding=True, return_tensors="pt")
    target = tokenizer([doc.target for doc in docs], padding=True, return_tensors="pt")
    labels = target["input_ids"].masked_fill(target["attention_mask"] == 0, -100)
    logits = model(
        input_ids=source["input_ids"], attention_mask=source["attention_mask"], labels=labels
    ).logits
    right = ((logits.argmax(-1) == labels) | (labels == -100)).all(-1)
    return float(right.double().mean())
