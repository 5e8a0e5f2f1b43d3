"""Local checks of `mpt doctor`: versions, folder, device, gym, backbone, rows, outbox."""

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
from mpt.version import __version__

if TYPE_CHECKING:
    from mpt.backbone.frozen import Backbone
    from mpt.gym.source import Gym

State = Literal["ok", "warn", "fail"]

LIBRARIES = ("torch", "transformers", "mlflow", "optuna")
"""Libraries whose version may change results or records."""

ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""Environment variables of torch's allocator, the second one by its earlier name."""

SCARCE, FULL = 5 * 2**30, 256 * 2**20
"""Free bytes in the home folder below which a long sweep, or any sweep, is likely to fail."""


@dataclass(frozen=True)
class Finding:
    """The result of one check; ``fix`` says what to do, empty if there is nothing to do."""

    name: str
    state: State
    what: str
    fix: str = ""


def run_check(name: str, check: Callable[[], str], fix: str = "") -> Finding:
    """Run a check that returns a description; an error becomes a failed finding.

    An error of mpt usually says what to do; ``fix`` is used if it does not.
    """
    try:
        return Finding(name, "ok", check())
    except MptError as error:
        return Finding(name, "fail", error.what, error.fix or fix)


def machine(
    home: Home, gym: str, backbone: BackboneConfig, device: str | None
) -> Iterator[Finding]:
    """Yield the finding of every check that needs no server; write nothing."""
    yield from versions()
    yield folder(home.root)
    yield run_check("device", lambda: _device(device), "give cpu, cuda or cuda:N")
    yield from gpu_memory(device)
    load = cache(lambda: _load(backbone, device))
    yield run_check("gym", lambda: _gym(gym), "give --gym mini or a folder of tasks")
    fix = "give --backbone mini or a folder"
    loaded = run_check("backbone", lambda: _about(load(), backbone), fix)
    yield loaded
    if loaded.state == "ok" and (opened := _opened(gym)):
        yield rows(opened, load(), backbone)
    yield outbox(home)


def versions(wanted: Iterable[str] | None = None) -> Iterator[Finding]:
    """Check the versions of Python and the libraries.

    ``wanted`` are mpt's requirements, by default those of the installed package.
    """
    try:
        requirements = map(Requirement, wanted or requires("mpt") or ())
        allowed = {requirement.name: requirement for requirement in requirements}
        python = SpecifierSet(metadata("mpt")["Requires-Python"])
    except PackageNotFoundError:
        yield Finding("versions", "warn", "mpt is not installed", "pip install -e .")
        return
    running = platform.python_version()
    is_allowed = python.contains(running, prereleases=True)
    fix = "" if is_allowed else f"make an environment with Python {python}"
    yield Finding("mpt", "ok", __version__)
    yield Finding("python", "ok" if is_allowed else "fail", running, fix)
    for name in LIBRARIES:
        need = allowed.get(name, Requirement(name))
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding(name, "fail", "not installed", f"pip install '{need}'")
            continue
        if need.specifier.contains(installed, prereleases=True):
            yield Finding(name, "ok", installed)
        else:
            what = f"{installed}, but mpt {version('mpt')} needs {need.specifier}"
            yield Finding(name, "fail", what, f"pip install '{need}'")


def folder(root: Path) -> Finding:
    """Check that the home folder is writable and has enough free space."""
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        fix = "set MPT_HOME to a writable folder, or change its permissions"
        return Finding("home folder", "fail", f"{existing} cannot be written", fix)
    free = shutil.disk_usage(existing).free
    what = f"{root}, {free / 2**30:.1f} GiB free"
    if free >= SCARCE:
        return Finding("home folder", "ok", what)
    fix = "free some space, or set MPT_HOME to a larger disk"
    return Finding("home folder", "fail" if free < FULL else "warn", what, fix)


def outbox(home: Home) -> Finding:
    """Count the tracking records that are unsent, damaged on the disk, or finally refused."""
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


def gpu_memory(name: str | None) -> Iterator[Finding]:
    """Report a GPU's free memory, whether it has bfloat16, and an allocator that breaks it up."""
    import torch

    if not torch.cuda.is_available() or name == "cpu":
        return
    free, total = torch.cuda.mem_get_info(torch.device(name or "cuda"))
    narrow = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
    what = f"{free / 2**30:.0f} of {total / 2**30:.0f} GiB free, {narrow}"
    if any("expandable_segments:True" in os.environ.get(key, "") for key in ALLOCATOR):
        yield Finding("gpu memory", "ok", what)
        return
    yield Finding(
        "gpu memory",
        "warn",
        f"{what}; batches of many widths may break it into pieces too small for the next",
        f"export {ALLOCATOR[0]}=expandable_segments:True",
    )


def _gym(where: str) -> str:
    from mpt.gym.source import open_gym

    opened = open_gym(where)
    count = len(opened.tasks)
    what = f"{opened.name}, {count} task{'s' * (count != 1)}"
    try:
        return f"{what}, {len(opened.partitions.settings)} settings"
    except ConfigError:
        # too few tasks to learn on some and evaluate on others
        return f"{what}, too few for a setting: `mpt evaluate vocabulary --tasks NAME` tunes on one"


def rows(gym: Gym, backbone: Backbone, config: BackboneConfig) -> Finding:
    """Check that the gym's inputs are read whole and its answers can be generated."""
    from mpt.doctor.token_reach import reaches
    from mpt.gym.reach import reach_lines, reach_sum

    limits = f"max_input {config.max_input}, max_target {config.max_target}"
    try:
        checked = list(reaches(gym, gym.tasks, backbone, config))
        for reach in checked:
            reach.refuse_hopeless()
    except MptError as error:
        return Finding("rows", "fail", error.what, error.fix)
    if not (lines := reach_lines(checked)):
        return Finding("rows", "ok", f"all inputs are read whole, all answers written ({limits})")
    fix = (
        "raise the limits in a study file, or shorten the rows; `mpt gym show TASK --gym` counts "
        "them"
    )
    return Finding("rows", "warn", f"{reach_sum(checked)}; the worst is {lines[0]}", fix)


def _opened(where: str) -> Gym | None:
    """Open the gym; None if that fails, which another finding reports."""
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
