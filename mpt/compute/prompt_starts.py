"""Where the prompt of a unit of work began, before its first update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from mpt.backbone.frozen import Backbone
from mpt.backbone.prompt import begin
from mpt.config import (
    VOCABULARY,
    BackboneConfig,
    CellConfig,
    FineTuneConfig,
    RunConfig,
    UnitConfig,
    located,
)
from mpt.errors import DataError
from mpt.store.artefacts import known_sum, load_prompt, prompt_path
from mpt.store.home import Home
from mpt.store.row_checks import config_of

if TYPE_CHECKING:
    # where a registered prompt answers there is no ledger, nor what it needs
    from mpt.store.ledger import Ledger
    from mpt.store.unit import Unit

Sums = Mapping[str, str]
"""SHA-256 of the prompts of units, by digest, as far as the ledger has them."""


def learned_start(config: UnitConfig) -> str:
    """The digest of the unit whose prompt a unit begins from; empty where it is from none."""
    if isinstance(config, FineTuneConfig):
        return ""
    if isinstance(config, CellConfig) and config.start != VOCABULARY:
        return config.start
    return learned_from(config.backbone)


def learned_from(backbone: BackboneConfig) -> str:
    """The digest of the prompt that prompts of a backbone begin from; empty for any other start."""
    kind, _, digest = backbone.prompt_init.partition(":")
    return digest if kind == "prompt" else ""


def sums_of(configs: Sequence[UnitConfig], ledger: Ledger) -> dict[str, str]:
    """SHA-256 of the prompts that units begin from, by digest, as far as the ledger has them.

    Raises:
        DataError: a prompt that was learned for other weights, or on the very task that a unit is
            tuned and scored on, itself or one that it began from in turn.
    """
    starts = {learned_start(config) for config in configs} - {""}
    units = _lineage(starts, ledger)
    for config in configs:
        _expect_apt(config, units)
    return {digest: known_sum(units[digest]) for digest in starts & units.keys()}


def _lineage(starts: set[str], ledger: Ledger) -> dict[str, Unit]:
    """The units of learned prompts, of those that they began from, and so on to the first."""
    known: dict[str, Unit] = {}
    while starts:
        found = ledger.get_many(starts)
        known |= found
        starts = {learned_start(config_of(unit)) for unit in found.values()} - {"", *known}
    return known


def _expect_apt(config: UnitConfig, units: Mapping[str, Unit]) -> None:
    """Raise ``DataError`` for a start of other weights, or one that saw what is to be scored."""
    digest = start = learned_start(config)
    if digest in units and (learned := config_of(units[digest])).weights != config.weights:
        name = located(config).name
        raise DataError(
            f"the prompt of {digest} was learned for weights {learned.weights}, "
            f"but backbone {name!r} has {config.weights}; begin from a prompt that "
            "was learned with this backbone (`mpt run` prints its digest), or from `vocabulary`"
        )
    while isinstance(config, CellConfig) and digest in units:
        begun = config_of(units[digest])
        sources = begun.sources if isinstance(begun, RunConfig) else (begun.task,)
        if config.task in sources:
            by = "" if digest == start else f" (it began from that of {digest})"
            raise DataError(
                f"the prompt of {start} was learned on {config.task}{by}, so that its score there "
                "would say nothing of unseen tasks; leave that task out, or begin from a prompt "
                "that was learned on others"
            )
        digest = learned_start(begun)


def start_of(
    config: RunConfig | CellConfig, backbone: Backbone, home: Home, sums: Sums | None = None
) -> Tensor:
    """The initial prompt ``[P, H]``: drawn again from its stream, or read where it was learned.

    Args:
        sums: what the files of learned prompts must have.

    Raises:
        DataError: a learned prompt that cannot be read, or is not as it was recorded.
    """

    def saved(digest: str) -> Tensor:
        return load_prompt(home, prompt_path(digest), sha256=(sums or {}).get(digest, ""))

    chosen = config.backbone
    how, length = chosen.prompt_init, chosen.prompt_tokens
    match config:
        case RunConfig():
            tasks, stream = config.sources, ("run", config.seed)
        case CellConfig(start="vocabulary"):
            tasks, stream = (config.task,), ("cell", config.task, config.data_seed)
        case _:
            return for_backbone(saved(config.start), backbone, length, config.start)
    start = begin(backbone, how, length, *stream, tasks=tasks, saved=saved)
    return start.to(backbone.device, backbone.dtype)


def for_backbone(prompt: Tensor, backbone: Backbone, tokens: int, digest: str) -> Tensor:
    """A prompt where the backbone is, if it has the backbone's ``[P, H]`` and type.

    Args:
        tokens: P. digest: of the prompt's unit, for the error.

    Raises:
        DataError: it has not.
    """
    like = backbone.vocabulary_prompt(tokens, "shape")
    if prompt.shape != like.shape or prompt.dtype != backbone.dtype:
        raise DataError(
            f"the prompt of {digest} is {list(prompt.shape)} of {prompt.dtype}, but its backbone "
            f"takes {list(like.shape)} of {backbone.dtype}; restore it from a copy, or forget its "
            f"unit (`mpt studies forget {digest}`), so that it is computed again"
        )
    return prompt.to(backbone.device)
