"""Views of a prompt for people: norms, nearest tokens, and distance from its start."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import torch

from mpt.backbone.frozen import Backbone
from mpt.compute.prompt_starts import Sums, for_backbone, start_of
from mpt.config import VOCABULARY, CellConfig, FineTuneConfig, RunConfig, located
from mpt.errors import InputError
from mpt.serve.predict import same_weights
from mpt.store.artefacts import prompt_of
from mpt.store.home import Home
from mpt.store.row_checks import config_of, expect_sound
from mpt.store.unit import Unit


@dataclass(frozen=True, slots=True)
class PromptRow:
    """Describe one prompt token.

    Attributes:
        norm: Euclidean norm.
        drift: Euclidean distance from its start.
        turned: cosine between it and its start.
        nearest: tokens of the vocabulary with their cosines, the nearest first.
    """

    norm: float
    drift: float
    turned: float
    nearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class PromptView:
    """Describe a prompt ``[P, H]``.

    Attributes:
        start: what it was initialised from: a ``prompt_init``, or the digest of a learned prompt.
        vocabulary: mean norm of the embeddings of frequent tokens, for comparison.
        drift: norm of the difference from the start, relative to the norm of the start; NaN, as
            are those of the rows, if it started from the labels of tasks, which are not recorded.
        rows: one per prompt token.
    """

    start: str
    vocabulary: float
    drift: float
    rows: tuple[PromptRow, ...]


def learned_by(unit: Unit) -> RunConfig | CellConfig:
    """Return the configuration of a unit with a prompt.

    Raises:
        InputError: it has no prompt.
        StoreError: the unit's row is damaged.
    """
    if unit.artefact is None:
        raise InputError(
            f"unit {unit.digest} ({unit.kind}, {unit.state}) has no prompt to show",
            fix="name a completed meta-training, or a completed cell of prompt tuning",
        )
    expect_sound([unit])
    config = config_of(unit)
    assert not isinstance(config, FineTuneConfig), "a fine-tuning leaves no prompt"
    return config


def view_prompt(
    unit: Unit, backbone: Backbone, home: Home, sums: Sums | None = None, *, count: int = 3
) -> PromptView:
    """Compute a view of a unit's prompt, with the nearest ``count`` tokens of every row.

    Args:
        sums: SHA-256 of the prompts that units start from, as far as the ledger has them.

    Raises:
        InputError: the unit has no prompt.
        DataError: its file, or that of the prompt it started from, cannot be read.
        ConfigError: the backbone is not the one that the prompt was made for.
    """
    config = learned_by(unit)
    same_weights(backbone, located(config), config.weights)
    prompt = prompt_of(home, unit)
    prompt = for_backbone(prompt, backbone, config.backbone.prompt_tokens, unit.digest)
    prompt = prompt.cpu().double()
    start_name = config.backbone.prompt_init
    if isinstance(config, CellConfig) and config.start != VOCABULARY:
        start_name = config.start
    start = torch.full_like(prompt, nan)
    if start_name != "labels":
        start = start_of(config, backbone, home, sums).cpu().double()
    frequent = backbone.vocabulary_prompt(100, "norms").cpu().double()
    difference, norms, starts = prompt - start, prompt.norm(dim=-1), start.norm(dim=-1)
    cosines = (prompt * start).sum(-1) / (norms * starts).clamp_min(1e-12)
    columns = norms.tolist(), difference.norm(dim=-1).tolist(), cosines.tolist()
    rows = zip(*columns, map(tuple, backbone.nearest(prompt, count)), strict=True)
    return PromptView(
        start=start_name,
        vocabulary=float(frequent.norm(dim=-1).mean()),
        drift=float(difference.norm() / start.norm()),
        rows=tuple(PromptRow(*row) for row in rows),
    )
