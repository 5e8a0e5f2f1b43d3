"""The gates are defined once, in the noxfile; constraints.txt pins what pyproject.toml allows."""

from __future__ import annotations

import ast
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOOLS = ("ruff", "pyright", "lint-imports", "mkdocs", "pytest", "pip-audit")


@pytest.fixture(scope="module")
def sessions(repository) -> dict[str, str]:
    """The sessions of the noxfile: name to the arguments of its decorator."""
    tree = ast.parse((repository / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.unparse(node.decorator_list[0]) for node in functions}


@pytest.fixture(scope="module")
def project(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_ci_runs_the_gates_and_calls_no_tool_itself(repository, sessions):
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line.split() for line in script.splitlines() if line.strip()]
    assert commands[-2:] == [
        ["[", "$#", "-gt", "0", "]", "||", "set", "--", "--tags", "gate"],
        ["nox", '"$@"'],
    ]
    assert not {*TOOLS} & {command[0] for command in commands}


def test_the_gates_are_all_sessions_but_those_that_write_or_repeat(sessions):
    gates = {name for name, decorator in sessions.items() if "tags=GATE" in decorator}
    # the fast tests are among all tests; `lowest` takes an environment and another resolver
    assert sessions.keys() - gates == {"fast", "nightly", "lowest", "constraints", "cli_page"}


def test_the_workflow_runs_what_ci_runs(repository):
    text = (repository / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["check"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]


def test_each_night_has_the_tests_that_ci_leaves_out(repository, sessions):
    text = (repository / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    # YAML reads the word `on` as true
    assert workflow[True]["schedule"]
    steps = workflow["jobs"]["check"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run --session nightly"]
    assert "nightly" in sessions


def test_hooks_run_sessions(repository, sessions):
    text = (repository / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = [hook for repo in yaml.safe_load(text)["repos"] for hook in repo["hooks"]]
    assert hooks
    for hook in hooks:
        assert hook["entry"] == f"nox --session {hook['id']}"
        assert hook["id"] in sessions


def pins(text: str) -> dict[str, list[Requirement]]:
    """Return the pins of a constraints file by package; markers may tell several apart."""
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
