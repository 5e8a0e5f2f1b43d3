"""The gates are defined once, in the noxfile; constraints.txt pins what pyproject.toml allows."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOOLS = ("ruff", "pyright", "lint-imports", "mkdocs", "pytest", "pip-audit")


@pytest.fixture(scope="module")
def sessions(repository) -> set[str]:
    """Names of the sessions of the noxfile."""
    tree = ast.parse((repository / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if "nox.session" in ast.unparse(node.decorator_list[0])}


@pytest.fixture(scope="module")
def project(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_ci_runs_every_gate_and_calls_no_tool_itself(repository, sessions):
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    (line,) = re.findall(r"^nox --session (.*)$", script, flags=re.MULTILINE)
    # the fast tests are among all tests; the others are no gates
    assert set(line.split()) == sessions - {"fast", "lowest", "constraints"}
    commands = [text.split()[0] for text in script.splitlines() if text.strip()]
    assert not {*TOOLS} & {*commands}


def test_the_workflow_runs_what_ci_runs(repository):
    text = (repository / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["check"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]


def test_hooks_run_sessions(repository, sessions):
    text = (repository / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = [hook for repo in yaml.safe_load(text)["repos"] for hook in repo["hooks"]]
    assert hooks
    for hook in hooks:
        assert hook["entry"] == f"nox --session {hook['id']}"
        assert hook["id"] in sessions


def pins(text: str) -> dict[str, list[Requirement]]:
    """Pins of a constraints file by package; a package has several where markers tell them apart."""
    pinned: dict[str, list[Requirement]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pinned


def test_constraints_pin_one_allowed_version_of_every_dependency(repository, project):
    pinned = pins((repository / "constraints.txt").read_text(encoding="utf-8"))
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(text for extra in extras for text in extra)]
    for requirement in map(Requirement, wanted):
        if requirement.name == project["name"]:
            continue
        for pin in pinned[canonicalize_name(requirement.name)]:
            (version,) = (specifier.version for specifier in pin.specifier)
            assert requirement.specifier.contains(version), f"{requirement} against {pin}"


def test_constraints_say_by_which_command_they_were_made(repository):
    head = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()[1]
    noxfile = (repository / "noxfile.py").read_text(encoding="utf-8")
    for word in head.removeprefix("#").split():
        assert word in ("uv", "pip", "--upgrade") or f'"{word}"' in noxfile, word
