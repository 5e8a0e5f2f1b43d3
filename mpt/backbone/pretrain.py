"""Pretraining of the mini backbone: a small T5 v1.1 on the text of the mini world."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from mpt.backbone import hub
from mpt.backbone.corpus import SENTINELS, Mixture, document, vocabulary
from mpt.backbone.feed import Feed, feed
from mpt.backbone.probe import probe
from mpt.backbone.tokenizer import SPECIALS, word_tokenizer
from mpt.seeding import entropy


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything the weights depend on.

    Attributes:
        seed: root of corpus and initial weights.
        steps: updates; the rate warms up over ``warmup`` of them and falls to zero over the last
            ``cooldown`` share.
        minutes: a wall-clock budget; when it is short, the rate falls earlier and ``steps`` is not
            reached (then the weights depend on the machine, and ``made.json`` says so).
        batch: documents per update.
        lr: peak rate of AdamW.
        width, depth, decoder_depth, ff, heads: the model.
        table_std: initial spread of the embedding table, which is also the output head's.
    """

    seed: int = 0
    steps: int = 25_000
    minutes: float | None = None
    warmup: int = 300
    cooldown: float = 0.4
    batch: int = 64
    lr: float = 7e-4
    weight_decay: float = 0.01
    width: int = 128
    depth: int = 3
    decoder_depth: int = 2
    ff: int = 384
    heads: int = 4
    table_std: float = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a pretraining stands; ``loss`` is the mean since the last report, in nats."""

    step: int
    done: float
    seconds: float
    loss: float


def pretrain(
    out: Path,
    recipe: Recipe,
    *,
    report: Callable[[Progress], None] = lambda _: None,
    every: int = 500,
    keep_every: int = 5000,
) -> Path:
    """Train a mini backbone and write it to ``out`` as ``save_pretrained`` does.

    Args:
        out: folder for weights, tokenizer and ``made.json``; written again every ``keep_every``.
        recipe: what to train.
        report: called every ``every`` updates.

    Returns:
        ``out``.
    """
    torch.manual_seed(entropy("pretrain", recipe.seed) % 2**63)
    corpus = Random(entropy("corpus", recipe.seed))
    tokenizer, model = new_tokenizer(recipe), new_model(recipe)
    optimiser = torch.optim.AdamW(
        model.parameters(), recipe.lr, (0.9, 0.98), weight_decay=recipe.weight_decay, fused=True
    )
    began, losses, step, done = time.monotonic(), [], 0, 0.0
    for step, batch in enumerate(feed(tokenizer, corpus, batch=recipe.batch), 1):
        done = _done(recipe, step, time.monotonic() - began)
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * min(1, step / recipe.warmup, (1 - done) / recipe.cooldown)
        losses.append(_update(model, optimiser, batch))
        if step % every == 0:
            seconds, loss = time.monotonic() - began, float(np.mean(losses[-every:]))
            report(Progress(step, done, seconds, loss))
        if step % keep_every == 0:
            model.save_pretrained(out)
            tokenizer.save_pretrained(out)
        if done >= 1:
            break
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)
    seconds, loss = time.monotonic() - began, float(np.mean(losses[-every:]))
    made = {
        "recipe": asdict(recipe),
        "steps": step,
        "seconds": round(seconds),
        "loss": round(loss, 4),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "probe": {p.skill: p.accuracy for p in probe(model, tokenizer)},
    }
    (out / "made.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return out


def new_model(recipe: Recipe) -> Any:
    """A randomly initialised model of the recipe's shape."""
    words = len(new_tokenizer(recipe))
    model = hub.new_t5(
        vocab_size=-(-words // 8) * 8,
        d_model=recipe.width,
        d_kv=recipe.width // recipe.heads,
        num_heads=recipe.heads,
        d_ff=recipe.ff,
        num_layers=recipe.depth,
        num_decoder_layers=recipe.decoder_depth,
    )
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_(std=recipe.table_std)
    return hub.native_norms(model).train()


def new_tokenizer(recipe: Recipe) -> Any:
    """The tokenizer of the mini world, ids in order of frequency in the recipe's corpus."""
    rng = Random(entropy("vocabulary", recipe.seed))
    docs = [document(rng, Mixture()) for _ in range(20_000)]
    texts = [text for doc in docs for text in (doc.source, doc.target)]
    known = vocabulary()
    texts = [" ".join(word for word in text.split() if word in known) for text in texts]
    marks = [f"<extra_id_{i}>" for i in range(SENTINELS)]
    return hub.wrap_tokenizer(
        word_tokenizer(texts, extra=known, sentinels=SENTINELS),
        pad_token=SPECIALS[0],
        eos_token=SPECIALS[1],
        unk_token=SPECIALS[2],
        additional_special_tokens=marks,
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def _update(model: Any, optimiser: torch.optim.Optimizer, batch: Feed) -> float:
    start = torch.zeros_like(batch.target[:, :1])
    given = torch.cat([start, batch.target[:, :-1].clamp_min(0)], 1)
    with torch.autocast(
        "cpu", torch.bfloat16
    ):  # twice as fast as float32 on the CPU it was made on
        logits = model(
            input_ids=batch.input, attention_mask=batch.mask, decoder_input_ids=given
        ).logits
    nats = F.cross_entropy(logits.flatten(0, 1).float(), batch.target.flatten(), reduction="none")
    loss = (nats * batch.weights.flatten()).sum()
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _done(recipe: Recipe, step: int, seconds: float) -> float:
    """How much of the budget is used up, by updates or by time, whichever is nearer its end."""
    spent = seconds / (60 * recipe.minutes) if recipe.minutes else 0.0
    return min(1.0, max(step / recipe.steps, spent))
