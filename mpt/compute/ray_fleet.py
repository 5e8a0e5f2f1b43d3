"""Packs as tasks of a Ray cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from mpt.compute.fleet import Job, Result, Work
from mpt.compute.progress import OnStep
from mpt.compute.ray_cluster import Share, places
from mpt.errors import MptError

RETRIES = 3
"""How often Ray starts a pack anew that was lost with its machine or process."""
PATIENCE = 30.0
"""Seconds without a result after which it is looked which machines are left."""
GRACE = 10.0
"""Seconds that packs have to write their checkpoints when they are called off."""


class RayFleet:
    """A pack is a Ray task; one that was lost with its machine is computed on another one.

    Results come back through Ray; prompts and checkpoints lie in the home folder, which all
    machines of the cluster share.

    Args:
        share: what a pack takes of a machine of the cluster that was joined.
        warn: told when packs wait for a machine.
    """

    def __init__(self, share: Share, warn: Callable[[str], None]) -> None:
        import ray

        self._share, self._warn, self._seen = share, warn, 0
        self._task = ray.remote(num_cpus=1, num_gpus=share.gpus, max_retries=RETRIES)(compute_pack)

    @property
    def slots(self) -> int:
        """See ``Fleet.slots``; it changes with the machines of the cluster."""
        return max(1, self._look())

    def map(
        self, job: Job[Work, Result], packs: Iterable[Sequence[Work]], on_step: OnStep
    ) -> Iterator[Result]:
        """See ``Fleet.map``; steps are told when a pack is back.

        Raises:
            MptError: a pack was lost more than ``RETRIES`` times.
        """
        import ray

        # not left to Ray, which would hide what opening the worker on a machine raises
        sent, left, running = pickle.dumps(job), iter(packs), set()
        try:
            while True:
                free = max(0, self.slots - len(running))
                running.update(self._task.remote(sent, pack) for pack in islice(left, free))
                if not running:
                    return
                done = self._first(running)
                running.remove(done)
                result, steps = _get(done)
                on_step(steps)
                yield result
        finally:
            if running and ray.is_initialized():
                for pack in running:
                    ray.cancel(pack)
                ray.wait(list(running), num_returns=len(running), timeout=GRACE)

    def _first(self, running: set[Any]) -> Any:
        """The next one to be finished."""
        import ray

        while True:
            done, _ = ray.wait(list(running), num_returns=1, timeout=PATIENCE)
            if done:
                return done[0]
            self._look()

    def _look(self) -> int:
        """Places for packs in the cluster; it is told when they become fewer."""
        now = places(self._share)
        if now < self._seen:
            until = "" if now else "; waiting for a machine"
            self._warn(
                f"the Ray cluster has lost a machine: room for {now} packs at a time, after "
                f"{self._seen}; what it held is computed again{until}"
            )
        self._seen = now
        return now


def compute_pack(sent: bytes, pack: Sequence[Any]) -> tuple[Any, int]:
    """On a machine of the cluster: a pack's result, and the steps that it took."""
    steps: list[int] = []
    # made by the driver and brought by Ray, which itself sends nothing but pickles
    result = pickle.loads(sent)(pack, steps.append)  # noqa: S301
    return result, sum(steps)


def _get(done: Any) -> tuple[Any, int]:
    """What came back, or the error of the job as it was raised."""
    import ray
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

    try:
        return ray.get(done)
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        advice = "see Ray's logs under /tmp/ray/session_latest/logs"
        if isinstance(error, OutOfMemoryError):
            advice = "its machine has too little memory: give a smaller pack"
        cause = str(error).strip().partition("\n")[0]
        raise MptError(
            f"a pack was lost {RETRIES + 1} times on the Ray cluster ({cause}); {advice}"
        ) from None
