"""A study as a notebook writes it: a few keywords, the rest as `mpt sweep` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mpt.config import BackboneConfig
from mpt.gym.partitions import Partitions, read_partitions
from mpt.study import study as studies
from mpt.study.assignments import assigned
from mpt.study.study_file import make_study, merged, resolve

if TYPE_CHECKING:
    from typing import Self, Unpack

Part = Mapping[str, object]
"""Keys of one part of a study file, such as ``{"steps": 40}`` of ``tuning``."""


class StudyKeys(TypedDict, total=False):
    """Keys of a study file; docs/study-file.md says what each means."""

    name: str
    method: str
    gym: str | Path
    backbone: str | Part | BackboneConfig
    protocol: str
    partitions: str | Path | Partitions
    setting: str
    sources: Sequence[str]
    source_seeds: Sequence[int]
    source_shots: int | str
    target_shots: int | str
    inner: Part
    outer: Part
    space: Part
    tuning: Part
    validation: Part
    final: Part
    sampler: str
    pruner: str | Part
    seed: int
    trials: int
    round: int
    pack: int | str
    cells_per_pack: int | str
    errors: Part


class Study(studies.Study):
    """A study: a method, a gym, a backbone and what is searched.

    What is left out is as in ``mpt sweep``: the search space of the method, the embedded gym and
    the embedded backbone.

    Args:
        keys: of a study file; ``backbone`` is also a name alone, ``partitions`` a file.

    Raises:
        ConfigError: an unknown key, a wrong type or value; every fault in one message.

    Example::

        study = mpt.Study(method="reptile", gym="data/gym", backbone="google/t5-base-lm-adapt")
    """

    def __init__(self, **keys: Unpack[StudyKeys]) -> None:
        super().__init__(**dict(resolve(None, _plain(keys))))

    @classmethod
    def from_yaml(cls, path: str | Path, **changes: Unpack[StudyKeys]) -> Self:
        """Read a study file, with some of its keys changed.

        Raises:
            ConfigError: the file cannot be read, or a key is unknown or has a wrong type or value.

        Example::

            study = mpt.Study.from_yaml("sweeps/paper.yaml", gym="data/gym", trials=4)
        """
        return cls.model_construct(**dict(resolve(Path(path).expanduser(), _plain(changes))))


def studied(
    study: studies.Study | str | Path | None,
    changes: Mapping[str, object] | None = None,
    assignments: Sequence[str] = (),
) -> studies.Study:
    """Return the study that is meant, with some keys changed: a study, a file, or the default one.

    Args:
        study: a study or the path of a file; by default the default study.
        changes: keys of a study file; None leaves a key as it is.
        assignments: further ones, as ``tuning.steps=40``, which go before ``changes``.

    Raises:
        ConfigError: see ``Study`` and ``assigned``.
    """
    given = _plain({name: value for name, value in (changes or {}).items() if value is not None})
    changed = merged(given, _plain(assigned(assignments)))
    if not isinstance(study, studies.Study):
        return resolve(None if study is None else Path(study).expanduser(), changed)
    if not changed:
        return study
    return make_study({**study.model_dump(), **changed})


def _plain(keys: Mapping[str, object]) -> dict[str, object]:
    """Return the keys as a study file has them."""
    plain = dict(keys)
    if isinstance(backbone := plain.get("backbone"), str | Path):
        plain["backbone"] = {"name": str(backbone)}
    elif isinstance(backbone, BackboneConfig):
        plain["backbone"] = backbone.model_dump()
    if isinstance(gym := plain.get("gym"), Path):
        plain["gym"] = str(gym)
    if isinstance(own := plain.get("partitions"), str | Path):
        plain["partitions"] = read_partitions(Path(own).expanduser())
    return plain
