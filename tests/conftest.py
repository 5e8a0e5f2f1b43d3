"""Fixtures that many rooms share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from machines import ENVIRONMENT, Cluster, cluster
from postgres import Postgres, find

if TYPE_CHECKING:
    from mpt.compute.ray_fleet import RayFleet

os.environ.update(ENVIRONMENT)
# proofs of models are kept for the time of the tests, and not among the user's own
PROOFS = tempfile.TemporaryDirectory(prefix="mpt-cache-")
os.environ["XDG_CACHE_HOME"] = PROOFS.name
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside a developer's checkout; skips where it is absent."""
    folder = Path(os.environ.get("MPT_SHARED", ROOT.parent / "shared"))
    if not (folder / "reference").is_dir():
        pytest.skip(f"reference material not found at {folder}; set MPT_SHARED to run this test")
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_left_where_tests_are_run() -> Iterator[None]:
    """MLflow makes a database in the working folder when it is not told of another place."""
    stray = Path("mlflow.db").absolute()
    yield
    assert not stray.exists(), "this test, or one before it, used MLflow's default store"


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
