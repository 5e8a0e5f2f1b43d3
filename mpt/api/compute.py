"""Where a call computes, how, and who hears of it: keywords that many calls share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from mpt.api.progress import Listener
    from mpt.compute.stopping import Stopping


class Compute(TypedDict, total=False):
    """Keywords of every call that computes; all may be left out.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``; by default CUDA where there is one.
        meta_engine: how MAML's gradient is computed: ``auto``, ``graph``, ``recursion`` or
            ``higher``; all are exact.
        tracking_uri: an MLflow server or database; by default a local store in the home folder.
        budget: a time after which work ends cleanly, such as ``"8h"``; the same call continues it.
            Or a ``Stopping``, which the caller can ask afterwards why work ended.
        ray: a Ray cluster: ``auto``, ``local`` or ``HOST:PORT``; by default this process computes.
        gpus_per_pack: GPUs that a pack takes on Ray.
        progress: who hears how far it is; by default lines on standard error.
    """

    device: str | None
    meta_engine: str
    tracking_uri: str | None
    budget: str | Stopping | None
    ray: str | None
    gpus_per_pack: float | None
    progress: Listener | None
