"""Where the packs of a call are computed: in this process, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from mpt.compute.device_fleet import DeviceFleet
from mpt.compute.fleet import Fleet, LocalFleet
from mpt.errors import ConfigError


@contextmanager
def open_fleet(
    ray: str | None,
    gpus: float | None,
    device: str | None,
    warn: Callable[[str], None],
    devices: Sequence[str] = (),
) -> Iterator[Fleet]:
    """Open this process, or the cluster that is meant, as a fleet.

    Args:
        ray: ``auto``, ``local`` or ``HOST:PORT``; None for this process.
        gpus: GPUs that a pack takes on Ray, a fraction or more.
        device: on which packs are computed.
        warn: receives a line for every node or process that is lost.
        devices: of this machine, a process for each; see ``known_devices``.

    Raises:
        InputError: there is no such cluster, or Ray is not installed.
        ConfigError: nothing in it can take a pack, or options that do not go together.
    """
    if ray is None:
        if gpus is not None:
            raise ConfigError(
                "--gpus-per-pack is for packs on a Ray cluster",
                fix="give --ray too",
            )
        if len(devices) < 2:
            if not devices and device is None and (seen := torch.cuda.device_count()) > 1:
                warn(f"one of {seen} GPUs is used; give --devices auto for all of them")
            yield LocalFleet()
            return
        with DeviceFleet(devices, warn) as fleet:
            yield fleet
        return
    if devices:
        raise ConfigError(
            "--devices with --ray: Ray gives each pack its GPU",
            fix="leave --devices out",
        )
    if (device or "").startswith("cuda:"):
        raise ConfigError(
            f"--device {device} with --ray: Ray gives each pack its GPU",
            fix="leave --device out, or give cpu to leave GPUs alone",
        )
    # Ray is an extra, and takes seconds to import
    from mpt.compute.ray_cluster import joined, share
    from mpt.compute.ray_fleet import RayFleet

    with joined(ray):
        yield RayFleet(share(gpus, device), warn)
