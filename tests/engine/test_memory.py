"""Plans from probes, and backoff when memory runs out all the same."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
import torch
from tiny import TINY
from tiny_jobs import cells, meta

from mpt.backbone.batch import collate
from mpt.engine import plan as planning
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.footprint import Footprint, Line, footprint
from mpt.engine.learn import MetaTrained, learn
from mpt.engine.memory import BackOff, is_out_of_memory
from mpt.engine.plan import cells_that_fit, known_engine, plan_step, runs_that_fit
from mpt.engine.tune import Tuned, tune
from mpt.errors import OutOfMemory, UnknownName
from mpt.gym.episodes import training_rows
from mpt.gym.tokens import TokenRow
from mpt.methods import engine_names, method
from mpt.methods.inner import slope


class Narrow:
    """A backbone with room for so many rows, whichever allocator tells."""

    def __init__(self, backbone, rows, error=None):
        self.backbone, self.rows, self.refused = backbone, rows, 0
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def __getattr__(self, name):
        found = getattr(self.backbone, name)
        if name not in (
            "losses",
            "losses_twice_differentiable",
            "teacher_forced_argmax",
            "generate",
        ):
            return found

        def narrow(theta, batch, *rest):
            if len(batch) > self.rows:
                self.refused += 1
                raise self.error
            return found(theta, batch, *rest)

        return narrow


@pytest.mark.parametrize("method", ["maml", "fomaml", "reptile", "mtl"])
def test_a_meta_training_short_of_memory_ends_as_if_it_were_not(tmp_path, method):
    backbone = TINY["llama"]()
    narrow = Narrow(backbone, 2)  # fewer than the probe takes
    jobs = [meta(backbone, method), meta(backbone, method, lr=0.02)]
    plenty = learn(jobs, backbone, checkpoints=Checkpoints(tmp_path / "plenty"))
    scarce = learn(jobs, narrow, checkpoints=Checkpoints(tmp_path / "scarce"))
    assert narrow.refused
    for one, other in zip(plenty, scarce, strict=True):
        assert isinstance(one, MetaTrained)
        assert isinstance(other, MetaTrained)
        torch.testing.assert_close(other.prompt, one.prompt, rtol=0, atol=1e-7)
        assert other.plan is not None
        assert other.plan.rows <= 2, "what is recorded is what was done"


def test_cells_short_of_memory_end_as_if_they_were_not():
    backbone = TINY["t5"](spread=1.0)
    narrow = Narrow(backbone, 4, RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    for one, other in zip(
        tune(cells(backbone), backbone), tune(cells(backbone), narrow), strict=True
    ):
        assert isinstance(one, Tuned)
        assert isinstance(other, Tuned)
        torch.testing.assert_close(other.prompt, one.prompt, rtol=0, atol=1e-9)
        assert (other.dev, other.test) == (one.dev, one.test)
    assert narrow.refused > 2, "steps and evaluations were refused at first"


def test_a_row_that_does_not_fit_is_told_with_advice():
    backoff = BackOff(8, 3, torch.device("cpu"))
    tried = []

    def never(rows):
        tried.append(rows)
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory\nmore")

    with pytest.raises(OutOfMemory, match=r"on cpu with 3 runs in a pack, .* give a smaller pack"):
        backoff.run(never)
    assert tried == [8, 4, 2, 1]


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."),
    MemoryError(),
    MemoryError("std::bad_alloc"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    *map(
        RuntimeError,
        (
            "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 800 bytes. Error code 12 (Cannot allocate memory)",
            "[enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: not enough memory: you tried",
            "std::bad_alloc",
            "CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
            "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
            "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
            "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
            "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate`",
            "cuFFT error: CUFFT_ALLOC_FAILED",
            "NCCL error in: ProcessGroupNCCL.cpp:2395, unhandled cuda error 'out of memory'",
            "HIP out of memory. Tried to allocate 20.00 MiB",
            "HIP error: hipErrorOutOfMemory",
            "CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
            "MIOpen Error: miopenStatusAllocFailed",
            "MPS backend out of memory (MPS allocated: 9.0 GB)",
            "XPU out of memory. Tried to allocate 2 GiB",
        ),
    ),
]
OTHER = [
    OSError(errno.ENOSPC, "No space left on device"),
    ValueError("this text is about being out of memory"),
    *map(
        RuntimeError,
        (
            "expected scalar type Float",
            "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(handle)`",
            "CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasGemmEx`",
            "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx`",
            "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a "
            "non-contiguous input.",
            "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
            "CUDA error: an illegal memory access was encountered",
            "CUDA error: device-side assert triggered",
            "CUDA error: misaligned address",
            "NCCL error: unhandled system error",
            "Unable to find a valid cuDNN algorithm to run convolution",
        ),
    ),
]


def named(error: BaseException) -> str:
    return f"{type(error).__name__} {str(error)[:60]}"


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=named)
def test_what_allocators_say_is_a_lack_of_memory(error):
    assert is_out_of_memory(error)
    tried = []

    def roomy(rows):
        tried.append(rows)
        if rows > 2:
            raise error
        return rows

    backoff = BackOff(8, 1, torch.device("cpu"))
    assert backoff.run(roomy) == 2
    assert (tried, backoff.halvings) == ([8, 4, 2], 2)

    def never(rows):
        raise error

    with pytest.raises(OutOfMemory, match=r"out of memory on cpu .*give a smaller pack"):
        BackOff(1, 1, torch.device("cpu")).run(never)


@pytest.mark.parametrize("error", OTHER, ids=named)
def test_other_errors_are_not_taken_for_a_lack_of_memory(error):
    assert not is_out_of_memory(error)
    tried = []

    def broken(rows):
        tried.append(rows)
        raise error

    with pytest.raises(type(error)) as raised:
        BackOff(8, 1, torch.device("cpu")).run(broken)
    assert raised.value is error
    assert tried == [8], "fewer rows would only hide it"


def test_a_product_of_two_types_is_no_lack_of_memory():
    with pytest.raises(RuntimeError, match="same dtype"):
        BackOff(8, 1, torch.device("cpu")).run(lambda rows: torch.ones(2) @ torch.ones(2).double())


def rows_of(backbone, count):
    ids, (target,) = backbone.encode(["the cat"] * count, 12), backbone.encode(["yes"], 4, "target")
    return [TokenRow(i, target) for i in ids]


@pytest.mark.parametrize("kind", TINY)
def test_a_probe_of_few_rows_foretells_what_many_hold(kind):
    """Bytes saved for the backward pass, counted for a batch and foretold from two probes."""
    backbone = TINY[kind]()
    theta = backbone.vocabulary_prompt(3, "x")[None]
    batch = collate([rows_of(backbone, 24)])
    found = footprint(backbone, theta, batch, twice=False).peak
    held = {}

    def keep(saved):
        if not isinstance(saved, torch.nn.Parameter):
            held[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        slope(theta.requires_grad_(), batch, backbone.losses)
    assert found.of(24) == pytest.approx(sum(held.values()), rel=0.15)
    assert found.row > 0
    assert found.rows(found.of(10) + 1) == 10


@pytest.mark.parametrize(
    ("free", "asked", "engine", "rows"),
    [
        (1e12, "auto", "graph", 8),
        (1.0, "auto", "recursion", 1),
        (1e12, "recursion", "recursion", 8),
        (1.0, "higher", "higher", 8),
        (1.0, "graph", "graph", 8),
    ],
)
def test_the_graph_is_kept_where_it_fits(monkeypatch, free, asked, engine, rows):
    backbone = TINY["t5"]()
    monkeypatch.setattr(planning, "free_memory", lambda device: free)
    theta = backbone.vocabulary_prompt(3, "x")[None]
    batches = [collate([rows_of(backbone, 8)])] * 3
    found = plan_step(backbone, theta, batches, engine=asked, known=method("maml"))
    assert (found.engine, found.rows) == (engine, rows)
    assert " of " in found.why


def test_engines_are_named_with_near_misses():
    assert all(known_engine(name, ["maml"]) == name for name in engine_names())
    with pytest.raises(UnknownName, match="unknown meta engine 'recusion' - did you mean"):
        known_engine("recusion", ["maml"])


@pytest.mark.parametrize("engine", ["recursion", "higher"])
def test_every_engine_learns_the_same_prompt_and_is_recorded(tmp_path, engine):
    backbone = TINY["llama"]()
    ours, theirs = Checkpoints(tmp_path / "ours"), Checkpoints(tmp_path / "theirs")
    (kept,) = learn([meta(backbone)], backbone, checkpoints=ours)
    (other,) = learn([meta(backbone)], backbone, checkpoints=theirs, engine=engine)
    assert isinstance(kept, MetaTrained)
    assert isinstance(other, MetaTrained)
    assert kept.plan is not None
    assert other.plan is not None
    assert (kept.plan.engine, other.plan.engine) == ("graph", engine)
    torch.testing.assert_close(other.prompt, kept.prompt, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("cells_of_room", "fit"), [(0.5, 1), (7.5, 7), (1e6, 16)])
def test_packs_of_cells_fill_the_room_there_is(monkeypatch, cells_of_room, fit):
    backbone = TINY["t5"]()
    (job, _) = cells(backbone)
    batch = collate([training_rows(job.split.train, 4, 0, *job.stream)] * 2)
    batch = replace(batch, is_padded=True)
    need = footprint(backbone, job.start.expand(2, -1, -1), batch, twice=False).peak
    monkeypatch.setattr(planning, "free_memory", lambda device: need.of(4 * cells_of_room))
    assert cells_that_fit(job, backbone) == fit


@pytest.mark.parametrize("name", ["maml", "fomaml", "reptile", "mtl", "metasgd"])
@pytest.mark.parametrize(("runs_of_room", "fit"), [(0.5, 1), (3.5, 3), (1e6, 4)])
def test_packs_of_meta_trainings_fill_the_room_there_is(monkeypatch, name, runs_of_room, fit):
    backbone, job = TINY["t5"](), meta(TINY["t5"](), name)
    # two episodes, each of two inner batches of 4 rows and a query of 4; the graph keeps them all
    known, rows = method(name), 2 * 4
    engine = "graph" if known.engines else "auto"
    batches = 3 if engine == "graph" else 1
    probes = []

    def counted(backbone, theta, batch, *, twice, through=None):
        probes.append((len(theta), len(batch), twice))
        return Footprint(Line(0, 1), Line(0, 1))

    monkeypatch.setattr(planning, "footprint", counted)
    monkeypatch.setattr(planning, "free_memory", lambda device: runs_of_room * batches * rows)
    assert runs_that_fit(job, backbone, engine) == fit
    assert set(probes) == {(4, 2 * rows, known.order == 2)}, "those of two runs"
