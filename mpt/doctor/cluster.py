"""Checks of Ray for `mpt doctor`: whether it is installed, and whether the cluster answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from importlib.util import find_spec

from mpt.compute.ray_cluster import is_head
from mpt.doctor.machine import Finding
from mpt.store.home import Home

TIMEOUT = 3.0
"""Seconds that a head node may take to answer."""


def ray(environment: Mapping[str, str] = os.environ) -> Finding:
    """Check that the head node in ``RAY_ADDRESS`` accepts connections, without joining it."""
    address = environment.get("RAY_ADDRESS", "")
    if not address:
        return Finding("ray", "ok", "not used: RAY_ADDRESS names no cluster")
    shown = Home.shown(address)
    if find_spec("ray") is None:
        what = f"RAY_ADDRESS is {shown}, but Ray is not installed"
        return Finding("ray", "fail", what, "pip install -e '.[ray]'")
    if not is_head(address):
        fix = "give HOST:PORT as `ray start --head` prints it"
        what = f"RAY_ADDRESS is {shown!r}, which is not the address of a head node"
        return Finding("ray", "fail", what, fix)
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), TIMEOUT).close()
    except (OSError, OverflowError) as error:
        fix = "start it with `ray start --head`, or unset RAY_ADDRESS"
        return Finding("ray", "fail", f"no head node answers at {shown} ({error})", fix)
    return Finding("ray", "ok", f"a head node answers at {shown}")
