"""The GPU that Ray assigned is the one that is computed on, in every task of a process."""

from __future__ import annotations

import os

import pytest
import torch

from mpt.compute import worker
from mpt.compute.assigned_gpu import use_assigned_gpu

ray = pytest.importorskip("ray")


@pytest.fixture
def process(monkeypatch):
    """A process that has four GPUs; sets what Ray assigns, and tells which one is current."""
    current = {"gpu": 0}
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current["gpu"])
    monkeypatch.setattr(torch.cuda, "set_device", lambda gpu: current.update(gpu=gpu))
    # set, so that what it becomes is undone
    monkeypatch.setenv("RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES", "0")

    def assign(*ids):
        monkeypatch.setattr(ray, "get_gpu_ids", lambda: list(ids))
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(map(str, ids)))
        forgotten = []
        use_assigned_gpu(lambda: forgotten.append("worker"))
        return current["gpu"], len(forgotten)

    return assign


def test_another_gpu_is_changed_to_and_what_was_loaded_is_dropped(process):
    assert process(0) == (0, 0)
    assert process("2") == (2, 1)
    assert process(2) == (2, 0)
    assert process(1) == (1, 1)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert os.environ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("ids", [(), ("MIG-4f1",), (0, 1)], ids=["none", "a slice", "two"])
def test_what_is_no_single_whole_gpu_is_left_to_ray(process, ids):
    assert process(*ids) == (0, 0)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(map(str, ids))


def test_a_worker_that_is_forgotten_is_opened_anew(tmp_path):
    opened = [
        worker._opened("mini", "{}", tmp_path, "cpu", "auto", False)
        for forget in (False, False, True)
        if not forget or worker.forget_workers() is None
    ]
    assert opened[0] is opened[1]
    assert opened[2] is not opened[0]
