"""What `mpt doctor` looks at here: versions, folder, device, gym, backbone, rows, outbox."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mpt.config import BackboneConfig
from mpt.errors import ConfigError, MptError
from mpt.store.home import Home
from mpt.tracking.outbox import lost, waiting
from mpt.tracking.uploader import CURE

if TYPE_CHECKING:
    from mpt.backbone.frozen import Backbone
    from mpt.gym.source import Gym

State = Literal["ok", "warn", "fail"]

LIBRARIES = ("torch", "transformers", "mlflow", "optuna")
"""Whose versions change results or records."""

SCARCE, FULL = 5 * 2**30, 256 * 2**20
"""Bytes free in the home folder below which a long sweep, or any sweep, will not end well."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at; ``fix`` says what to do and is empty when nothing is."""

    name: str
    state: State
    what: str
    fix: str = ""


def told(name: str, look: Callable[[], str], fix: str = "") -> Finding:
    """What ``look`` says, or how it failed; an error of mpt already says what to do."""
    try:
        return Finding(name, "ok", look())
    except MptError as error:
        what, _, cure = str(error).partition("; ")
        return Finding(name, "fail", what, cure or fix)


def machine(
    home: Home, gym: str, backbone: BackboneConfig, device: str | None
) -> Iterator[Finding]:
    """Everything that needs no server, one finding after the other; writes nothing."""
    yield from versions()
    yield folder(home.root)
    yield told("device", lambda: _device(device), "give cpu, cuda or cuda:N")
    load = cache(lambda: _load(backbone, device))
    yield told("gym", lambda: _gym(gym), "give --gym mini or a folder of tasks")
    loaded = told("backbone", lambda: _about(load(), backbone), "give --backbone mini or a folder")
    yield loaded
    if loaded.state == "ok" and (opened := _opened(gym)):
        yield rows(opened, load(), backbone)
    yield outbox(home)


def versions(wanted: Iterable[str] | None = None) -> Iterator[Finding]:
    """Python and the libraries against what mpt allows, by default as installed."""
    try:
        allowed = {one.name: one for one in map(Requirement, wanted or requires("mpt") or ())}
        python = SpecifierSet(metadata("mpt")["Requires-Python"])
    except PackageNotFoundError:
        yield Finding("versions", "warn", "mpt is not installed", "pip install -e .")
        return
    here = platform.python_version()
    is_right = python.contains(here, prereleases=True)
    fix = "" if is_right else f"make an environment with Python {python}"
    yield Finding("python", "ok" if is_right else "fail", here, fix)
    for name in LIBRARIES:
        need = allowed.get(name, Requirement(name))
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(name, "fail", "not installed", f"pip install '{need}'")
            continue
        if need.specifier.contains(found, prereleases=True):
            yield Finding(name, "ok", found)
        else:
            what = f"{found}, but mpt {version('mpt')} needs {need.specifier}"
            yield Finding(name, "fail", what, f"pip install '{need}'")


def folder(root: Path) -> Finding:
    """Whether the home folder can be written, and how much room it has."""
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        fix = "set MPT_HOME to a folder that can, or change its permissions"
        return Finding("home folder", "fail", f"{there} cannot be written", fix)
    free = shutil.disk_usage(there).free
    what = f"{root}, {free / 2**30:.1f} GiB free"
    if free >= SCARCE:
        return Finding("home folder", "ok", what)
    fix = "make room, or set MPT_HOME to a larger disk"
    return Finding("home folder", "fail" if free < FULL else "warn", what, fix)


def outbox(home: Home) -> Finding:
    """How many tracking records wait, were lost from the disk, or were refused for good."""
    unsent, damaged = waiting(home.outbox), lost(home.outbox)
    refused = home.outbox / "refused.jsonl"
    parts, fixes = [f"{unsent} records unsent"], []
    if damaged:
        parts.append(f"{damaged} damaged or deleted on disk")
        fixes.append(CURE)
    if refused.exists():
        with refused.open("rb") as file:
            parts.append(f"{sum(1 for _ in file)} refused by the server for good")
        fixes.append(f"read why in {refused}")
    if not fixes and unsent:
        fixes.append("`mpt sync` sends what no running sweep is sending")
    if fixes:
        return Finding("outbox", "warn", ", ".join(parts), "; ".join(fixes))
    return Finding("outbox", "ok", "nothing unsent")


def _device(name: str | None) -> str:
    import torch

    if torch.cuda.is_available() and name != "cpu":
        place = torch.cuda.get_device_properties(torch.device(name or "cuda"))
        return f"{place.name}, {place.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    return f"CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores; no CUDA device used"


def _gym(where: str) -> str:
    from mpt.gym.source import open_gym

    opened = open_gym(where)
    count = len(opened.tasks)
    what = f"{opened.name}, {count} task{'s' * (count != 1)}"
    try:
        return f"{what}, {len(opened.partitions.settings)} settings"
    except ConfigError:
        # too few tasks to learn on some and be judged on others
        return f"{what}, too few for a setting: `mpt evaluate vocabulary --tasks NAME` tunes on one"


def rows(gym: Gym, backbone: Backbone, config: BackboneConfig) -> Finding:
    """Whether the gym's inputs are read whole and its answers can be written."""
    from mpt.doctor.token_reach import reaches
    from mpt.gym.reach import reach_lines, reach_sum

    limits = f"max_input {config.max_input}, max_target {config.max_target}"
    try:
        found = list(reaches(gym, gym.tasks, backbone, config))
        for one in found:
            one.refuse_hopeless()
    except MptError as error:
        what, _, cure = str(error).partition("; ")
        return Finding("rows", "fail", what, cure)
    if not (lines := reach_lines(found)):
        return Finding("rows", "ok", f"all inputs are read whole, all answers written ({limits})")
    fix = "a study file with larger limits, or shorter rows; `mpt gym show TASK --gym` counts them"
    return Finding("rows", "warn", f"{reach_sum(found)}; the worst is {lines[0]}", fix)


def _opened(where: str) -> Gym | None:
    """The gym; None where it cannot be opened, which another finding says."""
    from mpt.gym.source import open_gym

    try:
        return open_gym(where)
    except MptError:
        return None


def _load(config: BackboneConfig, device: str | None) -> Backbone:
    from mpt.backbone.load import load_backbone

    return load_backbone(config, device, prove_anew=True)


def _about(loaded: Backbone, config: BackboneConfig) -> str:
    kind = type(loaded).__name__.removeprefix("Frozen")
    return (
        f"{config.name} ({kind}), weights {loaded.weights}, {config.precision}, {loaded.attention}"
    )
