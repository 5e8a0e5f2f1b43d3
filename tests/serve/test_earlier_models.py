"""Prompts that an earlier version registered are still answered with."""

from __future__ import annotations

import mpt.serve.predict


def test_a_model_registered_by_version_0_1_finds_what_it_imports() -> None:
    assert mpt.serve.predict.predict is mpt.serve.predict.predict
