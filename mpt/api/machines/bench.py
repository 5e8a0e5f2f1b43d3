"""Speed and memory beside what a user would otherwise write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from mpt.engine.device import known_device

if TYPE_CHECKING:
    from mpt.bench.timing import Measure

Benchmark = Literal["meta", "pack", "eval", "steps"]
"""``meta``: exact MAML against ``higher``, ``torch.func`` and, where it is installed, TorchOpt.
``pack``: packed runs against PEFT, one run after the other, and ``torch.func``. ``eval``:
teacher-forced scoring against generating every answer. ``steps``: outer steps of the methods beside
those in the log of the paper's authors.
"""


def benchmark(
    what: Benchmark,
    backbone: str = "t5-256",
    *,
    device: str | None = None,
    pairs: int = 5,
    steps: Sequence[int] = (),
    rows: int = 8,
    runs: int = 4,
    targets: Sequence[int] = (3, 16),
    bf16: bool = False,
) -> Iterator[Measure]:
    """Compare speed and memory with other code, both by turns in this process.

    Args:
        what: see ``Benchmark``.
        backbone: ``mini``, or the name of a common shape with random weights.
        device: see ``Compute``.
        pairs: of measurements per ratio.
        steps: of ``meta``, inner steps, by default 1, 2, 5 and 10; of ``pack``, updates, 6.
        rows: of a batch of ``meta``.
        runs: of a pack of ``pack``.
        targets: lengths of answers of ``eval``.
        bf16: weights in bfloat16, of ``pack``.

    Raises:
        InputError: there is no such device.
        UnknownName: there is no such backbone.
    """
    import warnings

    from mpt.bench.evaluation import evaluation
    from mpt.bench.meta import meta
    from mpt.bench.outer_steps import outer_steps
    from mpt.bench.pack import pack
    from mpt.engine.cpu import keep_large_blocks

    place = measured_on(device)
    warnings.filterwarnings("ignore")  # the peers'
    keep_large_blocks()  # for the peers too
    match what:
        case "meta":
            inner = list(steps) or [1, 2, 5, 10]
            return iter(meta(backbone, place, steps=inner, rows=rows, pairs=pairs))
        case "steps":
            return iter(outer_steps(backbone, place, pairs=pairs))
        case "pack":
            updates = steps[0] if steps else 6
            return iter(pack(backbone, place, runs=runs, steps=updates, pairs=pairs, bf16=bf16))
        case "eval":
            return iter(evaluation(backbone, place, targets=list(targets), pairs=pairs))


def measured_on(device: str | None) -> str:
    """Return the device that is measured: the given one, else CUDA where there is one."""
    import torch

    return known_device(device) or ("cuda" if torch.cuda.is_available() else "cpu")


def machine_of(device: str | None) -> str:
    """Describe what is measured: processor or GPU, threads, and versions."""
    import platform
    from importlib.metadata import version

    import torch

    place = measured_on(device)
    name = torch.cuda.get_device_name(place) if place.startswith("cuda") else platform.machine()
    threads = f"{torch.get_num_threads()} threads"
    return f"{name}, {threads}, torch {torch.__version__}, transformers {version('transformers')}"
