"""Whether everything that a sweep needs is there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from mpt.config import BackboneConfig
from mpt.engine.device import known_device
from mpt.tracking.address import tracked_home

if TYPE_CHECKING:
    from mpt.doctor.machine import Finding


def diagnose(
    gym: str = "mini",
    backbone: str = "mini",
    *,
    device: str | None = None,
    tracking_uri: str | None = None,
    fix: bool = False,
) -> Iterator[Finding]:
    """Check versions, stores, servers, clocks, Ray, disk, device, gym, backbone and outbox.

    Checks run as their findings are read, and nothing is written but what ``fix`` allows.

    Args:
        gym: ``mini``, or a folder of tasks.
        backbone: ``mini``, a Hub id or a folder.
        device, tracking_uri: see ``Compute``.
        fix: whether to correct, before the checks, the paths that MLflow's database holds of a
            home that was moved or copied since.

    Raises:
        InputError: there is no such device, or the tracking address cannot be used.

    Example::

        [finding.fix for finding in mpt.diagnose() if finding.state != "ok"]
    """
    # each of them imports what it checks
    from mpt.doctor.cluster import ray
    from mpt.doctor.machine import machine
    from mpt.doctor.stores import stores
    from mpt.tracking.moved_home import follow_move

    home = tracked_home(tracking_uri)
    known_device(device)
    if fix:
        follow_move(home.tracking_uri, home.artifacts)
    here = machine(home, gym, BackboneConfig(name=backbone), device)
    return chain(stores(home), [ray()], here)
