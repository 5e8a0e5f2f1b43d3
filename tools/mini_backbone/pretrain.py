"""Pretraining of the mini backbone: a small T5 v1.1 on the text of the mini world."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F

from mpt.backbone import hub
from mpt.seeding import entropy
from tools.mini_backbone.corpus import SENTINELS, START, Mixture, document, vocabulary
from tools.mini_backbone.feed import Feed, feed
from tools.mini_backbone.probe import Probe, probe
from tools.mini_backbone.tokenizer import SPECIALS, word_tokenizer

EVERY, KEEP = 500, 2500
"""Updates between reports, and between checkpoints of the weights."""

FIRST = 20
"""Updates whose losses are recorded, by which a second run is recognised as the same one."""

SHARP, FADE, SAME = 5.0, 0.5, 8.0
"""Nats, at the start: by which a head prefers what it looks for, by which a place fades per bucket,
and by which a word meets itself elsewhere."""

LOOKS = ("previous", "next", "around", "anywhere", "same", "before", "behind", "same")
"""What each head of the encoder looks for at the start."""


FOUNDATION: Mapping[str, float] = MappingProxyType(
    dict.fromkeys(("where", "who", "colour", "what", "story_choice", "field", "last", "first"), 1.0)
)
"""What is taught first, with equal shares: to bind words that belong together, and word order."""


@dataclass(frozen=True, slots=True)
class PretrainProgress:
    """Where a pretraining stands; ``loss`` is the mean since the last report, in nats."""

    step: int
    done: float
    seconds: float
    loss: float


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
        width, depth, decoder_depth, ff, heads, head_width: the model.
        foundation: updates on the skills of ``FOUNDATION`` alone, before all of them are taught.
        attend: every so many updates each skill is probed (on pretraining's own items), and its
            share becomes its first share times ``patience`` + its error rate: time goes where
            something is left to learn.
        bias_boost: factor on the rate of the relative position biases. They start near zero and
            must reach several nats before a head can look at one place: at the common rate word
            order, and every skill that needs it, stays unlearned for thousands of updates.
        table_std: initial spread of the embedding table, which is also the output head's.
        probed: held-out items per skill in the closing probe.
    """

    seed: int = 0
    steps: int = 12_000
    minutes: float | None = None
    warmup: int = 300
    cooldown: float = 0.4
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.01
    width: int = 128
    depth: int = 3
    decoder_depth: int = 2
    ff: int = 384
    heads: int = 8
    head_width: int = 32
    foundation: int = 1_500
    attend: int = 500
    patience: float = 0.05
    bias_boost: float = 20.0
    table_std: float = 0.05
    probed: int = 200

    def done(self, step: int, seconds: float) -> float:
        """How much of the budget is used, by updates or by time, whichever is nearer its end."""
        spent = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(step / self.steps, spent))

    def rate(self, at: PretrainProgress) -> float:
        """The learning rate of the update that follows ``at``."""
        return self.lr * min(1.0, (at.step + 1) / self.warmup, (1 - at.done) / self.cooldown)


def pretrain(
    out: Path,
    recipe: Recipe,
    *,
    report: Callable[[PretrainProgress], None] = lambda _: None,
) -> Path:
    """Train a mini backbone and write it to ``out`` as ``save_pretrained`` does.

    Args:
        out: folder for weights, tokenizer and ``made.json``, which says how they came about.
        recipe: what to train.
        report: called every ``EVERY`` updates.

    Returns:
        ``out``.
    """
    hub.silence_logging()
    torch.manual_seed(entropy("pretrain", recipe.seed) % 2**63)
    tokenizer, model = new_tokenizer(recipe), new_model(recipe)
    shares = {"now": FOUNDATION if recipe.foundation else START}
    corpus = feed(
        tokenizer,
        Random(entropy("corpus", recipe.seed)),
        batch=recipe.batch,
        shares=lambda: shares["now"],
    )
    optimiser = _optimiser(model, recipe)
    losses: deque[float] = deque(maxlen=EVERY)
    first: list[float] = []
    began, at = time.monotonic(), PretrainProgress(0, 0.0, 0.0, 0.0)
    while at.done < 1:
        losses.append(_update(model, optimiser, next(corpus), recipe.rate(at)))
        if len(first) < FIRST:
            first.append(losses[-1])
        seconds = time.monotonic() - began
        at = PretrainProgress(
            at.step + 1, recipe.done(at.step + 1, seconds), seconds, fmean(losses)
        )
        if at.step % EVERY == 0:
            report(at)
        if at.step % recipe.attend == 0 and at.step >= recipe.foundation:
            shares["now"] = _attention(model, tokenizer, recipe, at.step)
        if at.step % KEEP == 0:
            model.save_pretrained(out)
            tokenizer.save_pretrained(out)
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)
    _sign(out, recipe, at, first, probe(model, tokenizer, items=recipe.probed))
    return out


