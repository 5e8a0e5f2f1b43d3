"""SimilarityMatrix of tasks: correlations between the input subspaces of their tuned prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mpt.config import VOCABULARY
from mpt.errors import InputError, UnknownName
from mpt.gym.source import Gym
from mpt.lab.run import BASELINE, EvalProtocol, EvalTarget, EvaluatedCell, Lab, scores
from mpt.stats.scores import best_dev
from mpt.stats.subspace import Subspace, by_chance, correlation, input_subspace
from mpt.store.artefacts import prompt_file, prompt_of
from mpt.store.home import Home
from mpt.study.settings import settings_of
from mpt.study.study import Study

Spaces = Mapping[str, Mapping[int, Subspace]]
"""Subspaces by task and data seed."""


@dataclass(frozen=True, slots=True)
class SimilarityMatrix:
    """Hold correlations between tasks, averaged over data seeds (the paper's appendix A.6).

    Attributes:
        tasks: names of rows and columns.
        matrix: ``matrix[i][j]`` is how much of task i's prompt lies in task j's subspace; None if
            the two share no data seed.
        chance: approximate correlation of prompts with random directions.
    """

    tasks: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    chance: float

    def between(self, of: str, onto: str) -> float | None:
        """Return the correlation of one task with the subspace of another."""
        return self.matrix[self.tasks.index(of)][self.tasks.index(onto)]

    def sources(self, target: str) -> list[tuple[str, float]]:
        """Rank the other tasks by how much of the target's prompt their subspaces contain.

        Raises:
            UnknownName: the target has no tuned prompt.
        """
        if target not in self.tasks:
            hint = "Only tasks with tuned prompts count; --tune tunes what is missing."
            raise UnknownName("target", target, self.tasks, hint)
        row = dict(zip(self.tasks, self.matrix[self.tasks.index(target)], strict=True))
        others = [(t, value) for t, value in row.items() if t != target and value is not None]
        return sorted(others, key=lambda pair: (-pair[1], pair[0]))


def tasks_of(study: Study, gym: Gym) -> tuple[str, ...]:
    """List all sources, targets and validation tasks of the study."""
    partitions = settings_of(study, gym)
    settings = map(partitions.setting, study.final.settings or partitions.settings)
    sides = [task for setting in settings for task in (*setting.sources, *setting.targets)]
    own = (*(study.sources or ()), *(study.validation.tasks or partitions.validation))
    return tuple(sorted({*sides, *own}))


def tuned(study: Study, tasks: Sequence[str], lab: Lab) -> Spaces:
    """Compute subspaces of the tasks' prompts, tuned from vocabulary rows with the final protocol.

    Each data seed counts with the prompt of its best-dev learning rate; missing cells are run.
    """
    for task in tasks:
        lab.worker.gym.card(task)
    eval_protocol = EvalProtocol(study.final.seeds, study.final.lrs, study.tuning)
    return _spaces(_plain(study, tasks, eval_protocol, lab), lab.worker.home)


def recorded(study: Study, tasks: Sequence[str], lab: Lab) -> Spaces:
    """Return subspaces as ``tuned`` does, but from recorded prompts alone.

    Tasks without final cells use their validation cells; tasks without any are left out.
    """
    for task in tasks:
        lab.worker.gym.card(task)
    final = EvalProtocol(study.final.seeds, study.final.lrs, study.tuning)
    searched = EvalProtocol(study.validation.seeds, study.validation.lrs, study.tuning)
    spaces = dict(_spaces(_plain(study, tasks, final, lab), lab.worker.home))
    left = [task for task in tasks if task not in spaces]
    return {**spaces, **_spaces(_plain(study, left, searched, lab), lab.worker.home)}


def of_targets(evaluated: Sequence[EvaluatedCell], home: Home) -> SimilarityMatrix | None:
    """Compare the targets of a promotion by the cells of its baseline.

    None if there are fewer than two targets, or a prompt file is missing (``gone``).

    Raises:
        DataError: a prompt is damaged.
    """
    if gone(evaluated, home):
        return None
    spaces = _spaces(_plain_ones(evaluated), home)
    return similarity(spaces) if len(spaces) > 1 else None


def gone(evaluated: Sequence[EvaluatedCell], home: Home) -> list[str]:
    """Return the digests of the baseline's cells whose prompts are missing in the home folder."""
    units = [
        cell_result.unit for cell_result in _plain_ones(evaluated) if cell_result.unit.artefact
    ]
    return sorted({unit.digest for unit in units if not prompt_file(home, unit).exists()})


def _plain_ones(evaluated: Sequence[EvaluatedCell]) -> list[EvaluatedCell]:
    return [cell_result for cell_result in evaluated if cell_result.eval_target.start == VOCABULARY]


def similarity(spaces: Spaces) -> SimilarityMatrix:
    """Compare every task with every other, seed by seed.

    Raises:
        InputError: there are fewer than two tasks.
    """
    if len(spaces) < 2:
        available = f"only that of {', '.join(spaces)}" if spaces else "none"
        raise InputError(
            f"similarity needs the tuned prompts of at least two tasks, and there is {available}",
            fix="run `mpt promote`, or name --tasks with --tune to tune them",
        )
    matrix = tuple(tuple(_mean(of, onto) for onto in spaces.values()) for of in spaces.values())
    chance = fmean(by_chance(space) for seeds in spaces.values() for space in seeds.values())
    return SimilarityMatrix(tuple(spaces), matrix, chance)


def _mean(of: Mapping[int, Subspace], onto: Mapping[int, Subspace]) -> float | None:
    shared = [seed for seed in of if seed in onto]
    return fmean(correlation(of[seed], onto[seed]) for seed in shared) if shared else None


def _plain(
    study: Study, tasks: Sequence[str], eval_protocol: EvalProtocol, lab: Lab
) -> list[EvaluatedCell]:
    eval_target = EvalTarget("similarity", BASELINE, VOCABULARY, tuple(tasks))
    return lab.evaluate_cells(
        [eval_target], eval_protocol, title="plain prompt tuning", pack=study.cells_per_pack
    )


def _spaces(evaluated: Sequence[EvaluatedCell], home: Home) -> Spaces:
    units = {(j.cell.task, j.cell.data_seed, j.cell.lr): j.unit for j in evaluated}
    spaces: dict[str, dict[int, Subspace]] = {}
    for score in best_dev(scores(evaluated)):
        unit = units[score.task, score.seed, score.lr or 0.0]
        prompt = prompt_of(home, unit)
        spaces.setdefault(score.task, {})[score.seed] = input_subspace(prompt.float().numpy())
    return spaces
