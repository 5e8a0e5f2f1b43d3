"""Tables for the terminal, and their content as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from textwrap import wrap
from typing import TYPE_CHECKING

from mpt.report import words
from mpt.report.findings import Findings
from mpt.report.json_text import json_line, json_text
from mpt.report.search_words import race_values, reliability_values
from mpt.report.tables.columns import (
    as_grid,
    as_values,
    gain_columns,
    trial_columns,
    trial_interval,
)
from mpt.report.tables.grid import Grid, Sheet
from mpt.report.tables.report_tables import score_grid
from mpt.stats.intervals import LEVEL
from mpt.stats.scores import Gain, Score, best_dev

if TYPE_CHECKING:
    from mpt.lab.race import Race
    from mpt.lab.similarity import SimilarityMatrix
    from mpt.search.study_list import Overview
    from mpt.search.trial import Trial
    from mpt.serve.prompt_view import PromptView
    from mpt.stats.reliability import Reliability

SCHEMA = 1
"""Version of the JSON that ``arg_json`` returns; renaming a key requires a new version."""

TRIALS_SCHEMA = 2
"""Version of the JSON of trials; since 2 their numbers are Optuna's, from 0."""


_TRIAL = trial_columns([])


def arg_sheet(gains: Sequence[Gain], title: str = "", notes: Sequence[str] = ()) -> Sheet:
    """Return ARG by setting and method, with its two intervals and the number of tasks × seeds."""
    names = words.method_names(name for gain in gains for name in (gain.method, gain.baseline))
    grid = as_grid(gain_columns(names), gains, grouped=True, brief=True)
    return Sheet(grid, title or "Average relative gain (%)", tuple(_wrapped(notes)))


def arg_json(gains: Sequence[Gain], **context: object) -> str:
    """Format the ARG table as JSON: in percent, unrounded, null for undefined values.

    Args:
        context: additional top-level keys, such as the file that the table was read from.
    """
    return json_text(
        {
            "schema": SCHEMA,
            **context,
            "level": LEVEL,
            "gains": [as_values(gain_columns({}), gain) for gain in gains],
            "warnings": [line for gain in gains for line in gain.warnings],
        }
    )


WIDTH = 80
"""Characters in a line below a table."""

SHOWN = 100
"""Trials in a table at most: half of them the best, half of them the latest."""


