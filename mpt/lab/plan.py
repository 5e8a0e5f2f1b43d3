"""Resolve a study on a gym and a backbone: what exactly its sweep will run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY, BackboneIdentity, RunConfig
from mpt.gym.partitions import Setting
from mpt.lab.run import BASELINE, Case, Judging
from mpt.methods import revision
from mpt.search.definition import REVISION
from mpt.study.settings import settings_of
from mpt.study.study import Study

VALIDATION = "validation"
"""The setting under which a sweep's scores are kept: the validation tasks."""


@dataclass(frozen=True)
class Plan:
    """A study made concrete: on these rows, with these weights, by this formula of its method."""

    study: Study
    tasks: tuple[str, ...]
    sources: tuple[str, ...]
    model: BackboneIdentity
    data: str
    judged_data: str
    revision: int | None = None

    @cached_property
    def judging(self) -> Judging:
        """How trials are judged."""
        chosen = self.study.validation
        return Judging(chosen.seeds, chosen.lrs, self.study.tuning, self.study.target_shots)

    @cached_property
    def definition(self) -> dict[str, Any]:
        """What makes it this study: its file, and the rows and weights it runs on."""
        found = {"sources": self.sources, "tasks": self.tasks, "weights": self.model.weights}
        rows = {"data": self.data, "validation rows": self.judged_data}
        formula = {REVISION: self.revision} if self.revision else {}
        return json.loads(json.dumps({**self.study.definition, **found, **rows, **formula}))

    @cached_property
    def baseline(self) -> Case:
        """Plain prompt tuning on the validation tasks; the ledger holds it after the first time."""
        return Case(VALIDATION, BASELINE, VOCABULARY, self.tasks)

    def config(self, params: Mapping[str, float]) -> RunConfig:
        """The meta-training of a trial."""
        weights = self.model.weights
        found = self.study.run(params, sources=self.sources, weights=weights, data=self.data)
        return RunConfig(**{**self.model.named(found).model_dump(), "revision": self.revision})


def plan(study: Study, worker: Worker) -> Plan:
    """Resolve a study's tasks on the worker's gym, reading every row it needs; writes nothing.

    Raises:
        UnknownName: a task or setting that the gym does not have.
        ConfigError: a validation task among the sources, or among the targets of own settings.
        DataError: rows that cannot be read.
    """
    gym, partitions = worker.gym, settings_of(study, worker.gym)
    tasks = study.validation.tasks or partitions.validation
    sources = study.sources or partitions.setting(study.setting).sources
    Setting(VALIDATION, sources, tasks)
    for task in (*tasks, *sources):
        gym.card(task)
    for name in study.final.settings or ():
        partitions.setting(name)
    judged = worker.data_digest(tasks, study.validation.seeds, study.target_shots)
    data = worker.data_digest(sources, study.source_seeds, study.source_shots)
    worker.check(tasks, study.validation.seeds, study.target_shots, scored=True)
    worker.check(sources, study.source_seeds, study.source_shots, scored=False)
    return Plan(study, tasks, sources, worker.model, data, judged, revision(study.method))
