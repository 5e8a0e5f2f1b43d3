"""Fixtures that many rooms share."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from machines import ENVIRONMENT, Cluster, cluster
from postgres import Postgres, find
from sqlalchemy import Engine, event

if TYPE_CHECKING:
    from mpt.compute.ray_fleet import RayFleet

os.environ.update(ENVIRONMENT)
# proofs of models are kept for the time of the tests, and not among the user's own
PROOFS = tempfile.TemporaryDirectory(prefix="mpt-cache-")
os.environ["XDG_CACHE_HOME"] = PROOFS.name
with suppress(ImportError):  # a machine with a GPU may lack it
    from hypothesis import settings

    # the same examples each time, and no limit of time for one: the machine may be busy
    settings.register_profile("mpt", derandomize=True, database=None, deadline=None)
    settings.load_profile("mpt")
ROOT = Path(__file__).resolve().parent.parent
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # so a shell starts what it runs in the background; tests interrupt themselves
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count nightly tests as slow, and leave slow ones out of the coverage: before Python 3.12 it
    takes half as long again."""
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """Keep libraries and tests out of every later garbage collection: they stay to the end, and a
    `gc.collect()`, of which each fine-tuning does one, would walk them all."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside a developer's checkout; skips where it is absent."""
    folder = Path(os.environ.get("MPT_SHARED", ROOT.parent / "shared"))
    if not (folder / "reference").is_dir():
        pytest.skip(f"reference material not found at {folder}; set MPT_SHARED to run this test")
    return folder


@pytest.fixture(scope="session")
def ghost_cuda(shared) -> ModuleType:
    """The module of a GPU that is not there; skips where it is absent."""
    from ghosts import ghost_cuda

    return ghost_cuda(shared)


@pytest.fixture(autouse=True)
def _nothing_is_left_where_tests_are_run() -> Iterator[None]:
    """MLflow makes a database in the working folder when it is not told of another place."""
    stray = Path("mlflow.db").absolute()
    yield
    assert not stray.exists(), "this test, or one before it, used MLflow's default store"


@pytest.fixture(scope="session", autouse=True)
def _no_commit_waits_for_the_disk() -> None:
    """A commit that does takes 10 ms, and guards against a power cut: no test has one."""

    def hurry(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            # of a file that is no database, whoever asks it something is told
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA synchronous=OFF").close()

    event.listen(Engine, "connect", hurry)


@pytest.fixture(scope="session", autouse=True)
def make_mlflow_database(tmp_path_factory) -> Iterator[Callable[[str], None]]:
    """What makes MLflow's database. Its tables take most of a second, so that a test process has
    them made once, and copies that file for every other home."""
    from mpt.files.atomic import made_beside
    from mpt.store.address import sqlite_file, sqlite_url
    from mpt.tracking import client

    first = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    make = client._make_whole

    def copy(uri: str) -> None:
        file = sqlite_file(uri)
        if file is None or file.exists():
            return
        if not first.exists():
            make(sqlite_url(first))
        with made_beside(file) as new:
            shutil.copyfile(first, new)

    with patch.object(client, "_make_whole", copy):
        yield make


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test process; skips, with the reason, where it cannot run."""
    # not pytest's folder: PostgreSQL runs as another user, who may not enter that one
    folder = Path(tempfile.mkdtemp(prefix="mpt-postgres-"))
    try:
        server = find(folder)
        server.initialise()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A Ray cluster of this test process with one machine, its head; skips where Ray is absent."""
    if find_spec("ray") is None:
        pytest.skip("needs Ray: pip install -e '.[ray]'")
    with cluster() as found:
        yield found


@pytest.fixture(scope="module")
def ray_fleet(ray_cluster) -> Iterator[RayFleet]:
    """A fleet on that cluster."""
    from mpt.compute.ray_cluster import joined, share
    from mpt.compute.ray_fleet import RayFleet

    with joined(ray_cluster.address):
        yield RayFleet(share(None, None), print)
