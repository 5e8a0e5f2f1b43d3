"""Compute packs as tasks of a Ray cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from mpt.compute.assigned_gpu import use_assigned_gpu
from mpt.compute.fleet import Job, Result, Work
from mpt.compute.progress import OnStep
from mpt.compute.ray_cluster import GpuShare, places
from mpt.compute.worker import forget_workers
from mpt.errors import MptError

if TYPE_CHECKING:
    from ray import ObjectRef

Done = tuple[Any, int]
"""What a job returned for a pack, and the steps it took."""

RETRIES = 3
"""How often Ray restarts a pack that was lost with its machine or process."""
PATIENCE = 30.0
"""Seconds without a result after which the machines of the cluster are counted again."""
GRACE = 10.0
"""Seconds that packs have to write their checkpoints when they are cancelled."""


class RayFleet:
    """Compute each pack as a Ray task; a pack that is lost with its machine moves to another one.

    Results come back through Ray; prompts and checkpoints are in the home folder, which all
    machines of the cluster share.

    Args:
        share: what a pack takes of a machine of the cluster that was joined.
        warn: called with a message when the cluster has lost a machine.
    """

    def __init__(self, share: GpuShare, warn: Callable[[str], None]) -> None:
        import ray

        self._share, self._warn, self._seen = share, warn, 0
        # by default Ray ends a process that has a GPU after one task, and with it the loaded model
        options = {"num_cpus": 1, "num_gpus": share.gpus, "max_retries": RETRIES, "max_calls": 0}
        self._task = ray.remote(**options)(compute_pack)

    @property
    def slots(self) -> int:
        """Number of packs at the same time; changes with the machines of the cluster."""
        return max(1, self._look())

    def map(
        self, job: Job[Work, Result], packs: Iterable[Sequence[Work]], on_step: OnStep
    ) -> Iterator[Result]:
        """Yield results as ``Fleet.map``; a pack's steps are reported with its result.

        Raises:
            MptError: a pack was lost more than ``RETRIES`` times.
        """
        import ray

        # pickled here: Ray would hide what opening the worker on a machine raises
        pickled_job, remaining, running = pickle.dumps(job), iter(packs), set()
        try:
            while True:
                free = max(0, self.slots - len(running))
                running.update(
                    self._task.remote(pickled_job, pack) for pack in islice(remaining, free)
                )
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

    def _first(self, running: set[ObjectRef[Done]]) -> ObjectRef[Done]:
        """Wait for the next task to complete and return it."""
        import ray

        while True:
            done, _ = ray.wait(list(running), num_returns=1, timeout=PATIENCE)
            if done:
                return done[0]
            self._look()

    def _look(self) -> int:
        """Count the places for packs in the cluster; warn when they have become fewer."""
        available = places(self._share)
        if available < self._seen:
            until = "" if available else " as soon as there is a machine"
            self._warn(
                f"the Ray cluster has lost a machine: room for {available} packs at a time, after "
                f"{self._seen}; what it was computing is computed again{until}"
            )
        self._seen = available
        return available


def compute_pack(pickled_job: bytes, pack: Sequence[object]) -> Done:
    """Compute a pack on a machine of the cluster; return its result and the steps it took."""
    steps: list[int] = []
    use_assigned_gpu(forget_workers)
    # the bytes come from the driver through Ray, which sends nothing but pickles anyway
    result = pickle.loads(pickled_job)(pack, steps.append)  # noqa: S301
    return result, sum(steps)


def _get(done: ObjectRef[Done]) -> Done:
    """Return a task's result. Raises the error of its job, or ``MptError`` for a lost pack."""
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
            f"a pack was lost {RETRIES + 1} times on the Ray cluster ({cause})",
            fix=f"{advice}",
        ) from None
