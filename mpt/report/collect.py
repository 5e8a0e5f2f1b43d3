"""Collect the findings of a report from a promotion, a study, or a table of scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mpt.config import RunConfig
from mpt.errors import ResultsError
from mpt.gym.crossfit import crossfit_partitions, near_duplicates
from mpt.gym.partitions import Setting
from mpt.gym.reach import reach_lines
from mpt.lab.campaign import MethodConfig
from mpt.lab.promote import Promotion
from mpt.lab.retest import Retest
from mpt.lab.run import EvaluatedCell, scores
from mpt.lab.similarity import gone, of_targets
from mpt.methods import method
from mpt.report.findings import Curve, Findings, UnitLine
from mpt.report.paper import MAIN, paper_setting
from mpt.report.scoring import scored_by, scoring_words
from mpt.report.tables.results_table import ONE_SETTING, read_scores
from mpt.report.tunings import dev_curves_of
from mpt.report.views import best_trial
from mpt.report.words import interval, method_name, percent
from mpt.search.importance import importance
from mpt.search.trial import Trial
from mpt.stats.scores import Gain, gains
from mpt.store.home import Home
from mpt.store.software import software_of
from mpt.store.unit import Unit
from mpt.study.study import Study
from mpt.version import __version__


def promotion_findings(
    promotion: Promotion, trials: Sequence[Trial], command: str, home: Home | None = None
) -> Findings:
    """Return the findings of a promotion: gains, scores, units, curves and provenance.

    Args:
        home: holds the baseline's prompts, whose similarity is computed; skipped without it.
    """
    study, trial = promotion.study, promotion.trial
    settings = promotion.campaign.settings
    cell_results = [
        *promotion.baselines,
        *(cell_result for meta_run in promotion.meta_runs for cell_result in meta_run.evaluated),
    ]
    units = {
        unit.digest: unit
        for unit in (
            *(s.unit for s in promotion.meta_runs),
            *(cell_result.unit for cell_result in cell_results),
        )
    }.values()
    return Findings(
        title=f"{study.title}: trial {trial.number} on {_count(len(settings))}",
        created=_now(),
        command=command,
        gym=study.gym,
        backbone=study.backbone.name,
        study=study.title,
        trials=tuple(trials),
        winner=trial.number,
        retested=study.title in {again.study for again in promotion.retests},
        gains=promotion.gains,
        scores=tuple(scores(cell_results)),
        scoring=scored_by(cell_results),
        importance=importance(study, trials),
        dev_curves=tuple(dev_curves_of(cell_results)),
        similarity=of_targets(promotion.baselines, home) if home else None,
        units=tuple(_promoted_units(promotion)),
        curves=tuple(
            _losses(method_name(meta_run.method), meta_run.unit, meta_run.setting.name)
            for meta_run in promotion.meta_runs
            if meta_run.unit.state == "done"
        ),
        config=_config(promotion) | {"scoring": scoring_words(scored_by(cell_results))},
        software=_software(units),
        cautions=(
            *_mixed(units),
            *(line for setting in settings for line in _kin(setting)),
            *(line for gain in promotion.gains for line in _meta_seeds(gain)),
            *_gone(promotion, home),
            *reach_lines(promotion.reaches),
        ),
    )


def table_findings(
    file: Path, command: str, *, baseline: str = "PT", backbone: str = "", setting: str = ""
) -> Findings:
    """Return the findings of a table of scores alone, without units or trials.

    Args:
        file: see ``read_scores``.
        backbone: a Hub id, or the paper's name of a model; by default the paper's main table is
            shown.
        setting: of all rows, where the table has no such column; by default the paper's setting
            with the same targets, if there is exactly one.

    Raises:
        ResultsError: see ``read_scores`` and ``gains``.
    """
    table = read_scores(file)
    if {score.setting for score in table} == {ONE_SETTING}:
        named = setting or paper_setting(score.task for score in table)
        table = [replace(score, setting=named or ONE_SETTING) for score in table]
    elif setting:
        raise ResultsError(
            f"{file} has a column of settings",
            fix=f"leave --setting {setting!r} out",
        )
    table_gains = gains(table, baseline=baseline, zero_baseline="report", missing_task="report")
    papers = crossfit_partitions().settings
    targets = {gain.setting: set(gain.tasks) for gain in table_gains}
    of_paper = [
        papers[name]
        for name, tasks in targets.items()
        if name in papers and set(papers[name].targets) == tasks
    ]
    notes = ()
    if not backbone:
        notes = (
            f"The table names no backbone, so the paper's values shown are those of {MAIN}. "
            "Choose another backbone with --backbone.",
        )
    return Findings(
        title=f"Gains from {file.name}",
        created=_now(),
        command=command,
        backbone=backbone,
        gains=tuple(table_gains),
        scores=tuple(table),
        software=_software(()),
        cautions=tuple(line for paper in of_paper for line in _kin(paper)),
        notes=notes,
    )


def study_findings(
    study: Study, trials: Sequence[Trial], units: Mapping[str, Unit], command: str
) -> Findings:
    """Return the findings of a study: its trials, and their meta-trainings in the ledger."""
    lines = [_trial_unit(study, trial, units.get(trial.digest)) for trial in trials if trial.digest]
    best = best_trial(trials)
    learned = [(t, units[t.digest]) for t in trials if t.digest in units]
    return Findings(
        title=f"Study {study.title}",
        created=_now(),
        command=command,
        gym=study.gym,
        backbone=study.backbone.name,
        study=study.title,
        trials=tuple(trials),
        winner=best.number if best else None,
        gains=(),
        importance=importance(study, trials),
        units=tuple(lines),
        curves=tuple(_losses(f"trial {t.number}", u) for t, u in learned if u.state == "done"),
        config={"method": study.method, "setting": study.setting, "sampler": study.sampler},
        software=_software(units.values()),
        cautions=tuple(_mixed(units.values())),
    )


def _trial_unit(study: Study, trial: Trial, unit: Unit | None) -> UnitLine:
    return UnitLine(
        digest=trial.digest,
        kind="meta-training",
        setting=f"trial {trial.number}",
        method=study.method,
        state=unit.state if unit else "missing",
        reason=unit.reason if unit else "not in this ledger",
    )


def _losses(name: str, unit: Unit, panel: str = "") -> Curve:
    return Curve(name, tuple(range(1, len(unit.curve) + 1)), unit.curve, panel)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _kin(setting: Setting) -> Iterator[str]:
    """Yield a warning about targets that share data with source tasks (the paper has some too)."""
    pairs = near_duplicates(setting)
    named = []
    for target in dict.fromkeys(pair.target for pair in pairs):
        of_target = [pair for pair in pairs if pair.target == target]
        sources = of_target[0].source if len(of_target) == 1 else f"{len(of_target)} sources"
        named.append(
            f"{target} ({sources}: {' or '.join(sorted({pair.why for pair in of_target}))})"
        )
    if named:
        yield (
            f"{setting.name}: {len(named)} of {len(setting.targets)} targets share data with "
            f"sources, as some of the paper's do, and may gain by memory: {', '.join(named)}"
        )


def _count(settings: int) -> str:
    return f"{settings} setting" + ("s" if settings != 1 else "")


def _promoted_units(promotion: Promotion) -> Iterator[UnitLine]:
    """Yield each setting's units: the baselines' cells, then meta-trainings and their cells."""
    for setting in promotion.campaign.settings:
        for cell_result in promotion.baselines_of(setting.name):
            yield _cell(cell_result)
        for meta_run in promotion.meta_runs:
            if meta_run.setting == setting:
                yield UnitLine(
                    digest=meta_run.unit.digest,
                    kind="meta-training",
                    setting=setting.name,
                    method=meta_run.method,
                    meta_seed=meta_run.meta_run.meta_seed,
                    state=meta_run.unit.state,
                    reason=meta_run.unit.reason,
                )
                yield from map(_cell, meta_run.evaluated)


def _cell(cell_result: EvaluatedCell) -> UnitLine:
    return UnitLine(
        digest=cell_result.unit.digest,
        kind="cell",
        setting=cell_result.eval_target.setting,
        method=cell_result.eval_target.method,
        task=cell_result.cell.task,
        seed=cell_result.cell.data_seed,
        lr=cell_result.cell.lr,
        meta_seed=cell_result.eval_target.meta_seed,
        state=cell_result.unit.state,
        reason=cell_result.unit.reason,
    )


def retest_lines(outcome: Retest) -> Iterator[str]:
    """Yield the outcome of a re-test: its ranking, and whether the winner beats the runner-up."""
    args = [
        f"trial {trial.number} {percent(gain.arg)} % {interval(gain.interval)}"
        for trial, gain in outcome.ranking
    ]
    seeds = ", ".join(map(str, outcome.seeds))
    yield f"on the fresh data seeds {seeds}: {'; '.join(args)}"
    first, second = (f"trial {trial.number}" for trial, _ in outcome.ranking[:2])
    lead = outcome.lead
    difference = f"{lead.difference:+.1f} points of ARG {interval(lead.interval)}, p = {lead.p:.2g}"
    relation = "is ahead of" if lead.distinct else "shows no significant difference from"
    yield f"{first} {relation} {second} on these tasks ({difference}, paired over seeds)"


def _meta_seeds(gain: Gain) -> Iterator[str]:
    if gain.by_meta_seed:
        each = ", ".join(f"{percent(arg)} ({seed})" for seed, arg in gain.by_meta_seed.items())
        yield (
            f"{gain.setting}: {method_name(gain.method)}'s ARG is taken over "
            f"several meta-trainings, whose own ARGs by seed are {each}"
        )


def _gone(promotion: Promotion, home: Home | None) -> Iterator[str]:
    if home and (lost := gone(promotion.baselines, home)):
        yield (
            f"prompts of {len(lost)} of the baseline's cells, such as {lost[0]}, are not in "
            f"{home.root}; the similarity of the targets is left out"
        )


def _config(promotion: Promotion) -> dict[str, str]:
    study, campaign = promotion.study, promotion.campaign
    tuning = (
        f"{study.tuning.steps} steps of {study.tuning.optimiser}, batch {study.tuning.batch}, "
        f"{study.tuning.num_evals} evaluations on dev"
    )
    rates = ", ".join(f"{rate:g}" for rate in study.final.lrs)
    return {
        **{
            method_name(e.method): _loops(e, campaign.meta_runs[0].config)
            for e in campaign.method_configs
        },
        **{f"re-test, {r.study}": ". ".join(retest_lines(r)) for r in promotion.retests},
        "prompt": f"{study.backbone.prompt_tokens} tokens",
        "tuning of a target": tuning,
        "data seeds": ", ".join(map(str, study.final.seeds)),
        "meta-training seeds": ", ".join(map(str, study.final.meta_seeds)),
        "learning rates": f"{rates} (best dev, ties larger)",
        "weights": campaign.meta_runs[0].config.weights,
    }


def _loops(method_config: MethodConfig, like: RunConfig) -> str:
    """Return a method's hyper-parameters on one line, and where they come from."""
    run = method_config.study.run(method_config.params, sources=like.sources, weights="", data="")
    inner = f"{run.inner.steps} steps of SGD at {run.inner.lr:.4g}, batch {run.inner.batch}; "
    outer = (
        f"{run.outer.steps} steps of {run.outer.optimiser} at {run.outer.lr:.4g}, "
        f"{run.outer.episodes} episodes each, batch {run.outer.batch}"
    )
    return f"{method_config.origin}: {inner if method(method_config.method).support else ''}{outer}"


def _software(units: Iterable[Unit]) -> dict[str, str]:
    """Return the versions that computed the units, and the one that wrote this page."""
    units_by_software = software_of(units).most_common()
    computed = (
        f"{_units(count)} by {who}" if units_by_software[1:] else who
        for who, count in units_by_software
    )
    lines = {"computed by": "; ".join(computed), "page written by": f"mpt {__version__}"}
    return {name: value for name, value in lines.items() if value}


def _mixed(units: Iterable[Unit]) -> Iterator[str]:
    units_by_software = software_of(units)
    if len(units_by_software) > 1:
        each = "; ".join(f"{_units(n)} by {who}" for who, n in units_by_software.most_common())
        yield (
            f"the units were computed by {len(units_by_software)} versions of the software, whose "
            f"scores may not be comparable: {each}"
        )


def _units(count: int) -> str:
    return f"{count} unit" + ("s" if count != 1 else "")
