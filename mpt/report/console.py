"""Tables for the terminal, and the same content as JSON. ``rich`` is imported late."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from mpt.intervals import LEVEL, Interval
from mpt.report import words
from mpt.scores import Gain

if TYPE_CHECKING:
    from rich.table import Table

    from mpt.lab.overview import Overview
    from mpt.lab.prompt_view import PromptView
    from mpt.lab.search import Trial
    from mpt.lab.similarity import Similarity
    from mpt.report.tables import Grid

SCHEMA = 1
"""Version of the JSON that ``arg_json`` prints; a key is never renamed under one version."""


def arg_table(gains: Sequence[Gain], title: str | None = None) -> Table:
    """Setting x method: ARG, its two intervals, and n = tasks x seeds; fits 80 columns."""
    table = _table(title or "Average relative gain (%)")
    for name in ("setting", "method"):
        table.add_column(name, no_wrap=True)
    for name in ("ARG", "95 % interval", "seeds only", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for gain in gains:
        if before not in (None, gain.setting):
            table.add_section()
        table.add_row(
            gain.setting if gain.setting != before else "",
            words.method_name(gain.method),
            words.percent(gain.arg),
            words.interval(gain.interval),
            words.interval(gain.seed_interval),
            f"{len(gain.per_task)}x{len(gain.seeds)}",
        )
        before = gain.setting
    return table


def grid_table(grid: Grid, title: str) -> Table:
    """A table of a report, for the terminal."""
    from rich.markup import escape

    table = _table(escape(title))
    for name, side in zip(grid.header, grid.align, strict=True):
        table.add_column(escape(name), justify="left" if side == "l" else "right", no_wrap=True)
    for at, row in enumerate(grid.rows):
        table.add_row(*map(escape, row), style="bold" if at in grid.marked else None)
    return table


def arg_json(gains: Sequence[Gain], **context: object) -> str:
    """The ARG table as JSON: percent, unrounded, null for what cannot be said.

    Args:
        context: further top-level keys, such as the file that the table was read from.
    """
    return _dumps(
        {
            "schema": SCHEMA,
            **context,
            "level": LEVEL,
            "gains": [_gain(gain) for gain in gains],
            "warnings": [line for gain in gains for line in gain.warnings],
        }
    )


SHOWN = 100
"""Trials of a table at most: half of them the best, half of them the latest."""


def trials_table(title: str, trials: Sequence[Trial]) -> Table:
    """A study's trials, the best one marked; a trial without an ARG shows why.

    Of a long study the best and the latest trials stand here, and how many there are.
    """
    from rich.markup import escape

    best, every = best_trial(trials), trials
    table = _table(f"Study {escape(title)}")
    if len(every) > SHOWN:
        ranked = sorted((t for t in every if t.arg is not None), key=lambda t: -(t.arg or 0.0))
        chosen = {t.number for t in (*ranked[: SHOWN // 2], *every[-SHOWN // 2 :])}
        trials = [trial for trial in every if trial.number in chosen]
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    table.add_column("trial", justify="right", no_wrap=True)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for name in ("ARG %", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", min_width=8)
    for trial in trials:
        mark = "* " if trial is best else ""
        table.add_row(
            f"{mark}{trial.number + 1}",
            *(words.param(trial.params.get(name, "")) for name in names),
            words.percent(trial.arg),
            words.interval(trial_interval(trial)),
            trial.state,
            style="bold" if trial is best else None,
        )
    notes = [
        f"trial {trial.number + 1}: {trial.reason}{f' ({trial.error})' if trial.error else ''}"
        for trial in trials
        if trial.reason
    ]
    if len(every) > SHOWN:
        states = Counter(trial.state for trial in every)
        counts = ", ".join(f"{number} {state}" for state, number in states.most_common())
        notes.append(
            f"{len(every)} trials: {counts}. Shown are the {SHOWN // 2} best and the "
            f"{SHOWN // 2} latest; --json prints all"
        )
    if notes:
        table.caption, table.caption_justify = escape("\n".join(notes)), "left"
    return table


def trials_json(trials: Sequence[Trial]) -> str:
    """A study's trials as JSON."""
    return _dumps({"schema": SCHEMA, "trials": [_trial(trial) for trial in trials]})


def studies_table(found: Sequence[Overview]) -> Table:
    """Studies by name: how far they are and their best trial."""
    table = _table("Studies")
    table.add_column("study", no_wrap=True)
    for name in ("trials", "finished", "best ARG %", "95 % interval", "best trial"):
        table.add_column(name, justify="right", no_wrap=True)
    for study in found:
        best = study.best
        table.add_row(
            study.name,
            str(study.trials),
            str(study.complete),
            words.percent(best.arg if best else None),
            words.interval(trial_interval(best)) if best else words.CANNOT_SAY,
            str(best.number + 1) if best else "",
        )
    return table


