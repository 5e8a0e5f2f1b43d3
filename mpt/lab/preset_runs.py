"""Run a preset's rows as campaigns; units that rows share are computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY
from mpt.gym.partitions import Setting
from mpt.lab.campaign import MethodConfig, campaign
from mpt.lab.costs.workload import WorkloadRow, campaign_rows
from mpt.lab.promote import Promotion, promote
from mpt.lab.run import BASELINE, EvalProtocol, EvalTarget, Lab
from mpt.lab.similarity import similarity, tuned
from mpt.search.trial import Trial
from mpt.seeding import stream
from mpt.study.presets import Preset, PresetEntry, PresetRow, SourceChoice
from mpt.study.study import Study

GIVEN = Trial(0, {}, "complete")
"""Placeholder of a searched trial, as a preset gives every hyper-parameter itself."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Hold the similarity of two tasks' tuned prompts.

    Attributes:
        value: mean correlation of each prompt with the other's subspace.
    """

    group: str
    tasks: tuple[str, str]
    value: float | None


@dataclass(frozen=True, slots=True)
class Size:
    """Hold the number of units of a row; units that it shares with other rows are included."""

    meta_trainings: int
    cells: int


def size(row: PresetRow) -> Size:
    """Count the units of a row, including those of the baselines."""
    final = row.entries[0].study.final
    runs = len(row.entries) * len(final.meta_seeds)
    full = len(final.fine_tuning.lrs) if "FT" in final.baselines else 0
    rates = len(final.lrs) * (runs + 1) + full
    return Size(runs, len(row.setting.targets) * len(final.seeds) * rates)


def answer(rows: Sequence[PresetRow], lab: Lab) -> Iterator[Promotion]:
    """Run the rows of one backbone; adjacent rows that differ only in their tasks share a campaign.

    Raises:
        UnknownName: the gym lacks a task.
        DataError: rows cannot be read.
    """
    ready = [_ready(row, lab) for row in rows]
    for _, group in groupby(ready, key=_alike):
        alike = list(group)
        method_configs, settings = alike[0][0], [setting for _, setting in alike]
        study = method_configs[0].study
        yield promote(campaign(study, GIVEN, method_configs, settings, lab.worker), lab)


def listed(rows: Sequence[PresetRow], lab: Lab) -> list[WorkloadRow]:
    """List the units of rows, of a backbone that is not there; nothing is computed.

    Sources that are chosen by their similarity are drawn: it would have to be computed.

    Raises:
        UnknownName: the gym lacks a task.
    """
    units = list[WorkloadRow]()
    for row in rows:
        study = row.entries[0].study
        worker = replace(lab.worker, backbone_config=study.backbone)
        own = replace(lab, worker=worker)
        method_configs, setting = _ready(_as_if_chosen(row), own)
        wanted = campaign(study, GIVEN, method_configs, [setting], worker)
        units += campaign_rows(wanted, own)
    return units


def listed_pairs(preset: Preset, lab: Lab) -> list[WorkloadRow]:
    """List the cells of plain prompt tuning that a preset of pairs compares."""
    tasks = {task for pairs in preset.pairs.values() for pair in pairs for task in pair}
    final = preset.base.final
    target = EvalTarget(preset.name, BASELINE, VOCABULARY, tuple(sorted(tasks)))
    protocol = EvalProtocol(final.seeds, final.lrs, preset.base.tuning)
    return [WorkloadRow(preset.name, BASELINE, tuple(lab.cells(target, protocol)))]


def answer_pairs(preset: Preset, lab: Lab) -> list[Pair]:
    """Compute the similarity of the preset's pairs of tasks (appendix A.6).

    Raises:
        UnknownName: the gym lacks a task.
    """
    tasks = {task for pairs in preset.pairs.values() for pair in pairs for task in pair}
    correlations = similarity(tuned(preset.base, sorted(tasks), lab))

    def value(first: str, second: str) -> float | None:
        forward, backward = correlations.between(first, second), correlations.between(second, first)
        return None if forward is None or backward is None else (forward + backward) / 2

    return [
        Pair(group, pair, value(*pair)) for group, pairs in preset.pairs.items() for pair in pairs
    ]


def _ready(row: PresetRow, lab: Lab) -> tuple[tuple[MethodConfig, ...], Setting]:
    """Return a row's method configs and its setting, after reading all data that it needs."""
    study, setting, worker = row.entries[0].study, row.setting, lab.worker
    for task in (*setting.sources, *setting.targets):
        worker.gym.card(task)
    worker.data_digest(setting.targets, study.final.seeds, study.target_shots)
    worker.check(setting.targets, study.final.seeds, study.target_shots, scored=True)
    if row.variant.choose is not None:
        setting = replace(setting, sources=_chosen(row.variant.choose, study, setting, lab))
    method_configs = tuple(
        MethodConfig(_paced(entry, setting, worker), {}, f"preset {study.title}")
        for entry in row.entries
    )
    return method_configs, setting


def _as_if_chosen(row: PresetRow) -> PresetRow:
    """The row with as many sources as it chooses by similarity, other ones for other choices."""
    choice, sources = row.variant.choose, row.setting.sources
    if choice is None or choice.take == "random":
        return row
    rng = stream("as if chosen", choice.take, *row.setting.targets)
    some = tuple(sources[at] for at in rng.permutation(len(sources))[: choice.count])
    variant = row.variant.model_copy(update={"choose": None})
    return replace(row, variant=variant, setting=replace(row.setting, sources=some))


def _alike(ready: tuple[tuple[MethodConfig, ...], Setting]) -> list[dict[str, object]]:
    return [
        method_config.study.model_dump(exclude={"setting", "sources"}) for method_config in ready[0]
    ]


def _chosen(choice: SourceChoice, study: Study, setting: Setting, lab: Lab) -> tuple[str, ...]:
    """Choose sources by similarity to the one target, with the validation seeds and rates."""
    (target,) = setting.targets
    if choice.take == "random":
        rng = stream("sources", study.seed, target)
        picked = rng.permutation(len(setting.sources))[: choice.count]
        return tuple(setting.sources[at] for at in sorted(picked))
    validation = study.validation
    final = study.final.model_copy(update={"seeds": validation.seeds, "lrs": validation.lrs})
    reduced = study.model_copy(update={"final": final})
    similar = similarity(tuned(reduced, (*setting.sources, target), lab)).sources(target)
    ranked = [task for task, _ in similar]
    if choice.take == "lowest":
        ranked.reverse()
    return tuple(ranked[: choice.count])


def _paced(entry: PresetEntry, setting: Setting, worker: Worker) -> Study:
    """Return the method's study, with its steps computed from epochs where those are given."""
    study = entry.study
    if entry.epochs is None:
        return study
    splits = [
        worker.tokens(task, seed, study.source_shots).split
        for task in setting.sources
        for seed in study.source_seeds
    ]
    rows, size = sum(len(split.train) + len(split.dev) for split in splits), study.outer.batch
    batches = entry.epochs * rows / size
    if study.habits and study.habits.pooled == "epochs":
        batches = entry.epochs * ceil(rows / size)  # the last batch of an epoch may be short
    steps = ceil(batches / study.outer.episodes)
    return study.model_copy(update={"outer": study.outer.model_copy(update={"steps": steps})})
