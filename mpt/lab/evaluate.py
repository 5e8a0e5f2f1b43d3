"""One meta-training, or one prompt on target tasks: what is asked for without a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY, RunConfig
from mpt.errors import InputError
from mpt.gym.partitions import Setting
from mpt.lab.run import BASELINE, Case, Judged, Judging, Lab, scores
from mpt.serve.predict import same_weights
from mpt.stats.scores import Gain, gains
from mpt.store.artefacts import prompt_of
from mpt.store.row_checks import config_of
from mpt.store.unit import Unit
from mpt.study.settings import settings_of
from mpt.study.study import Study

PROMPT = "prompt"
"""The method under which a given prompt's scores are kept."""


@dataclass(frozen=True)
class Evaluation:
    """A start, tuned and judged on target tasks.

    Attributes:
        judged: its cells and those of plain prompt tuning, every seed and rate.
        gain: over plain prompt tuning; None where that is what was judged, or nothing was learned.
    """

    setting: str
    judged: tuple[Judged, ...]
    gain: Gain | None


def one_run(study: Study, worker: Worker) -> RunConfig:
    """The meta-training of a study's own ``inner`` and ``outer`` values, its space left aside.

    Raises:
        UnknownName: a setting or task that the gym does not have.
        DataError: rows that cannot be read.
    """
    sources = study.sources or settings_of(study, worker.gym).setting(study.setting).sources
    for task in sources:
        worker.gym.card(task)
    data = worker.data_digest(sources, study.source_seeds, study.source_shots)
    worker.check(sources, study.source_seeds, study.source_shots, scored=False)
    run = study.run({}, sources=sources, weights=worker.backbone.weights, data=data)
    return worker.model.named(run)


def learn_one(config: RunConfig, lab: Lab) -> Unit:
    """Settle one meta-training."""
    return lab.learn([config], config.method, 1)[config.digest]


def targets_of(
    study: Study, prompt: Unit | None, tasks: Sequence[str], worker: Worker
) -> tuple[str, tuple[str, ...]]:
    """What a prompt is judged on, with a name for it: ``tasks``, else the setting's targets.

    Raises:
        UnknownName: a setting or task that the gym does not have.
        ConfigError: a target is among the tasks that the prompt was learned on, or the backbone is
            no longer the one it was learned on.
        InputError: the unit is no finished meta-training.
        DataError: rows that cannot be read, or a task of which no answer can be written.
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
    """Raise ``InputError`` unless the unit is a prompt of these weights that saw no target."""
    config = config_of(prompt)
    if not isinstance(config, RunConfig) or prompt.state != "done":
        raise InputError(
            f"unit {prompt.digest} is of the kind {prompt.kind!r} and {prompt.state}; give the "
            "digest of a finished meta-training (`mpt run` prints it), or `vocabulary`"
        )
    same_weights(worker.backbone, worker.backbone_config, config.weights)
    # refuses a target that the prompt has seen
    Setting(name, config.sources, targets)


def evaluate(
    study: Study, prompt: Unit | None, name: str, targets: tuple[str, ...], lab: Lab
) -> Evaluation:
    """Tune a prompt (None: vocabulary rows) on targets, all final seeds and rates, and score it.

    Raises:
        DataError: rows that cannot be read, or a prompt that is not as it was recorded.
    """
    if prompt is not None:
        prompt_of(lab.worker.home, prompt)
    judging = Judging(study.final.seeds, study.final.lrs, study.tuning, study.target_shots)
    cases = [Case(name, BASELINE, VOCABULARY, targets)]
    if prompt is not None:
        cases.append(Case(name, PROMPT, prompt.digest, targets))
    judged = lab.judge(cases, judging, title="target tasks", pack=study.cells_per_pack)
    found = scores(judged)
    both = {score.method for score in found} == {BASELINE, PROMPT}
    if not both:
        return Evaluation(name, tuple(judged), None)
    (gain,) = gains(found, baseline=BASELINE, zero_baseline="report", missing_task="report")
    return Evaluation(name, tuple(judged), gain)
