"""Ray clusters: join one, or start one for this process alone; count what its machines offer."""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from mpt.errors import ConfigError, InputError
from mpt.store.home import Home

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
}
"""Settings that disable Ray's telemetry and keep its log out of a command's output."""
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Keep all ports on the loopback interface, which is Ray's default except on Linux."""


@dataclass(frozen=True)
class GpuShare:
    """Say what a pack takes of a machine, in Ray's units: one CPU and ``gpus`` GPUs."""

    gpus: float


@contextmanager
def joined(where: str) -> Iterator[None]:
    """Join a cluster as its driver; a cluster that was started here ends with the context.

    Args:
        where: ``auto`` (the cluster of ``RAY_ADDRESS`` or of this machine), ``local`` (one for
            this process alone, on the loopback interface) or the address of a cluster's head.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    address = os.environ.get("RAY_ADDRESS", "auto") if where == "auto" else where
    for variable, value in {**_QUIET, **(LOOPBACK if where == "local" else {})}.items():
        os.environ.setdefault(variable, value)
    with _token() if where == "local" else nullcontext(), _driver(address):
        yield


@contextmanager
def _token() -> Iterator[None]:
    """Protect a cluster with a token in the environment; Ray's own file is open to all users."""
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    if any(os.environ.get(name) for name in names):
        yield
        return
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        yield
    finally:
        for name in names[:2]:
            os.environ.pop(name, None)


@contextmanager
def _driver(address: str) -> Iterator[None]:
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError:
        raise InputError(
            "could not import ray",
            fix="pip install -e '.[ray]'",
        ) from None
    _knock(address)
    if address != "local" and not _is_member():
        raise InputError(_no_cluster(address, "this machine is not part of a cluster"))
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise InputError(_no_cluster(address, str(error))) from None
    finally:
        # Ray installs a handler that exits at once
        signal.signal(signal.SIGTERM, before)
    try:
        yield
    finally:
        ray.shutdown()


def share(gpus: float | None, device: str | None) -> GpuShare:
    """Return what a pack takes in the cluster that was joined.

    Args:
        gpus: per pack; by default 1, or 0 where the cluster has none.
        device: ``cpu`` leaves GPUs alone.

    Raises:
        ConfigError: no machine of the cluster has that much, or Ray cannot divide GPUs so.
    """
    if gpus is not None and not (0 < gpus <= 1 or (gpus > 1 and gpus % 1 == 0)):
        raise ConfigError(
            f"--gpus-per-pack {gpus:g} is not a number of GPUs that Ray can assign",
            fix="give a fraction of one GPU such as 0.5, or a whole number",
        )
    machines = _machines()
    if device == "cpu":
        gpus = 0
    elif gpus is None:
        gpus = 1 if any(machine.get("GPU") for machine in machines) else 0
    pack_share = GpuShare(gpus)
    if not places(pack_share):
        have = ", ".join(f"{m.get('CPU', 0):g} CPUs and {m.get('GPU', 0):g} GPUs" for m in machines)
        raise ConfigError(
            f"a pack takes 1 CPU{f' and {gpus:g} GPUs' if gpus else ''}, which no machine of the "
            f"Ray cluster has (they have: {have})",
            fix="add a machine that does with `ray start`, or change --gpus-per-pack or --device",
        )
    return pack_share


def places(taken: GpuShare) -> int:
    """Return how many packs of this size the machines of the cluster hold at the same time."""
    return sum(_places(machine, taken.gpus) for machine in _machines())


def _machines() -> list[dict[str, float]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _places(machine: dict[str, float], gpus: float) -> int:
    cpus, cards = int(machine.get("CPU", 0)), machine.get("GPU", 0)
    if not gpus:
        return cpus
    return min(cpus, int(cards) * int(1 / gpus) if gpus < 1 else int(cards // gpus))


def is_head(address: str) -> bool:
    """Return whether an address is HOST:PORT, as a head's is, with no user and no scheme."""
    return re.fullmatch(r"[^\s@/]+:[0-9]{1,5}", address) is not None


def _knock(address: str) -> None:
    """Raise ``InputError`` if nothing listens: Ray itself would wait for minutes."""
    if address in ("auto", "local"):
        return
    if not is_head(address):
        # Ray's own error would quote the address, with its password
        raise InputError(_no_cluster(address, "not the address of a head"))
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(
            f"no Ray cluster answers at {Home.shown(address)} ({error.strerror or error})",
            fix="give the address that `ray start --head` printed, or --ray local",
        ) from None


def _is_member() -> bool:
    """Return whether Ray's daemon runs here: joining without it kills the process with a trace."""
    names = set()
    for process in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            names.add(process.read_text(encoding="utf-8", errors="replace").strip())
    # without /proc there is no way to know
    return not names or "raylet" in names


def _no_cluster(address: str, cause: str) -> str:
    if address == "auto":
        return (
            "--ray auto finds no Ray cluster on this machine; set RAY_ADDRESS, start one with "
            "`ray start --head`, or give --ray local"
        )
    first = Home.shown(cause.strip().partition("\n")[0])
    return (
        f"cannot join the Ray cluster at {Home.shown(address)!r} ({first}); give HOST:PORT of its "
        "head and, if it has one, its token (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN), and run mpt on "
        "a machine of the cluster: `ray start --address HOST:PORT --num-cpus 0` makes this one a "
        "member that computes nothing"
    )
