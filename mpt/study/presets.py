"""Presets: an experiment as data, a table of variants x methods with all hyper-parameters given.

::

    extends: paper-base.yaml     # a file beside this one; keys here override its keys
    name: q2
    title: How many shots do sources and targets need?
    study: {...}                 # keys of a study file, shared by all
    recipes:                     # keys of a study file by method
      maml: {inner: {lr: 3.0e-5, steps: 1, batch: 2}}
      mtl: {epochs: 20}          # sets the steps by passes over the source rows
    methods: [maml, mtl]
    variants:                    # one row each: keys of a study file or of ``Variant``
      16 shots: {setting: Cls->Cls, paper: {maml: 20.16}}
      32 shots: {setting: Cls->Cls, target_shots: 32}

In order of precedence: the caller's changes, the variant, the recipe, the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictFloat, ValidationError, model_validator

from mpt.config import Count, MethodName
from mpt.errors import ConfigError, UnknownName
from mpt.files.atomic import contained
from mpt.gym.partitions import Partitions, Setting
from mpt.schema import Frozen, Schema, is_mapping
from mpt.study.space import Names, Title
from mpt.study.study import Study
from mpt.study.study_file import current_keys, faults_of, make_study, merged, read_mapping

Methods = Annotated[tuple[MethodName, ...], Field(min_length=1)]
Pairs = tuple[tuple[str, str], ...]


class SourceChoice(Frozen):
    """Choose sources by the similarity of their tuned prompts to the target's (appendix A.7).

    Attributes:
        take: the most similar ones, the least similar ones, or random ones.
        count: number of the setting's sources to take.
    """

    take: Literal["highest", "random", "lowest"]
    count: Count


class Variant(Frozen):
    """Define one row of a preset.

    Attributes:
        targets: replace the setting's targets.
        choose: selects some of the setting's sources; by default all are used.
        methods: replace the preset's methods.
        epochs: replace the recipe's, for methods whose recipe has them.
        paper: the ARG that the paper prints, in percent, by method.
        study: all other keys, which are those of a study file.
    """

    targets: Names | None = None
    choose: SourceChoice | None = None
    methods: Methods | None = None
    epochs: Count | None = None
    paper: Mapping[str, StrictFloat] = {}
    study: Mapping[str, object] = {}

    @model_validator(mode="before")
    @classmethod
    def _the_rest_is_of_the_study(cls, given: object) -> object:
        if not is_mapping(given):
            return given
        own = {key: value for key, value in given.items() if key in cls.model_fields}
        rest = {key: value for key, value in given.items() if key not in cls.model_fields}
        shared = own.get("study", {})
        return {**own, "study": {**shared, **rest} if is_mapping(shared) else shared}

    @model_validator(mode="after")
    def _one_target_to_be_like(self) -> Variant:
        if self.choose and len(self.targets or ()) != 1:
            raise ValueError(
                "'choose' needs one target task for the similarity; give it as 'targets: [NAME]'"
            )
        return self


class Preset(Frozen):
    """Define an experiment: what varies from row to row, and which methods are compared.

    Attributes:
        pairs: groups of task pairs whose similarity is computed, instead of variants.
        changes: study keys that override all others; given by the caller, not by a file.
    """

    SCHEMA: ClassVar[Schema] = Schema("Preset")
    name: Title
    title: str
    study: Mapping[str, object] = {}
    recipes: Mapping[MethodName, Mapping[str, object]] = {}
    methods: Methods = ("maml",)
    variants: Mapping[str, Variant] = {}
    pairs: Mapping[str, Pairs] = {}
    changes: Mapping[str, object] = {}

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Preset:
        if bool(self.variants) == bool(self.pairs):
            raise ValueError("give either 'variants' or 'pairs'")
        return self

    @property
    def base(self) -> Study:
        """Return the study that all rows share.

        Raises:
            ConfigError: a key or value of it is invalid.
        """
        return self.study_of({}, "study")

    def study_of(self, given: Mapping[str, object], where: str) -> Study:
        """Return the shared study, overridden by ``given`` and then by the caller's changes.

        Raises:
            ConfigError: a key or value is invalid.
        """
        whole = merged(merged(self.study, given), self.changes)
        return make_study({**whole, "name": self.name}, f"preset {self.name}: {where}")


@dataclass(frozen=True)
class PresetEntry:
    """Hold a method of a row with its hyper-parameters resolved.

    Attributes:
        epochs: passes over the source rows that replace ``outer.steps``.
    """

    study: Study
    epochs: int | None = None


@dataclass(frozen=True)
class PresetRow:
    """Hold a variant resolved on a gym.

    Attributes:
        setting: named like the row; ``choose`` selects from its sources.
        whole: whether the gym has every task of the setting, as the paper's value requires.
    """

    label: str
    variant: Variant
    entries: tuple[PresetEntry, ...]
    setting: Setting
    whole: bool = True


def preset_names() -> tuple[str, ...]:
    """List the names of the presets in miniature."""
    paths = (Path(str(file)) for file in files("mpt.study").joinpath("data").iterdir())
    return tuple(sorted(file.stem for file in paths if file.suffix == ".yaml"))


def miniature(name: str, changes: Mapping[str, object] | None = None) -> Preset:
    """Read a preset on the embedded gym and backbone.

    Raises:
        UnknownName: there is no such preset.
    """
    names = [preset for preset in preset_names() if preset != "base"]
    if name not in names:
        raise UnknownName("preset", name, names, "A file is given with --study.")
    return read_preset(Path(str(files("mpt.study").joinpath("data", f"{name}.yaml"))), changes)


def read_preset(path: Path, changes: Mapping[str, object] | None = None) -> Preset:
    """Read a preset from a YAML file; ``changes`` override study keys in all of its rows.

    Raises:
        ConfigError: the file is missing or not YAML, or a key, type or value is invalid.
    """
    given = _extended(path)
    if "variants" not in given and "pairs" not in given:
        raise ConfigError(
            f"{path} is no preset: it has neither 'variants' nor 'pairs'",
            fix="give a study file to `mpt sweep --study`",
        )
    try:
        return Preset.model_validate({**given, "changes": dict(changes or {})})
    except ValidationError as error:
        raise ConfigError(f"preset {path}: {faults_of(error, Preset)}") from None


def rows(
    preset: Preset, partitions: Partitions, whole: Partitions | None = None
) -> list[PresetRow]:
    """Resolve the variants of a preset on a gym's settings.

    Args:
        preset: the preset.
        partitions: the gym's settings.
        whole: the settings as published, where the gym may lack some of their tasks.

    Raises:
        ConfigError: a variant has an unknown key or an invalid value.
        UnknownName: the gym lacks a setting.
    """
    resolved: list[PresetRow] = []
    for label, variant in preset.variants.items():
        where = f"variant {label!r}"
        entries = tuple(
            _entry(preset, method, variant, where) for method in variant.methods or preset.methods
        )
        study = entries[0].study
        setting = _setting(label, variant, study, study.partitions or partitions)
        complete = setting
        published = {**whole.settings, **whole.ablations} if whole else {}
        if whole and study.partitions is None and study.setting in published:
            complete = _setting(label, variant, study, whole)
        resolved.append(PresetRow(label, variant, entries, setting, setting == complete))
    return resolved


def _entry(preset: Preset, method: str, variant: Variant, where: str) -> PresetEntry:
    recipes: Mapping[str, Mapping[str, object]] = preset.recipes
    recipe = dict(recipes.get(method, {}))
    epochs = recipe.pop("epochs", None)
    if epochs is not None and (type(epochs) is not int or epochs < 1):
        raise ConfigError(
            f"preset {preset.name}: 'epochs' is {epochs!r}",
            fix="give a whole number",
        )
    if epochs is not None and variant.epochs is not None:
        epochs = variant.epochs
    given = merged(recipe, {**variant.study, "method": method})
    outers = [part.get("outer") for part in (variant.study, preset.changes)]
    steps = [outer.get("steps") for outer in outers if is_mapping(outer)]
    return PresetEntry(preset.study_of(given, where), None if any(steps) else epochs)


def _setting(label: str, variant: Variant, study: Study, partitions: Partitions) -> Setting:
    named = partitions.setting(study.setting)
    targets = variant.targets or named.targets
    sources = tuple(task for task in study.sources or named.sources if task not in targets)
    return Setting(label, sources, targets)


def _current(given: Mapping[str, object], where: str) -> dict[str, object]:
    """Return the keys of a preset file, with old study keys renamed to the current ones."""

    def part(value: object, place: str) -> object:
        return current_keys(value, f"{where}: {place}") if is_mapping(value) else value

    current = dict(given)
    if "study" in given:
        current["study"] = part(given["study"], "study")
    for group in ("recipes", "variants"):
        if is_mapping(parts := given.get(group)):
            current[group] = {name: part(keys, f"{group}.{name}") for name, keys in parts.items()}
    return current


def _extended(path: Path) -> dict[str, object]:
    """Return the keys of a file, laid over those of the file that it extends."""
    given = _current(read_mapping(path), f"preset file {path}")
    if (below := given.pop("extends", None)) is None:
        return given
    if not isinstance(below, str) or Path(below).name != below:
        raise ConfigError(
            f"{path}: 'extends' is {below!r}",
            fix="give the name of a file beside it",
        )
    contained(path.parent, below, f"{path}: 'extends'", "give the name of a file beside it")
    return merged(_extended(path.parent / below), given)
