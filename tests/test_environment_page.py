"""The page on environment variables names every one that mpt reads."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_variable_of_mpt_stands_on_the_page():
    page = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    sources = (file.read_text(encoding="utf-8") for file in (ROOT / "mpt").rglob("*.py"))
    read = {name for text in sources for name in re.findall(r'"(MPT_[A-Z_]+)"', text)}
    assert {"MPT_HOME", "MPT_TRACKING_URI"} <= read
    assert read == set(re.findall(r"\| `(MPT_[A-Z_]+)`", page))
