"""Campaigns: which methods run, with which hyper-parameters, on which settings and meta-seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mpt.compute.worker import Worker
from mpt.config import FINE_TUNING, VOCABULARY, RunConfig
from mpt.errors import ConfigError, DataError, UnknownName
from mpt.gym.partitions import Setting
from mpt.lab.run import BASELINE, FULL, EvalProtocol, EvalTarget
from mpt.methods import METHODS
from mpt.methods import method as known_method
from mpt.search.search import Search
from mpt.search.storage import study_names
from mpt.search.trial import Trial
from mpt.study.settings import settings_of
from mpt.study.study import Space, Study
from mpt.study.study_file import defaults, make_study

Choose = Callable[[Study, Sequence[Trial]], Trial]
"""Selects the trial of a study that takes part."""

Named = str | Sequence[str]
"""Names in a sequence, or separated by commas in one string."""

_STARTS = {BASELINE: VOCABULARY, FULL: FINE_TUNING}

_SAME = ("partitions", "setting", "sources", "source_shots", "target_shots")
"""Keys that two studies must share, beside rows and weights, to compare their methods."""


@dataclass(frozen=True)
class MethodConfig:
    """Define a method config: a method with its hyper-parameters.

    Attributes:
        study: provides the inner and outer loop.
        params: the values chosen within the study's space.
        origin: where these values come from, for people.
    """

    study: Study
    params: Mapping[str, float]
    origin: str

    @property
    def method(self) -> str:
        """Return the name of the method."""
        return self.study.method


@dataclass(frozen=True)
class MetaRun:
    """Define a meta-run: one method on a setting's source tasks, with one meta-training seed."""

    setting: Setting
    method_config: MethodConfig
    meta_seed: int
    config: RunConfig

    @property
    def method(self) -> str:
        """Return the name of the method."""
        return self.method_config.method

    @property
    def eval_target(self) -> EvalTarget:
        """Return the eval target: its prompt on the setting's target tasks."""
        start, targets = self.config.digest, self.setting.targets
        return EvalTarget(self.setting.name, self.method, start, targets, self.meta_seed)


@dataclass(frozen=True)
class Campaign:
    """Define everything that a promotion runs.

    Attributes:
        study: study of the promoted trial; provides the settings, data seeds and learning rates.
        trial: the promoted trial.
        method_configs: the config of every method, in the order of the tables.
        shares: every meta-run, setting by setting.
    """

    study: Study
    trial: Trial
    method_configs: tuple[MethodConfig, ...]
    settings: tuple[Setting, ...]
    meta_runs: tuple[MetaRun, ...]

    @property
    def eval_protocol(self) -> EvalProtocol:
        """Return the eval protocol of the prompts."""
        return EvalProtocol.final(self.study)

    @property
    def baselines(self) -> tuple[EvalTarget, ...]:
        """Return the baselines' eval targets; settings share the cells of common target tasks."""
        return tuple(
            EvalTarget(setting.name, name, _STARTS[name], setting.targets)
            for setting in self.settings
            for name in self.study.final.baselines
        )


def with_final(
    study: Study, *, settings: Named | None, methods: Named | None, baselines: Named | None
) -> Study:
    """Return the study with its final evaluation changed.

    Args:
        study: the study to change.
        settings, methods, baselines: names, also separated by commas in one string, or ``all`` for
            methods and baselines; None keeps the study's.

    Raises:
        ConfigError: a name is given twice.
        UnknownName: there is no such method or baseline.
    """
    final = study.final.model_dump()
    if settings is not None:
        final["settings"] = _by_commas(settings)
    if methods is not None:
        final["methods"] = list(METHODS) if methods == "all" else _by_commas(methods)
        for name in final["methods"]:
            known_method(name)
    if baselines is not None:
        final["baselines"] = list(_STARTS)
        if baselines != "all":
            final["baselines"] = [name.upper() for name in _by_commas(baselines)]
        for name in final["baselines"]:
            if name not in _STARTS:
                raise UnknownName("baseline", name, _STARTS)
    return make_study({**study.model_dump(), "final": final}, "options")


def _by_commas(names: Named) -> list[str]:
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]


def final_settings(study: Study, worker: Worker) -> tuple[Setting, ...]:
    """Return the settings that a promotion runs, after reading the rows of their targets.

    Raises:
        UnknownName: the gym lacks a setting.
        ConfigError: a setting is named twice.
        DataError: a row cannot be read, or no answer of a task fits into the output; raised here
            rather than after the meta-trainings.
    """
    partitions = settings_of(study, worker.gym)
    names = study.final.settings or tuple(partitions.settings)
    settings = [partitions.setting(name) for name in names]
    if twice := sorted({s.name for s in settings if settings.count(s) > 1}):
        raise ConfigError(
            f"'final.settings' names {', '.join(twice)} twice",
            fix="name each once",
        )
    for setting in settings:
        worker.data_digest(setting.targets, study.final.seeds, study.target_shots)
        worker.check(setting.targets, study.final.seeds, study.target_shots, scored=True)
    return tuple(settings)