def _sign(
    out: Path,
    recipe: Recipe,
    end: PretrainProgress,
    first: Sequence[float],
    found: Sequence[Probe],
) -> None:
    made = {
        "recipe": asdict(recipe),
        "steps": end.step,
        "seconds": round(end.seconds),
        "loss": round(end.loss, 4),
        "first": first,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "probe": {one.skill: one.accuracy for one in found},
    }
    (out / "made.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


@torch.no_grad()
def look_around(model: Any) -> None:
    """Set what the encoder's heads look for, one of ``LOOKS`` each.

    The layers of a T5 share one table of position biases. From a flat start its few heads need many
    thousand updates to find word order, and every skill that needs it waits. To bind what stands in
    a story to what is asked about it takes two things more: to see that two words are the same, and
    what lies on one side of a full stop. A head that looks for the ``same`` word has keys like its
    queries, and looks away from itself.
    """
    table = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    half = table.shape[0] // 2  # buckets of keys before the query (0 is the query), then behind it
    fade = -FADE * torch.arange(half)
    flat, away = torch.zeros(half), torch.full((half,), -SHARP)
    beside = SHARP * F.one_hot(torch.tensor(1), half)
    places = {
        "previous": (beside, flat),
        "next": (flat, beside),
        "around": (fade, fade),
        "anywhere": (flat, flat),
        "same": (-SHARP * F.one_hot(torch.tensor(0), half), flat),
        "before": (fade, away),
        "behind": (away, fade),
    }
    for head, look in enumerate(LOOKS[: table.shape[1]]):
        table[:, head] = torch.cat(places[look])
        if look == "same":
            for block in model.encoder.block:
                _match(block.layer[0], head)


def _match(layer: Any, head: int) -> None:
    """Make a word's key in ``head`` its query: its product with itself is ``SAME`` nats, with other
    words about zero."""
    attention, width = layer.SelfAttention, layer.SelfAttention.key_value_proj_dim
    rows = slice(head * width, (head + 1) * width)
    same = torch.nn.init.orthogonal_(torch.empty_like(attention.q.weight[rows]))
    scaled = same * (SAME / width) ** 0.5 / layer.layer_norm.weight
    attention.q.weight[rows] = attention.k.weight[rows] = scaled


def _optimiser(model: Any, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW in three groups: position biases, queries and keys, the rest.

    T5 does not divide products of queries and keys by the root of a head's width, so that a step of
    AdamW changes them by that factor more than in other models. At the common rate the heads were
    saturated within 7,500 updates (products of 30 nats), and none that binds was ever found.
    """
    bias, matching, rest = [], [], []
    for name, weight in model.named_parameters():
        is_matching = name.endswith((".q.weight", ".k.weight"))
        group = bias if "relative_attention_bias" in name else matching if is_matching else rest
        group.append(weight)
    decay = recipe.weight_decay
    groups = [
        {"params": rest, "boost": 1.0, "weight_decay": decay},
        {"params": matching, "boost": recipe.head_width**-0.5, "weight_decay": decay},
        {"params": bias, "boost": recipe.bias_boost, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, recipe.lr, (0.9, 0.98), fused=True)


def _attention(model: Any, tokenizer: Any, recipe: Recipe, step: int) -> Mapping[str, float]:
    found = probe(model, tokenizer, items=48, seed=step, held_out=False)
    return {one.skill: START[one.skill] * (recipe.patience + 1 - one.accuracy) for one in found}


def new_model(recipe: Recipe) -> Any:
    """A randomly initialised model of the recipe's shape."""
    words = len(new_tokenizer(recipe))
    model = hub.new_t5(
        vocab_size=-(-words // 8) * 8,
        d_model=recipe.width,
        d_kv=recipe.head_width,
        num_heads=recipe.heads,
        d_ff=recipe.ff,
        num_layers=recipe.depth,
        num_decoder_layers=recipe.decoder_depth,
    )
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_(std=recipe.table_std)
    look_around(model)
    return hub.native_kernels(model).train()


def new_tokenizer(recipe: Recipe) -> Any:
    """The tokenizer of the mini world, ids in order of frequency in the recipe's corpus."""
    rng = Random(entropy("vocabulary", recipe.seed))
    docs = [document(rng, Mixture(), START) for _ in range(20_000)]
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


def _update(model: Any, optimiser: torch.optim.Optimizer, batch: Feed, rate: float) -> float:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["boost"]
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
