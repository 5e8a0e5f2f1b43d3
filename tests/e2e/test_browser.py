"""MLflow's pages as a user sees them: a headless Chromium opens the links that `mpt ui` prints.

Screenshots are kept in ``$MPT_SCREENSHOTS`` if that is set.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow_server import answers
from terminal import mpt, study_file

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian: apt install chromium)"),
]

PATIENCE = 120
"""Seconds that the server and the pages may take."""


@pytest.fixture(scope="module")
def links(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The links of `mpt ui` after a short sweep, while it serves."""
    folder = tmp_path_factory.mktemp("browser")
    space = {"inner_lr": {"low": 0.1, "high": 1.0}, "outer_lr": {"low": 0.1, "high": 1.0}}
    swept = mpt(
        "sweep",
        "--study",
        study_file(folder / "study.yaml", {"space": space}),
        home=folder / "home",
    )
    assert swept.code == 0, swept.err
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "ui.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "cli.py", "ui", "--port", str(port)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "MPT_HOME": str(folder / "home")},
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the pages are not served"
            time.sleep(0.3)
        text = log.read_text()
        assert "Deprecat" not in text
        yield dict(re.findall(r"^  (\w+): +(http\S+)$", text, re.MULTILINE))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1900, "height": 1100})
        page.set_default_timeout(PATIENCE * 1000)
        yield page
        browser.close()


def opened(page: Any, link: str, name: str, awaited: str) -> str:
    """The text of a page, once ``awaited`` is on it."""
    page.goto("about:blank")
    page.goto(link)
    # the pages never stop asking their server, so that no quiet can be waited for
    page.get_by_text(awaited).first.wait_for()
    page.wait_for_timeout(2000)
    if folder := os.environ.get("MPT_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
    return page.inner_text("body")


def test_the_first_link_shows_trials_by_arg_with_their_parameters(links, page):
    text = opened(page, links["trials"], "trials", "3 matching runs")
    assert "small: trials by ARG" in text
    assert "3 matching runs" in text
    for column in ("metrics.`arg`", "params.`inner.lr`", "params.`outer.lr`"):
        assert page.locator(f'[role=columnheader][col-id="{column}"]').count() == 1, column
    cells = page.locator('[role=gridcell][col-id="metrics.`arg`"]')
    shown = [float(value) for value in cells.all_inner_texts()]
    assert len(shown) == 3
    assert shown == sorted(shown, reverse=True)


def test_the_charts_compare_the_trials(links, page):
    text = opened(page, links["charts"], "charts", "trial vs. arg")
    assert "small: charts" in text
    assert "Parallel Coordinates" in text
    assert "trial vs. arg" in text
    assert page.locator("canvas, svg.main-svg").count() > 3


def test_the_best_trial_says_what_it_is(links, page):
    text = opened(page, links["best"], "best", "of study small")
    assert "of study small" in text
    assert "mpt.best" in text
    assert "glue-mrpc" in text
    assert "Datasets" in text
    assert "Model metrics" in text
