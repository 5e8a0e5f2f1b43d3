"""Joining a Ray cluster, or starting one for this process alone; what its machines offer."""

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
"""Nothing is sent home, and no log lines of Ray's come up among a command's own."""
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Elsewhere than on Linux it is Ray's default that all ports are on the loopback interface."""


@dataclass(frozen=True)
class Share:
    """What a pack takes of a machine, as Ray counts it: one CPU, and these GPUs."""

    gpus: float


@contextmanager
def joined(where: str) -> Iterator[None]:
    """Be a driver of the cluster, which ends afterwards if it was started here.

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
    """Lock a cluster with a token that stands in no file; Ray's own file is open to all users."""
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
        raise InputError("could not import ray; pip install -e '.[ray]'") from None
    _knock(address)
    if address != "local" and not _is_member():
        raise InputError(_no_cluster(address, "this machine is no part of a cluster"))
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
        # Ray leaves one of its own, which exits at once
        signal.signal(signal.SIGTERM, before)
    try:
        yield
    finally:
        ray.shutdown()


def share(gpus: float | None, device: str | None) -> Share:
    """What a pack takes in the cluster that was joined.

    Args:
        gpus: of which a pack takes so many; by default 1, or none where the cluster has none.
        device: ``cpu`` leaves GPUs alone.

    Raises:
        ConfigError: no machine of the cluster has that much.
    """
    if gpus is not None and not (0 < gpus <= 1 or (gpus > 1 and gpus % 1 == 0)):
        raise ConfigError(
            f"--gpus-per-pack {gpus:g} is nothing that Ray can give; give a part of one GPU such "
            "as 0.5, or a whole number"
        )
    machines = _machines()
    if device == "cpu":
        gpus = 0
    elif gpus is None:
        gpus = 1 if any(machine.get("GPU") for machine in machines) else 0
    chosen = Share(gpus)
    if not places(chosen):
        have = "; ".join(f"{m.get('CPU', 0):g} CPUs, {m.get('GPU', 0):g} GPUs" for m in machines)
        raise ConfigError(
            f"a pack takes 1 CPU{f' and {gpus:g} GPUs' if gpus else ''}, which no machine of the "
            f"Ray cluster has (they have: {have}); add a machine that does with `ray start`, or "
            "change --gpus-per-pack or --device"
        )
    return chosen


def places(taken: Share) -> int:
    """How many such shares the machines of the cluster have at the same time."""
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
    """Whether an address can be a head's: HOST:PORT, with no user and no scheme."""
    return re.fullmatch(r"[^\s@/]+:[0-9]{1,5}", address) is not None


def _knock(address: str) -> None:
    """Raise ``InputError`` where nothing listens: Ray itself would wait for minutes."""
    if address in ("auto", "local"):
        return
    if not is_head(address):
        # Ray would quote it, password and all
        raise InputError(_no_cluster(address, "no address of a head"))
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(
            f"no Ray cluster answers at {Home.shown(address)} ({error.strerror or error}); give "
            "the address that `ray start --head` printed, or --ray local"
        ) from None


def _is_member() -> bool:
    """Whether Ray's daemon runs here: without one, joining ends the process with a stack trace."""
    names = set()
    for process in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            names.add(process.read_text(encoding="utf-8", errors="replace").strip())
    # without /proc nothing is known of anybody
    return not names or "raylet" in names


def _no_cluster(address: str, cause: str) -> str:
    if address == "auto":
        return (
            "--ray auto finds no Ray cluster on this machine; set RAY_ADDRESS, begin one with "
            "`ray start --head`, or give --ray local"
        )
    first = Home.shown(cause.strip().partition("\n")[0])
    return (
        f"cannot join the Ray cluster at {Home.shown(address)!r} ({first}); give HOST:PORT of its "
        "head and, if it has one, its token (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN), and run mpt on "
        "a machine of the cluster: `ray start --address HOST:PORT --num-cpus 0` makes this one a "
        "member that computes nothing"
    )
