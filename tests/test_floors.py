"""The drawing of the house stays true: imports only go down, heavy friends have one door each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "mpt"
FLOORS = [
    "errors seeding notation foreign reading storage table schema",
    "config scores intervals paired subspace convergence results methods gym",
    "backbone",
    "engine",
    "lab bench",
    "report",
    "commands",
]
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms.split()}
DOORS = {
    "transformers": {"backbone/hub.py", "bench/peft_peer.py"},
    "optuna": {
        *("lab/search.py", "lab/studies_store.py"),
        *("lab/samplers.py", "lab/seen.py", "lab/pruners.py", "lab/importance.py"),
    },
    "mlflow": {"lab/tracking.py", "lab/delivery.py", "lab/mlflow_client.py", "lab/pyfunc_model.py"},
    "sqlalchemy": {
        *("lab/ledger.py", "lab/tables.py", "lab/database.py", "lab/lease.py"),
        "lab/address.py",
    },
    "ray": {"lab/ray_cluster.py", "lab/ray_fleet.py"},
    "peft": {"bench/peft_peer.py"},
    "higher": {"methods/by_higher.py"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, early or late."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    """The room of a file: the folder under mpt/, or the file itself on the ground floors."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_go_down(path):
    here = room(path)
    if here == "__init__":
        return
    assert here in HEIGHT, f"{path} stands in no room of the house"
    for name in imports(path):
        if name.startswith("mpt."):
            used = name.split(".")[1]
            if used == "__version__":
                continue
            assert used == here or HEIGHT[used] <= HEIGHT[here], (
                f"{path} climbs from {here} to {used}"
            )


@pytest.mark.parametrize("friend", DOORS)
def test_heavy_friends_have_their_doors(friend):
    users = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(name.split(".")[0] == friend for name in imports(path))
    }
    assert users <= DOORS[friend]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_public_thing_is_documented(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"
    public = (ast.FunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, public) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}: {node.name} has no docstring"
