"""The number of threads is the same whatever runs beside, and stands in the record."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from mpt.engine.cpu import numerics

PROGRAM = """
import ctypes, json, torch
from mpt.engine.cpu import hold_threads
held = hold_threads()
dynamic = ctypes.CDLL(None).omp_get_dynamic()
print(json.dumps([held, torch.get_num_threads(), dynamic]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="OpenMP's library is found as on Linux")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_openmp_may_not_take_fewer_threads_while_the_machine_is_busy(repository, threads):
    environment = {**os.environ, "OMP_DYNAMIC": "true", "OMP_NUM_THREADS": threads}
    environment["PYTHONPATH"] = str(repository)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    held, now, dynamic = json.loads(done.stdout)
    assert held == now == int(threads)
    assert dynamic == 0


def test_the_record_says_what_bits_hang_on(monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    found = numerics(torch.device("cpu"))
    assert found == {
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "matmul": "highest",
        "settings": {"MKL_CBWR": "AVX2"},
    }
    json.dumps(found)
