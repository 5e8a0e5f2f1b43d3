"""Plenty of rows for a task: as many as a gym can give, up to what is wanted."""

from __future__ import annotations

from mpt.errors import ConfigError, DataError
from mpt.gym.build.sampling import Shots
from mpt.gym.source import MINI, Gym


def plenty(gym: Gym, task: str, seed: int, rows: int, few_shots: Shots | None = None) -> Shots:
    """Return the number of shots that gives a task plenty of training rows.

    Of the embedded gym, which generates rows, as many as give ``rows`` in total, or what the task
    can give if its texts run out (up to an eighth less, as each attempt takes its time). Of a
    folder, ``all``.

    Args:
        gym: where the task is.
        task: its name.
        seed: of the data.
        rows: training rows, of all classes together; a folder gives what it has.
        few_shots: of the few-shot training set; by default the official ones.

    Raises:
        UnknownName: no such task.
        ConfigError: ``rows`` are no more than those of the few-shot training set.
        DataError: the task has no more rows than that set, or cannot be read.
    """
    few = gym.split(task, seed, few_shots)
    if gym.name == MINI and rows <= len(few.train):
        raise ConfigError(
            f"{rows} rows are not plenty for task {task!r}, whose few-shot training set has "
            f"{len(few.train)}",
            fix="give 2000",
        )
    shots: Shots = "all" if gym.name != MINI else _most_shots(gym, task, seed, rows)
    many = gym.split(task, seed, shots)
    if len(many.train) <= len(few.train):
        raise DataError(
            f"task {task!r} has {len(many.train)} training rows in all, and its few-shot training "
            f"set has {len(few.train)}: nothing tells what more rows would bring",
            fix="give it more rows, or leave it out with --tasks",
        )
    return shots


def _most_shots(gym: Gym, task: str, seed: int, rows: int) -> int:
    """Return the most shots up to ``rows`` in total that can be generated, by bisection."""
    card = gym.card(task)
    is_classified = card.kind == "classification"
    classes = len({row.targets[0] for row in gym.split(task, seed).train}) if is_classified else 1
    low, high = card.shots, max(card.shots, rows // classes)
    if _gives(gym, task, seed, high):
        return high
    while high - low > max(1, low // 8):
        middle = (low + high) // 2
        low, high = (middle, high) if _gives(gym, task, seed, middle) else (low, middle)
    return low


def _gives(gym: Gym, task: str, seed: int, shots: int) -> bool:
    try:
        gym.split(task, seed, shots)
    except DataError:
        return False
    return True