def trials_sheet(
    title: str, trials: Sequence[Trial], lines: Sequence[str] = (), best: Trial | None = None
) -> Sheet:
    """Return a study's trials, the best one marked; a trial without an ARG shows the reason.

    Of a long study only the best and the latest trials are listed, with the total by state.

    Args:
        title: of the study.
        trials: by number.
        lines: what is said below the table, see ``mpt.report.search_words``.
        best: the trial to mark; by default the one with the highest ARG.
    """
    best, every = best or best_trial(trials), trials
    if len(every) > SHOWN:
        ranked = sorted((t for t in every if t.arg is not None), key=lambda t: -(t.arg or 0.0))
        chosen = {t.number for t in (*ranked[: SHOWN // 2], *every[-SHOWN // 2 :])}
        trials = [trial for trial in every if trial.number in chosen]
    marked = frozenset(at for at, trial in enumerate(trials) if trial is best)
    grid = as_grid(trial_columns(trials, best), trials, marked=marked)
    return Sheet(grid, f"Study {title}", (*_trial_notes(trials, every), *_wrapped(lines)))


def _wrapped(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield from wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)


def _trial_notes(shown: Sequence[Trial], every: Sequence[Trial]) -> Iterator[str]:
    for trial in shown:
        if trial.reason:
            error = f" ({trial.error})" if trial.error else ""
            yield f"trial {trial.number}: {trial.reason}{error}"
    if len(every) > SHOWN:
        states = Counter(trial.state for trial in every)
        counts = ", ".join(f"{number} {state}" for state, number in states.most_common())
        yield (
            f"{len(every)} trials: {counts}. The {SHOWN // 2} best and the "
            f"{SHOWN // 2} latest are shown; --json prints all"
        )


def trials_json(
    trials: Sequence[Trial], reliability: Reliability | None = None, race: Race | None = None
) -> str:
    """Format a study's trials as JSON, with what is known of their ranking; null if nothing is."""
    return json_text(
        {
            "schema": TRIALS_SCHEMA,
            "trials": [as_values(_TRIAL, trial) for trial in trials],
            "reliability": reliability_values(reliability),
            "race": race_values(race),
        }
    )


def studies_sheet(studies: Sequence[Overview]) -> Sheet:
    """Return the studies by name, with their progress and best trial."""
    header = ("study", "trials", "finished", "best ARG %", "95 % interval", "best trial")
    rows = (
        (
            study.name,
            str(study.trials),
            str(study.complete),
            words.percent(study.best.arg if study.best else None),
            words.interval(trial_interval(study.best)) if study.best else words.CANNOT_SAY,
            str(study.best.number) if study.best else "",
        )
        for study in studies
    )
    return Sheet(Grid(header, tuple(rows), "lrrrrr"), "Studies")


def studies_json(studies: Iterable[tuple[str, Sequence[Trial]]]) -> Iterator[str]:
    """Yield the parts of one JSON object with the studies and their trials, one trial a line."""
    yield f'{{"schema": {TRIALS_SCHEMA}, "studies": ['
    for place, (name, trials) in enumerate(studies):
        lines = ",\n".join(json_line(as_values(_TRIAL, trial)) for trial in trials)
        yield f'{"," if place else ""}{{"name": {json_line(name)}, "trials": [\n{lines}\n]}}'
    yield "]}"


def similarity_sheet(similarity: SimilarityMatrix, nearest: int = 3) -> Sheet:
    """Return every task with the tasks whose subspaces contain most of its prompt."""
    rows = []
    for task in similarity.tasks:
        near = (f"{other} {value:.2f}" for other, value in similarity.sources(task)[:nearest])
        rows.append((task, ", ".join(near)))
    grid = Grid(("task", "nearest tasks"), tuple(rows), "ll")
    return Sheet(grid, f"Task similarity (by chance about {similarity.chance:.2f})")


def sources_sheet(
    target: str, sources: Sequence[tuple[str, float]], similarity: SimilarityMatrix
) -> Sheet:
    """Return the recommended source tasks for a target, the most similar first."""
    rows = tuple((task, f"{value:.3f}") for task, value in sources)
    grid = Grid(("source", "correlation"), rows, "lr")
    return Sheet(grid, f"Sources for {target} (by chance about {similarity.chance:.2f})")


def similarity_json(
    similarity: SimilarityMatrix, target: str | None, sources: Sequence[tuple[str, float]]
) -> str:
    """Format the matrix as JSON, unrounded, with null where two tasks share no data seed.

    Args:
        target: adds its ranked ``sources``; None for the matrix alone.
    """
    content: dict[str, object] = {
        "schema": SCHEMA,
        "tasks": list(similarity.tasks),
        "matrix": [list(row) for row in similarity.matrix],
        "chance": similarity.chance,
    }
    if target is not None:
        named = [{"task": task, "correlation": value} for task, value in sources]
        content["suggest"] = {"target": target, "sources": named}
    return json_text(content)


def prompt_sheet(view: PromptView) -> Sheet:
    """Return a prompt's tokens: norm, distance from the start, nearest vocabulary tokens."""
    header = ("row", "norm", "drift", "cosine to start", "nearest tokens (cosine)")
    rows = []
    for at, row in enumerate(view.rows):
        near = ", ".join(f"{token} {cosine:.2f}" for token, cosine in row.nearest)
        numbers = (f"{row.norm:.3g}", f"{row.drift:.3g}", f"{row.turned:.2f}")
        rows.append((str(at + 1), *numbers, near))
    away = f"{view.drift:.2f} of its start's length away from it"
    if not isfinite(view.drift):
        away = "begun from labels of tasks that are not recorded"
    return Sheet(
        Grid(header, tuple(rows), "rrrrl"),
        f"Prompt of {len(view.rows)} rows, {away}",
        (f"start: {view.start}; rows of frequent tokens: {view.vocabulary:.3g} long",),
    )


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial with the highest ARG, the earliest of equals; None without any."""
    done = [t for t in trials if t.arg is not None and isfinite(t.arg)]
    return max(done, key=lambda trial: (trial.arg or 0.0, -trial.number), default=None)


def evaluation_grid(setting: str, scores: Sequence[Score], gain: Gain | None) -> Grid:
    """Return mean test scores over seeds; with a gain, those of plain prompt tuning beside them."""
    if gain is not None:
        return score_grid(Findings(title="", gains=(gain,), scores=tuple(scores)), setting)
    tests_by_task: dict[str, list[float]] = {}
    for score in best_dev(scores):
        tests_by_task.setdefault(score.task, []).append(score.test)
    rows = tuple(
        (task, words.score(sum(tests) / len(tests)), str(len(tests)))
        for task, tests in tests_by_task.items()
    )
    method = words.method_name(scores[0].method)
    return Grid(("Target task", method, "seeds"), rows, "lrr")


def evaluation_json(
    prompt: str,
    scores: Sequence[Score],
    gain: Gain | None,
    scoring: Mapping[str, Sequence[str]],
) -> str:
    """Format the ARG as ``arg_json`` does, with each seed's score at its best-dev rate."""
    rows = [
        {"method": s.method, "task": s.task, "seed": s.seed, "lr": s.lr, "dev": s.dev}
        | {"test": s.test}
        for s in best_dev(scores)
    ]
    return arg_json([gain] if gain else [], prompt=prompt, scores=rows, scoring=scoring)
