"""Initial prompts of units of work, as they are before the first update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    # serving a registered prompt needs no ledger, and must not import its dependencies
    from mpt.store.ledger import Ledger
    from mpt.store.unit import Unit

Sums = Mapping[str, str]
"""SHA-256 of prompt files by the digest of their unit, where the ledger has it."""


def learned_start(config: UnitConfig) -> str:
    """Return the digest of the unit whose prompt a unit starts from; empty for other starts."""
    if isinstance(config, FineTuneConfig):
        return ""
    if isinstance(config, CellConfig) and config.start != VOCABULARY:
        return config.start
    return learned_from(config.backbone)


def learned_from(backbone: BackboneConfig) -> str:
    """Return the digest of the prompt that ``prompt_init`` names; empty for other starts."""
    kind, _, digest = backbone.prompt_init.partition(":")
    return digest if kind == "prompt" else ""


def sums_of(configs: Sequence[UnitConfig], ledger: Ledger) -> dict[str, str]:
    """Return the SHA-256 of the prompts that units start from, by digest, if the ledger has them.

    Raises:
        DataError: such a prompt, or one that it started from in turn, was learned for other
            weights, or on the same task that a unit is tuned and scored on.
    """
    starts = {learned_start(config) for config in configs} - {""}
    units = _lineage(starts, ledger)
    for config in configs:
        _expect_apt(config, units)
    return {digest: known_sum(units[digest]) for digest in starts & units.keys()}


def _lineage(starts: set[str], ledger: Ledger) -> dict[str, Unit]:
    """Return the units of learned prompts and of all prompts that these started from."""
    lineage: dict[str, Unit] = {}
    while starts:
        units = ledger.get_many(starts)
        lineage |= units
        starts = {learned_start(config_of(unit)) for unit in units.values()} - {"", *lineage}
    return lineage


def _expect_apt(config: UnitConfig, units: Mapping[str, Unit]) -> None:
    """Raise ``DataError`` for a prompt of other weights, or one learned on the scored task."""
    digest = start = learned_start(config)
    if digest in units and (learned := config_of(units[digest])).weights != config.weights:
        name = located(config).name
        raise DataError(
            f"the prompt of {digest} was learned for weights {learned.weights}, "
            f"but backbone {name!r} has {config.weights}",
            fix=(
                "start from a prompt that "
                "was learned with this backbone (`mpt run` prints its digest), or from `vocabulary`"
            ),
        )
    while isinstance(config, CellConfig) and digest in units:
        ancestor = config_of(units[digest])
        sources = ancestor.sources if isinstance(ancestor, RunConfig) else (ancestor.task,)
        if config.task in sources:
            by = "" if digest == start else f" (it started from that of {digest})"
            raise DataError(
                f"the prompt of {start} was learned on {config.task}{by}, so that its score there "
                "would say nothing about unseen tasks",
                fix="leave that task out, or start from a prompt that was learned on others",
            )
        digest = learned_start(ancestor)


def start_of(
    config: RunConfig | CellConfig,
    backbone: Backbone,
    home: Home,
    sums: Sums | None = None,
    labels: Callable[[], Sequence[str]] = tuple,
) -> Tensor:
    """Return the initial prompt ``[P, H]`` of a unit: drawn from its random stream, or loaded.

    Args:
        config: of the unit.
        backbone: whose device, dtype and vocabulary are used.
        home: where learned prompts are stored.
        sums: SHA-256 that the files of learned prompts must have.
        labels: gives those of the unit's tasks, for prompts that begin with them.

    Raises:
        DataError: a learned prompt cannot be read, or is not the one that was recorded.
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
    start = begin(backbone, how, length, *stream, tasks=tasks, labels=labels, saved=saved)
    return start.to(backbone.device, backbone.dtype)


def for_backbone(prompt: Tensor, backbone: Backbone, tokens: int, digest: str) -> Tensor:
    """Move a prompt to the backbone's device after checking its shape ``[P, H]`` and dtype.

    Args:
        prompt: loaded from a file.
        backbone: says H and the dtype.
        tokens: P.
        digest: of the prompt's unit, for the error.

    Raises:
        DataError: the shape or dtype is not the backbone's.
    """
    like = backbone.vocabulary_prompt(tokens, "shape")
    if prompt.shape != like.shape or prompt.dtype != backbone.dtype:
        raise DataError(
            f"the prompt of {digest} is {list(prompt.shape)} of {prompt.dtype}, but its backbone "
            f"takes {list(like.shape)} of {backbone.dtype}",
            fix=(
                "restore it from a copy, or forget its "
                f"unit (`mpt studies forget {digest}`), so that it is computed again"
            ),
        )
    return prompt.to(backbone.device)
