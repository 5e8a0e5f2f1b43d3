"""Resolve a study on a gym and a backbone into what its sweep will run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY, BackboneIdentity, RunConfig
from mpt.gym.partitions import Setting
from mpt.lab.run import BASELINE, EvalProtocol, EvalTarget
from mpt.methods import revision
from mpt.search.definition import REVISION
from mpt.study.settings import settings_of
from mpt.study.study import Study

VALIDATION = "validation"
"""Name of the setting of the validation tasks, under which a sweep's scores are recorded."""


@dataclass(frozen=True)
class SweepPlan:
    """Hold a study resolved to rows, weights and the revision of its method.

    Attributes:
        tasks: the validation tasks.
        sources: the source tasks.
        model: identity of the backbone.
        data: digest of the source rows; validation_data: digest of the validation rows.
        revision: of the method, if its formula was ever revised.
    """

    study: Study
    tasks: tuple[str, ...]
    sources: tuple[str, ...]
    model: BackboneIdentity
    data: str
    validation_data: str
    revision: int | None = None

    @cached_property
    def eval_protocol(self) -> EvalProtocol:
        """Return the eval protocol of trials."""
        chosen = self.study.validation
        return EvalProtocol(chosen.seeds, chosen.lrs, self.study.tuning, self.study.target_shots)

    @cached_property
    def definition(self) -> dict[str, object]:
        """Return what identifies the study: its file, rows, weights and the method's revision."""
        identity = {"sources": self.sources, "tasks": self.tasks, "weights": self.model.weights}
        rows = {"data": self.data, "validation rows": self.validation_data}
        formula = {REVISION: self.revision} if self.revision else {}
        return json.loads(json.dumps({**self.study.definition, **identity, **rows, **formula}))

    @cached_property
    def baseline(self) -> EvalTarget:
        """Return the eval target of plain prompt tuning on the validation tasks."""
        return EvalTarget(VALIDATION, BASELINE, VOCABULARY, self.tasks)

    def config(self, params: Mapping[str, float]) -> RunConfig:
        """Return the configuration of a trial's meta-training."""
        weights = self.model.weights
        run = self.study.run(params, sources=self.sources, weights=weights, data=self.data)
        return RunConfig(**{**self.model.named(run).model_dump(), "revision": self.revision})


def plan(study: Study, worker: Worker) -> SweepPlan:
    """Resolve a study's tasks on the worker's gym, reading every row it needs; writes nothing.

    Raises:
        UnknownName: the gym lacks a task or setting.
        ConfigError: a validation task is a source, or a target of a custom setting.
        DataError: rows cannot be read.
    """
    gym, partitions = worker.gym, settings_of(study, worker.gym)
    tasks = study.validation.tasks or partitions.validation
    sources = study.sources or partitions.setting(study.setting).sources
    Setting(VALIDATION, sources, tasks)
    for task in (*tasks, *sources):
        gym.card(task)
    for name in study.final.settings or ():
        partitions.setting(name)
    evaluated = worker.data_digest(tasks, study.validation.seeds, study.target_shots)
    data = worker.data_digest(sources, study.source_seeds, study.source_shots)
    worker.check(tasks, study.validation.seeds, study.target_shots, scored=True)
    worker.check(sources, study.source_seeds, study.source_shots, scored=False)
    return SweepPlan(study, tasks, sources, worker.model, data, evaluated, revision(study.method))
