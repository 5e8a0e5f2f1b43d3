"""What a search knows of its own ranking, in sentences and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mpt.report import words
from mpt.stats.intervals import Interval
from mpt.stats.reliability import Components, FlatTask, Reliability, Share
from mpt.stats.separation import MOST_SEEDS, POWER

if TYPE_CHECKING:
    from mpt.lab.race import Race

NAMED = 6
"""Trials that a sentence names at most."""


def search_lines(reliability: Reliability | None, race: Race | None = None) -> tuple[str, ...]:
    """Say how far a search's ranking can be relied on, a sentence each; nothing if unknown.

    Args:
        reliability: of the search; None before two trials have completed.
        race: of its trials, if one has ended; it supersedes the comparison of the trials.
    """
    if reliability is None or not reliability.trials:
        return ()
    lines = [_repeats(reliability)]
    lines += [race_sentence(race)] if race else _separation(reliability)
    lines += [*_flat(reliability.flat), *_left_out(reliability)]
    return tuple(lines)


def gain_lines(best: int, gain: Interval, trials: int) -> tuple[str, ...]:
    """Say whether the best trial is known to gain at all; nothing if it has no interval.

    Args:
        best: its number.
        gain: the 95 % interval of its ARG over the validation tasks.
        trials: how many it is the best of.
    """
    if not gain.known:
        return ()
    if gain.high < 0:
        return (f"Plain prompt tuning beats trial {best}, whose interval lies below zero.",)
    if gain.low <= 0:
        return (
            f"Whether trial {best} beats plain prompt tuning on other tasks is open: its interval "
            "includes zero.",
        )
    flattered = f" The best of {trials} is flattered by the choice; `mpt promote best` tests again."
    return (
        f"Trial {best} beats plain prompt tuning: its interval lies above zero."
        f"{flattered if trials > 1 else ''}",
    )


def race_sentence(race: Race) -> str:
    """Say how a race ended: which trial won, or that several could not be separated."""
    seeds = f"{len(race.seeds)} data seeds"
    if race.winner is None:
        return (
            f"Trials {_names([str(number) for number in race.left])} could not be separated at "
            f"95 % with all {seeds} of the gym; trial {race.left[0]} has the highest gain."
        )
    if not race.rounds:
        return f"Trial {race.winner} is the only one, so that there was no race."
    count = len(race.entrants)
    others = "the other" if count == 2 else f"all {count - 1} others"
    return (
        f"Trial {race.winner} won the race on {seeds}: it is better than {others} on these tasks "
        "at 95 % (the chance that a race names a wrong trial is at most 5 %)."
    )


def reliability_values(reliability: Reliability | None) -> dict[str, object] | None:
    """Return the content of a ``Reliability`` for JSON, variances in squared points of ARG."""
    if reliability is None:
        return None
    parts: Components | None = reliability.components
    return {
        "over_seeds": _share_values(reliability.over_seeds),
        "over_tasks": _share_values(reliability.over_tasks),
        "variance": asdict(parts) if parts else None,
        "ranking": [int(name) for name in reliability.trials],
        "not_separated": [int(name) for name in reliability.not_separated],
        "further_seeds": reliability.further_seeds,
        "tasks": list(reliability.tasks),
        "seeds": list(reliability.seeds),
        "flat_tasks": [_flat_values(task) for task in reliability.flat],
        "left_out": dict(reliability.left_out),
        "zero_baseline": list(reliability.zero_baseline),
    }


def race_values(race: Race | None) -> dict[str, object] | None:
    """Return the content of a ``Race`` for JSON."""
    if race is None:
        return None
    return {"winner": race.winner, "left": list(race.left), **race.model_dump(mode="json")}


def _repeats(reliability: Reliability) -> str:
    seeds, tasks = reliability.over_seeds, reliability.over_tasks
    if seeds.value != seeds.value:
        return (
            "Whether the ranking of these trials would repeat with other data seeds is unknown: "
            f"{seeds.why}."
        )
    also = f", and at {_share(tasks)} with other tasks" if tasks.value == tasks.value else ""
    why = f" ({seeds.why})" if seeds.why else " (1: exactly; 0: as chance would have it)"
    return (
        f"The ranking of these trials would repeat at {_share(seeds)} with other data seeds"
        f"{also}{why}."
    )


def _separation(reliability: Reliability) -> Iterator[str]:
    """Compare the best trial with the others, where there are seeds to compare it over."""
    if reliability.value != reliability.value:
        return
    best, unclear = reliability.trials[0], reliability.not_separated
    if not unclear:
        yield f"Trial {best} is better than every other one at 95 % on these tasks."
        return
    seeds = reliability.further_seeds
    if seeds is None:
        more = f"not even {MOST_SEEDS} more data seeds would separate it from {unclear[0]}"
    else:
        more = (
            f"about {seeds} more data {'seed' if seeds == 1 else 'seeds'} would separate it from "
            f"{unclear[0]} (power {POWER:g}), which `--until-separated` tries"
        )
    yield f"Trial {best} is not separated from {_names(unclear)} at 95 %; {more}."


def _flat(tasks: Sequence[FlatTask]) -> Iterator[str]:
    full = [f"{each.task} ({words.score(each.level)})" for each in tasks if each.is_full]
    alike = [each.task for each in tasks if not each.is_full]
    parts = []
    if full:
        parts.append(f"plain prompt tuning leaves no room on {_and(full)}")
    if alike:
        parts.append(f"the trials differ no more than data seeds do on {_and(alike)}")
    if parts:
        them = "This task tells" if len(tasks) == 1 else "These tasks tell"
        text = "; ".join(parts)
        yield f"{text[0].upper()}{text[1:]}. {them} the search nothing."


def _left_out(reliability: Reliability) -> Iterator[str]:
    reasons = [f"trial {name} ({why})" for name, why in reliability.left_out.items()]
    reasons += [f"{task} (plain prompt tuning scores 0)" for task in reliability.zero_baseline]
    if reasons:
        hidden = len(reasons) - NAMED
        more = [f"{hidden} more"] if hidden > 0 else []
        yield f"Left out of this comparison: {_and([*reasons[:NAMED], *more])}."


def _share(share: Share) -> str:
    low, high = share.interval.low, share.interval.high
    return f"{share.value:.2f}{f' [{low:.2f}, {high:.2f}]' if share.interval.known else ''}"


def _share_values(share: Share) -> Mapping[str, object]:
    return {"value": share.value, "interval": _ends(share.interval), "why": share.why}


def _flat_values(task: FlatTask) -> Mapping[str, object]:
    why = "no room" if task.is_full else "no difference"
    return {"task": task.task, "plain_prompt_tuning": task.level, "why": why}


def _ends(interval: Interval) -> list[float] | None:
    return [interval.low, interval.high] if interval.known else None


def _names(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return _and(names)
    return _and([*names[: NAMED - 1], f"{len(names) - NAMED + 1} others"])


def _and(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
