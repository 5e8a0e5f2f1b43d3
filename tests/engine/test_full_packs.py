"""Passes that fill a device, and that remember what was too much for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ghosts import GHOST, haunted
from tiny import TINY
from tiny_jobs import cells

from mpt.backbone.batch import collate
from mpt.backbone.seq2seq import ALIGNED
from mpt.doctor.machine import gpu_memory
from mpt.engine.evaluate import answer
from mpt.gym.tokens import TokenRow


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_prompt_and_input_are_aligned_on_a_gpu_and_losses_stay(
    ghost_cuda, monkeypatch, kind, position
):
    def losses(backbone):
        ids, (target,) = (
            backbone.encode(["the cat", "the good dog ran", "a"], 12),
            backbone.encode(["yes"], 4, "target"),
        )
        batch = collate([[TokenRow(row, target) for row in ids]])
        theta, encode, widths = (
            backbone.vocabulary_prompt(5, "x")[None].float(),
            backbone._encode,
            [],
        )

        def noted(*given):
            states, mask = encode(*given)
            assert states.shape[1] == mask.shape[1]
            widths.append(states.shape[1])
            return states, mask

        monkeypatch.setattr(backbone, "_encode", noted)
        return backbone.losses(theta, batch.to(backbone.device)).cpu(), widths

    options: dict[str, Any] = {"place": position, **({"spread": 1.0} if kind == "t5" else {})}
    expected, as_it_is = losses(TINY[kind](0, torch.bfloat16, **options))
    with ghost_cuda.Ghost():
        losses_there, aligned = losses(haunted(kind, torch.bfloat16, **options))
    assert as_it_is[0] % ALIGNED != 0
    assert aligned == [-(-as_it_is[0] // ALIGNED) * ALIGNED]
    torch.testing.assert_close(losses_there, expected, rtol=0.05, atol=0)


class Small:
    """A backbone with room for so many rows, which counts the passes that had too many."""

    def __init__(self, backbone, rows):
        self.backbone, self.rows, self.refused = backbone, rows, 0

    def __getattr__(self, name):
        return getattr(self.backbone, name)

    def teacher_forced_argmax(self, theta, batch):
        if len(batch) > self.rows:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return self.backbone.teacher_forced_argmax(theta, batch)


def test_evaluation_remembers_what_was_too_much():
    backbone = TINY["t5"](spread=1.0)
    small, (job, _) = Small(backbone, 2), cells(backbone)
    rows = [[example.row() for example in job.split.test]]
    expected = answer(backbone, job.start[None], rows, limit=4)
    assert answer(small, job.start[None], rows, limit=4) == expected
    assert small.refused == 2, "six rows, three rows"
    assert answer(small, job.start[None], rows, limit=4) == expected
    assert small.refused == 2


@pytest.mark.parametrize("variable", ["PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"])
def test_doctor_advises_an_allocator_whose_segments_grow(ghost_cuda, monkeypatch, variable):
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    assert not list(gpu_memory("cpu"))
    with ghost_cuda.Ghost(capacity=80 * 2**30):
        (finding,) = gpu_memory(str(GHOST))
        assert finding.state == "warn"
        assert "80 of 80 GiB free, bf16" in finding.what
        assert finding.fix == "export PYTORCH_ALLOC_CONF=expandable_segments:True"
        monkeypatch.setenv(variable, "expandable_segments:True")
        (finding,) = gpu_memory(None)
        assert finding.state == "ok"
