"""`mpt bench meta`: MAML's gradient against those of higher, torch.func and TorchOpt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch

from mpt.backbone.batch import Batch, collate
from mpt.bench.func_peer import maml_by_func
from mpt.bench.rows import prompts, random_rows
from mpt.bench.shapes import BenchModel, make
from mpt.bench.stock import stock_loss
from mpt.bench.timing import Measure, alternate, compare
from mpt.bench.torchopt_peer import has_torchopt, maml_by_torchopt
from mpt.engine.cpu import give_back_free_memory
from mpt.methods.by_higher import maml_by_higher
from mpt.methods.inner import MetaGradient
from mpt.methods.maml import fomaml, maml, maml_by_recursion
from mpt.notation import Loss

TARGET, MICRO = 8, 2
Function = Callable[..., MetaGradient]
BY_PIECES = f"recursion by {MICRO} rows"
FUNCTIONS: dict[str, Function] = {
    "graph kept": maml,
    "recursion": maml_by_recursion,
    BY_PIECES: maml_by_recursion,
    "first order": fomaml,
    "higher": maml_by_higher,
    "torch.func": maml_by_func,
    "higher on mpt's forward": maml_by_higher,
    **({"TorchOpt": maml_by_torchopt} if has_torchopt() else {}),
}
PEERS = tuple(name for name in ("higher", "torch.func", "TorchOpt") if name in FUNCTIONS)
"""On the model's own loss, as users have it."""


def gradient(name: str, model: BenchModel, steps: int, rows: int) -> Callable[[], MetaGradient]:
    """Return a function that computes the meta-gradient of one episode.

    The episode has ``steps`` inner steps of ``rows`` rows.
    """
    function, micro = FUNCTIONS[name], MICRO if name == BY_PIECES else rows
    theta = prompts(model, 1)
    loss: Loss = (
        stock_loss(model, twice=True) if name in PEERS else model.ours.losses_twice_differentiable
    )
    if name == "first order":
        loss = model.ours.losses
    support = [_cut(model, rows, micro, "support", step) for step in range(steps)]
    query = _cut(model, rows, micro, "query")
    alpha = theta.new_full((1, 1, 1), 1e-2)
    return partial(function, theta, support, query, loss, alpha)


def meta(
    name: str, device: str, *, steps: Sequence[int], rows: int, pairs: int
) -> Iterator[Measure]:
    """Measure time, memory and agreement for every number of inner steps."""
    model = make(name, device)
    for count in steps:
        yield from _times(model, count, rows, pairs)
        yield from _memory(name, device, count, rows)


def _ours(rows: int) -> tuple[str, ...]:
    return ("graph kept", "recursion", *((BY_PIECES,) if rows > MICRO else ()))


def _times(model: BenchModel, steps: int, rows: int, pairs: int) -> Iterator[Measure]:
    theirs = gradient("higher", model, steps, rows)().direction
    names = (*PEERS, "higher on mpt's forward")
    peers = {peer: gradient(peer, model, steps, rows) for peer in names}
    for name in _ours(rows):
        ours = gradient(name, model, steps, rows)
        error = (ours().direction - theirs).norm() / theirs.norm()
        what = f"time, K={steps}, {name}"
        for measure in alternate(what, ours, peers, model.ours.device, pairs=pairs):
            yield replace(measure, note=f"gradients differ by {float(error):.0e}")


def _memory(name: str, device: str, steps: int, rows: int) -> Iterator[Measure]:
    peaks = {function: peak(function, name, device, steps, rows) for function in FUNCTIONS}
    for ours in _ours(rows):
        for peer in (*PEERS, "first order"):
            yield compare(f"memory, K={steps}, {ours}", peer, [peaks[ours]], [peaks[peer]], "MB")


def peak(function: str, name: str, device: str, steps: int, rows: int) -> float:
    """Measure the peak memory in MB above the loaded model, in a separate process."""
    command = [sys.executable, "-m", "mpt.bench.meta", function, name, device]
    command += [str(steps), str(rows)]
    # one thread, so that the allocator's arenas do not count
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return float(process.stdout.split()[-1])


def _measure_peak(function: str, name: str, device: str, steps: int, rows: int) -> float:
    model = make(name, device)
    gradient("first order", make("mini", device), 1, 1)()  # torch's one-time allocations
    work = gradient(function, model, steps, rows)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    give_back_free_memory()  # else the work would reuse memory that the warm-up left allocated
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")  # resets the kernel's peak, VmHWM
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1e3


def _status(key: str) -> float:
    """Read a value of ``/proc/self/status`` in kB."""
    with open("/proc/self/status") as lines:
        return next(float(line.split()[1]) for line in lines if line.startswith(key))


def _cut(model: BenchModel, rows: int, micro: int, *name: str | int) -> Batch | tuple[Batch, ...]:
    whole = collate([random_rows(model, rows, TARGET, *name)])
    if micro >= rows:
        return whole.to(model.ours.device)
    return tuple(piece.to(model.ours.device) for piece in whole.pieces(micro))


if __name__ == "__main__":
    print(_measure_peak(sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:6])))
