"""Run one meta-training, or evaluate one prompt on target tasks, without a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY, RunConfig
from mpt.errors import InputError
from mpt.gym.partitions import Setting
from mpt.lab.run import BASELINE, EvalProtocol, EvalTarget, EvaluatedCell, Lab, scores
from mpt.serve.predict import same_weights
from mpt.stats.scores import Gain, gains
from mpt.store.artefacts import prompt_of
from mpt.store.row_checks import config_of
from mpt.store.unit import Unit
from mpt.study.settings import settings_of
from mpt.study.study import Study

PROMPT = "prompt"
"""Name of the method under which the scores of a given prompt are recorded."""


@dataclass(frozen=True)
class Evaluation:
    """Hold the evaluation of a prompt on target tasks.

    Attributes:
        setting: name of the set of target tasks.
        evaluated: its cell results and those of plain prompt tuning, for every seed and rate.
        gain: over plain prompt tuning; None if that itself was evaluated, or a side has no score.
    """

    setting: str
    evaluated: tuple[EvaluatedCell, ...]
    gain: Gain | None


def one_run(study: Study, worker: Worker) -> RunConfig:
    """Build the meta-training of a study's ``inner`` and ``outer`` values, ignoring its space.

    Raises:
        UnknownName: the gym lacks a setting or task.
        DataError: rows cannot be read.
    """
    sources = study.sources or settings_of(study, worker.gym).setting(study.setting).sources
    for task in sources:
        worker.gym.card(task)
    data = worker.data_digest(sources, study.source_seeds, study.source_shots)
    worker.check(sources, study.source_seeds, study.source_shots, scored=False)
    run = study.run({}, sources=sources, weights=worker.backbone.weights, data=data)
    return worker.model.named(run)


def learn_one(config: RunConfig, lab: Lab) -> Unit:
    """Run one meta-training, unless the ledger has its result."""
    return lab.learn([config], config.method, 1)[config.digest]


def targets_of(
    study: Study, prompt: Unit | None, tasks: Sequence[str], worker: Worker
) -> tuple[str, tuple[str, ...]]:
    """Return the tasks to evaluate and a name for them: ``tasks``, or else the setting's targets.

    Raises:
        UnknownName: the gym lacks a setting or task.
        ConfigError: a target is among the tasks that the prompt was learned on, or the backbone
            differs from the one that it was learned on.
        InputError: the unit is not a completed meta-training.
        DataError: rows cannot be read, or no answer of a task fits into the output.
    """
    if tasks:
        name, targets = "named tasks", tuple(tasks)
    else:
        setting = settings_of(study, worker.gym).setting(study.setting)
        name, targets = setting.name, setting.targets
    for task in targets:
        worker.gym.card(task)
    if prompt is not None:
        _expect_usable(prompt, name, targets, worker)
    worker.check(targets, study.final.seeds, study.target_shots, scored=True)
    return name, targets


def _expect_usable(prompt: Unit, name: str, targets: tuple[str, ...], worker: Worker) -> None:
    """Check that the unit has a prompt for these weights that was not learned on a target."""
    config = config_of(prompt)
    if not isinstance(config, RunConfig) or prompt.state != "done":
        raise InputError(
            f"unit {prompt.digest} has kind {prompt.kind!r} and state {prompt.state!r}",
            fix=(
                "give the "
                "digest of a completed meta-training (`mpt run` prints it), or `vocabulary`"
            ),
        )
    same_weights(worker.backbone, worker.backbone_config, config.weights)
    # raises an error for a target that the prompt was learned on
    Setting(name, config.sources, targets)


def evaluate(
    study: Study, prompt: Unit | None, name: str, targets: tuple[str, ...], lab: Lab
) -> Evaluation:
    """Tune a prompt (None: vocabulary rows) on targets, all final seeds and rates, and score it.

    Raises:
        DataError: rows cannot be read, or the prompt differs from the recorded one.
    """
    if prompt is not None:
        prompt_of(lab.worker.home, prompt)
    eval_protocol = EvalProtocol.final(study)
    eval_targets = [EvalTarget(name, BASELINE, VOCABULARY, targets)]
    if prompt is not None:
        eval_targets.append(EvalTarget(name, PROMPT, prompt.digest, targets))
    evaluated = lab.evaluate_cells(
        eval_targets, eval_protocol, title="target tasks", pack=study.cells_per_pack
    )
    all_scores = scores(evaluated)
    both = {score.method for score in all_scores} == {BASELINE, PROMPT}
    if not both:
        return Evaluation(name, tuple(evaluated), None)
    (gain,) = gains(all_scores, baseline=BASELINE, zero_baseline="report", missing_task="report")
    return Evaluation(name, tuple(evaluated), gain)
