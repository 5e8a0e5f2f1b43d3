"""docs/python.md and docs/quickstart.ipynb are executed as they stand."""

from __future__ import annotations

import re

import pytest


@pytest.mark.slow
def test_the_examples_of_the_page_run(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPT_HOME", str(tmp_path / "home"))
    page = (repository / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert (tmp_path / "trials.svg").stat().st_size
    assert (tmp_path / "adapter" / "adapter_config.json").exists()


def test_the_table_names_every_call(repository):
    import mpt

    page = (repository / "docs" / "python.md").read_text(encoding="utf-8")
    calls = {name for name in mpt.__all__ if name[0].islower()}
    assert {name for name in calls if f"`{name}`" in page} == calls


@pytest.mark.slow
# the kernel's own sockets and event loop
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_notebook_runs(repository, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("MPT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(repository))
    book = nbformat.read(repository / "docs" / "quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(book, timeout=900, kernel_name="python3", resources=resources).execute()
    shown = [out for cell in book.cells for out in cell.get("outputs", ())]
    kinds = {kind for out in shown for kind in out.get("data", {})}
    assert {"text/html", "image/svg+xml"} <= kinds
