"""The allocator's settings: taken on glibc, and harmless."""

from __future__ import annotations

import sys

import pytest
import torch

from mpt.engine.cpu import keep_large_blocks


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_large_blocks_are_kept():
    assert keep_large_blocks()
    assert torch.ones(1 << 24).sum() == 1 << 24


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_large_blocks()
