"""Lengths of time as people type them, and what they nearly typed."""

from __future__ import annotations

import pytest

from mpt.compute.duration import duration
from mpt.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("8h", 28800), ("90m", 5400), ("45s", 45), ("1h30m", 5400), ("1h1m1s", 3661)],
)
def test_a_time_is_read(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("8", "has no unit; give 8h, 8m or 8s"),
        ("8 hours", "did you mean '8h'?"),
        ("1h 30min", "did you mean '1h30m'?"),
        ("1 hour and 5 minutes", "did you mean '1h5m'?"),
        ("8H", "did you mean '8h'?"),
        ("1.5h", "did you mean '90m'?"),
        ("2 days", "did you mean '48h'?"),
        *((wrong, "give one such as 8h, 90m, 45s or 1h30m") for wrong in ("", "0", "0h", "-1h")),
        *((wrong, "give one such as") for wrong in ("soon", "30m1h", "1:30", "9" * 5000 + "d")),
    ],
)
def test_what_is_no_time_is_refused_with_what_was_meant(text, advice):
    with pytest.raises(ConfigError) as refused:
        duration(text)
    assert str(refused.value).startswith(f"a budget of {text!r} ")
    assert advice in str(refused.value)