def studies_json(found: Mapping[str, Sequence[Trial]]) -> str:
    """Studies and their trials as JSON."""
    studies = [
        {"name": name, "trials": [_trial(trial) for trial in trials]}
        for name, trials in found.items()
    ]
    return _dumps({"schema": SCHEMA, "studies": studies})


def similarity_table(found: Similarity, nearest: int = 3) -> Table:
    """Every task with the tasks whose subspaces hold most of its prompt."""
    table = _table(f"Task similarity (by chance about {found.chance:.2f})")
    table.add_column("task", no_wrap=True)
    table.add_column("nearest tasks", ratio=1)
    for task in found.tasks:
        near = (f"{other} {value:.2f}" for other, value in found.sources(task)[:nearest])
        table.add_row(task, ", ".join(near))
    return table


def sources_table(target: str, sources: Sequence[tuple[str, float]], found: Similarity) -> Table:
    """The tasks to take as sources for a target, the most alike first."""
    table = _table(f"Sources for {target} (by chance about {found.chance:.2f})")
    table.add_column("source", no_wrap=True)
    table.add_column("correlation", justify="right", no_wrap=True)
    for task, value in sources:
        table.add_row(task, f"{value:.3f}")
    return table


def similarity_json(
    found: Similarity, target: str | None, sources: Sequence[tuple[str, float]]
) -> str:
    """The matrix, unrounded, null where two tasks share no seed; the sources if a target is."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "tasks": list(found.tasks),
        "matrix": [list(row) for row in found.matrix],
        "chance": found.chance,
    }
    if target is not None:
        named = [{"task": task, "correlation": value} for task, value in sources]
        told["suggest"] = {"target": target, "sources": named}
    return _dumps(told)


def prompt_table(view: PromptView) -> Table:
    """A prompt's rows: length, way from the start, nearest tokens."""
    from rich.markup import escape

    table = _table(
        f"Prompt of {len(view.rows)} rows, {view.drift:.2f} of its start's length away from it "
        f"(start: {escape(view.start)}; rows of frequent tokens: {view.vocabulary:.3g} long)"
    )
    for name in ("row", "norm", "drift", "cosine to start"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("nearest tokens (cosine)")
    for at, row in enumerate(view.rows):
        near = ", ".join(f"{escape(token)} {cosine:.2f}" for token, cosine in row.nearest)
        numbers = (f"{row.norm:.3g}", f"{row.drift:.3g}", f"{row.turned:.2f}")
        table.add_row(str(at + 1), *numbers, near)
    return table


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The finished trial with the highest ARG; the earlier one of two alike."""
    done = [t for t in trials if t.arg is not None and isfinite(t.arg)]
    return max(done, key=lambda trial: (trial.arg or 0.0, -trial.number), default=None)


def trial_interval(trial: Trial) -> Interval:
    """A trial's interval, unknown where it has none."""
    nan = float("nan")
    return Interval(
        nan if trial.low is None else trial.low, nan if trial.high is None else trial.high
    )


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )


def _gain(gain: Gain) -> dict[str, Any]:
    return {
        "setting": gain.setting,
        "method": gain.method,
        "baseline": gain.baseline,
        "arg": gain.arg,
        "interval": _pair(gain.interval),
        "seed_interval": _pair(gain.seed_interval),
        "tasks": list(gain.tasks),
        "seeds": list(gain.seeds),
        "per_task": dict(gain.per_task),
        "by_meta_seed": {str(seed): arg for seed, arg in gain.by_meta_seed.items()},
        "zero_baseline": list(gain.zero_baseline),
        "missing": [
            {"method": gap.method, "task": gap.task, "seeds": list(gap.seeds)}
            for gap in gain.missing
        ],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number + 1,
        "state": trial.state,
        "params": dict(trial.params),
        "arg": trial.arg,
        "interval": _pair(trial_interval(trial)),
        "digest": trial.digest,
        "error": trial.error,
        "step": trial.step,
        "reason": trial.reason,
    }


def _pair(interval: Interval) -> list[float] | None:
    return [interval.low, interval.high] if interval.known else None


def _dumps(value: dict[str, Any]) -> str:
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """``value`` with null for NaN, which JSON has no word for."""
    match value:
        case dict():
            return {key: _finite(part) for key, part in value.items()}
        case list():
            return [_finite(part) for part in value]
        case float() if not isfinite(value):
            return None
    return value