def method_configs(
    study: Study, own: MethodConfig, worker: Worker, choose: Choose
) -> tuple[MethodConfig, ...]:
    """Return the config of every method of ``study.final.methods``, with ``own`` for the study's.

    Another method uses the chosen trial of its own study, which must have the same name but for
    the method and match in tasks, rows and backbone; otherwise it uses the defaults.

    Raises:
        StoreError: the store of studies cannot be opened.
    """
    methods = study.final.methods or (study.method,)
    return tuple(
        own if method == study.method else _other(sibling(study, method), study, worker, choose)
        for method in methods
    )


def sibling(study: Study, method: str) -> Study:
    """Return the same study for another method: ``mini-reptile`` becomes ``mini-maml``."""
    name = study.name and f"{study.name.removesuffix(f'-{study.method}')}-{method}"
    space = study.space
    if space == _usual_space(study):
        space = _usual_space(study.model_copy(update={"method": method}))
    return study.model_copy(update={"method": method, "name": name, "space": space})


def campaign(
    study: Study,
    trial: Trial,
    methods: Sequence[MethodConfig],
    settings: Sequence[Setting],
    worker: Worker,
) -> Campaign:
    """Build the campaign of these methods on these settings; reads rows and writes nothing."""
    meta_runs = tuple(
        MetaRun(setting, method_config, seed, _config(method_config, setting, seed, worker))
        for setting in settings
        for method_config in methods
        for seed in study.final.meta_seeds
    )
    return Campaign(study, trial, tuple(methods), tuple(settings), meta_runs)


def _config(
    method_config: MethodConfig, setting: Setting, meta_seed: int, worker: Worker
) -> RunConfig:
    study = method_config.study
    worker.check(setting.sources, study.source_seeds, study.source_shots, scored=False)
    run = study.run(
        method_config.params,
        sources=setting.sources,
        weights=worker.model.weights,
        data=worker.data_digest(setting.sources, study.source_seeds, study.source_shots),
        meta_seed=meta_seed,
    )
    return worker.model.named(run)


def _other(wanted: Study, study: Study, worker: Worker, choose: Choose) -> MethodConfig:
    """Return the config of another method than the study's own."""
    title, why, home = wanted.title, "", worker.home
    if title not in study_names(home):
        why = f"there is no study {title}"
    else:
        search = Search.load(home, title)
        other, trials = search.study, search.trials
        differences = _other_contents(search, study, worker)
        differences += [key for key in _SAME if getattr(other, key) != getattr(study, key)]
        if other.method != wanted.method:
            why = f"study {title} searches {other.method}"
        elif differences:
            why = f"study {title} has another {' and '.join(differences)}"
        elif not any(trial.arg is not None for trial in trials):
            why = f"study {title} has no finished trial"
        else:
            trial = choose(other, trials)
            return MethodConfig(other, trial.params, f"trial {trial.number} of {title}")
    return MethodConfig(wanted, _defaults(wanted), f"defaults, as {why}")


def _other_contents(search: Search, study: Study, worker: Worker) -> list[str]:
    """List which of gym and backbone differ from this study's by content, whatever their paths."""
    other, definition, differences = search.study, search.definition, list[str]()
    if other.gym != study.gym:
        sources = tuple(definition.get("sources", ()))
        with suppress(UnknownName, DataError):
            rows = worker.data_digest(sources, other.source_seeds, other.source_shots)
            if rows == definition.get("data"):
                sources = ()
        differences += ["gym"] * bool(sources)
    alike = other.backbone.model_copy(update={"name": study.backbone.name})
    weights = worker.model.weights
    if worker.stand_in is not None:
        weights = definition.get("weights", weights)
    if alike != study.backbone or definition.get("weights", weights) != weights:
        differences.append("backbone")
    return differences


def _defaults(study: Study) -> dict[str, float]:
    """Return the hyper-parameters of a method without a search.

    They are the study's own values, with the fewest steps of a default space, so that a campaign
    of methods without searches stays short.
    """
    if study.space != _usual_space(study):
        return {}
    chosen = study.space.dimensions(study.method)
    return {name: min(choice) for name, choice in chosen.items() if isinstance(choice, tuple)}


def _usual_space(study: Study) -> Space:
    usual = defaults(study.gym, study.method, study.backbone.name)
    return Space.model_validate(usual["space"])
