"""A small folder of tasks in CrossFit's format with invented rows, and a tiny model beside it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import torch
from tiny import WORDS, tiny_t5

from mpt.backbone.batch import collate
from mpt.gym.splits import PARTS, SEEDS
from mpt.gym.tokens import TokenRow

TASKS = (
    # sources, targets and stand-ins for the validation tasks, in R->R and Cls->Cls
    *("glue-mrpc", "glue-qqp", "rotten_tomatoes", "sms_spam", "ag_news", "imdb"),
    *("superglue-cb", "ethos-race"),
    *("financial_phrasebank", "tweet_eval-emotion", "trec", "liar", "health_fact"),
)
SIZES = {"train": 16, "dev": 16, "test": 24}


def write_gym(folder: Path, tasks: tuple[str, ...] = TASKS) -> Path:
    """Each task asks whether its own word is in a row of words; answers are yes or no."""
    for number, task in enumerate(tasks):
        word = WORDS[number % len(WORDS)]
        (folder / task).mkdir(parents=True)
        for seed in SEEDS:
            for part in PARTS:
                draws = Random(f"{task} {'all' if part == 'test' else seed} {part}")
                lines = [_line(draws, word, i % 2 == 0) for i in range(SIZES[part])]
                path = folder / task / f"{task}_16_{seed}_{part}.tsv"
                path.write_text("".join(lines), encoding="utf-8")
    return folder


def write_backbone(folder: Path, steps: int = 120) -> Path:
    """A tiny T5 that has learned to answer yes or no, as ``save_pretrained`` leaves it.

    Seconds of training on the form of the tasks, so that prompt tuning scores above zero.
    """
    tiny, draws = tiny_t5(dtype=torch.float32, spread=1.0), Random(0)
    tiny.model.requires_grad_(True)
    optimiser = torch.optim.Adam(tiny.model.parameters(), lr=5e-3)
    prompt = torch.zeros(1, 1, 16)
    for _ in range(steps):
        lines = [_line(draws, draws.choice(WORDS[:12]), draws.random() < 0.5) for _ in range(32)]
        inputs, answers = zip(*(line.strip().split("\t") for line in lines), strict=True)
        sides = zip(tiny.encode(inputs, 16), tiny.encode(answers, 4), strict=True)
        loss = tiny.losses(prompt, collate([[TokenRow(*side) for side in sides]])).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    return folder


def _line(draws: Random, word: str, there: bool) -> str:
    others = [w for w in WORDS if w not in (word, "yes", "no")]
    words = [*draws.sample(others, 5), word if there else draws.choice(others)]
    draws.shuffle(words)
    return f"{' '.join(words)}\t{'yes' if there else 'no'}\n"
