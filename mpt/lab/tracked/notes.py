"""Descriptions of runs, in Markdown: what a run is, how to read it, where its numbers come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpt.lab.promote import EvaluatedRun, Promotion
from mpt.lab.tracked.run_facts import gain_of
from mpt.search.trial import OpenTrial, Trial
from mpt.study.study import Study

_ARG = (
    "`arg` is the average relative gain (percent) over plain prompt tuning on the validation "
    "tasks, `arg_low` to `arg_high` its 95 % interval."
)


def study_note(
    study: Study, trials: Sequence[Trial], command: str = "", ranking: Sequence[str] = ()
) -> str:
    """Describe a study and its best trial so far.

    Args:
        study: what is searched.
        trials: every trial so far.
        command: what runs it; empty if unknown.
        ranking: how far the ranking of the trials can be relied on, a sentence each.
    """
    complete = [trial for trial in trials if trial.arg is not None]
    best = max(complete, key=lambda trial: trial.arg or 0.0, default=None)
    over = sum(trial.is_over for trial in trials)
    lines = [
        f"Search of **{study.method}** on {study.setting} (gym {study.gym}, backbone "
        f"{study.backbone.name}): {over} of {study.total} trials are over.",
        f"Best: trial {best.number}, {_gain(best)}." if best else "No trial has an ARG yet.",
        *ranking,
        f"Each run below is a trial. {_ARG} `best_arg` is the highest one so far, by trial. "
        "The views *trials by ARG* and *charts* of this experiment compare the trials; "
        "`report/report.html` among the artifacts is the study's report.",
        f"Next: `mpt promote best --study {study.title}` evaluates the best trial on the targets.",
    ]
    return "\n\n".join([*lines, *_made_by(command)])


def trial_note(study: Study, trial: OpenTrial | Trial) -> str:
    """Describe a trial: its parameters, its result, and what its curves and files are."""
    head = f"Trial {trial.number} of study {study.title}: {_values(trial.params)}."
    result = [f"{_gain(trial)}."] if isinstance(trial, Trial) and trial.arg is not None else []
    if isinstance(trial, Trial) and trial.reason:
        result = [f"{trial.state}: {trial.reason}."]
    curves = (
        f"{_ARG} `loss` is the meta-training's loss (nats) by update; `dev/TASK` is the dev score "
        "while a validation task is tuned from the learned prompt, `dev/mean` the mean of these; "
        "`seconds` is its share of the computing time."
    )
    files = (
        "`prompt.safetensors` is the learned prompt, `cells.csv` every validation score, "
        "`config.yaml` the whole configuration."
    )
    shown = (
        [f"`mpt show {trial.digest}` shows where the numbers come from."]
        if isinstance(trial, Trial) and trial.digest
        else []
    )
    return "\n\n".join([head, *result, curves, files, *shown])


def promotion_note(promotion: Promotion) -> str:
    """Describe a promotion: what was chosen, its gains by setting, and where its report is."""
    trial, study = promotion.trial, promotion.study
    rows = [
        f"| {g.setting} | {g.method} | {g.arg:+.2f} | {g.low:+.1f} to {g.high:+.1f} |"
        for g in promotion.gains
    ]
    table = ["| setting | method | ARG % | 95 % interval |", "|---|---|---|---|", *rows]
    return "\n\n".join(
        [
            f"Final evaluation of trial {trial.number} of study {study.title} "
            f"({_values(trial.params)}) on {len(promotion.campaign.settings)} settings.",
            "\n".join(table),
            "Each run below is a meta-training on the source tasks of a setting; "
            "`report/report.html` among the artifacts is the whole report.",
            f"Made by `mpt promote {trial.number} --study {study.title}`.",
        ]
    )


def version_note(promotion: Promotion, promoted: EvaluatedRun) -> str:
    """Describe a registered version: what it was learned on, what it gains, how it is used."""
    study, setting, run = promotion.study, promoted.setting, promoted.config
    gain = gain_of(promotion, promoted)
    arg = (
        f"ARG {gain.arg:+.2f} % [{gain.low:+.1f}, {gain.high:+.1f}] over plain prompt tuning "
        f"on the targets of {setting.name}: {', '.join(setting.targets)}."
        if gain
        else f"No ARG on the targets of {setting.name}."
    )
    return "\n\n".join(
        [
            f"Initial soft prompt of {run.backbone.prompt_tokens} tokens for "
            f"{study.backbone.name}, learned with **{promoted.method}** on the source tasks of "
            f"{setting.name} (gym {study.gym}).",
            arg,
            f"`mpt show {run.digest}` shows where it comes from, `mpt predict {run.digest}` "
            f"answers with it, `mpt export {run.digest}` makes a PEFT adapter of it.",
        ]
    )


def _gain(trial: Trial) -> str:
    interval = (
        f" [{trial.low:+.1f}, {trial.high:+.1f}]"
        if trial.low is not None and trial.high is not None
        else ""
    )
    return f"ARG {trial.arg:+.2f} %{interval}"


def _values(params: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in params.items())


def _made_by(command: str) -> list[str]:
    return [f"Made by `{command}`."] if command else []
