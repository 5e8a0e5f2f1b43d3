"""A prompt as people may look at it: norms, nearest words, and how far it went from its start."""

from __future__ import annotations

from dataclasses import dataclass

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
    """One prompt token.

    Attributes:
        norm: its Euclidean length; drift: its distance from where it began.
        turned: cosine between it and where it began.
        nearest: tokens of the vocabulary with their cosines, the nearest first.
    """

    norm: float
    drift: float
    turned: float
    nearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class PromptView:
    """A prompt ``[P, H]``.

    Attributes:
        start: what it began as: a ``prompt_init``, or the digest of the learned prompt.
        vocabulary: mean length of rows that frequent tokens have, to compare norms with.
        drift: length of the whole difference from the start, as a share of the start's length.
    """

    start: str
    vocabulary: float
    drift: float
    rows: tuple[PromptRow, ...]


def learned_by(unit: Unit) -> RunConfig | CellConfig:
    """The configuration of a unit with a prompt.

    Raises:
        InputError: it has none.
        StoreError: the unit's row is damaged.
    """
    if unit.artefact is None:
        raise InputError(f"unit {unit.digest} ({unit.kind}, {unit.state}) has no prompt to show")
    expect_sound([unit])
    config = config_of(unit)
    assert not isinstance(config, FineTuneConfig), "a fine-tuning leaves no prompt"
    return config


def view_prompt(
    unit: Unit, backbone: Backbone, home: Home, sums: Sums | None = None, *, count: int = 3
) -> PromptView:
    """Look at a unit's prompt, with the nearest ``count`` tokens of every row.

    Args:
        sums: of the prompts that units begin from, as far as the ledger has them.

    Raises:
        InputError: the unit has no prompt.
        DataError: its file, or that of the prompt it began from, cannot be read.
        ConfigError: the backbone is not the one that the prompt was made for.
    """
    config = learned_by(unit)
    same_weights(backbone, located(config), config.weights)
    prompt = prompt_of(home, unit)
    prompt = for_backbone(prompt, backbone, config.backbone.prompt_tokens, unit.digest)
    prompt = prompt.cpu().double()
    start = start_of(config, backbone, home, sums).cpu().double()
    common = backbone.vocabulary_prompt(100, "norms").cpu().double()
    apart, norms, starts = prompt - start, prompt.norm(dim=-1), start.norm(dim=-1)
    turned = (prompt * start).sum(-1) / (norms * starts).clamp_min(1e-12)
    columns = norms.tolist(), apart.norm(dim=-1).tolist(), turned.tolist()
    rows = zip(*columns, map(tuple, backbone.nearest(prompt, count)), strict=True)
    begun = config.backbone.prompt_init
    if isinstance(config, CellConfig) and config.start != VOCABULARY:
        begun = config.start
    return PromptView(
        start=begun,
        vocabulary=float(common.norm(dim=-1).mean()),
        drift=float(apart.norm() / start.norm()),
        rows=tuple(PromptRow(*row) for row in rows),
    )
