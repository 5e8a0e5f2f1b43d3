"""The gates that every change passes, each defined here once.

    pip install -e '.[dev]'
    nox                      # the gates that take minutes; before a commit
    nox --session tests      # every test but those of the night
    nox --session nightly    # those
    nox --tags gate          # what CI runs
    nox --list               # what there is

A gate runs in the environment that nox was started from, so that nothing is installed twice. CI,
the hooks of pre-commit and a laptop start the same sessions.
"""

from __future__ import annotations

import os
import sys
import sysconfig

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "none"

GATE = ["gate"]
CORES = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
# A worker per core, each on one thread. The tests of a file stay together: they share fixtures
# that are expensive to make. In the order of their names, as files of few tests are the long ones.
SPREAD = ("-n", CORES, "--dist", "loadfile", "--no-loadscope-reorder")
PYTEST = ("pytest", *SPREAD, "--durations", "150")
# Tests start many processes: the first one of a module keeps it compiled for all the others.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
# Lines of mpt that fast tests run in the processes of pytest itself (see tests/conftest.py).
COVERAGE = ("--cov", "mpt", "--cov-report", "term:skip-covered")


@nox.session(tags=GATE)
def format(session: nox.Session) -> None:
    """Check the formatting of every file (`ruff format .` corrects it)."""
    session.run("ruff", "format", "--check", ".")


@nox.session(tags=GATE)
def lint(session: nox.Session) -> None:
    """Check the rules of ruff."""
    session.run("ruff", "check", ".")


@nox.session(tags=GATE)
def imports(session: nox.Session) -> None:
    """Check that imports only go down between rooms."""
    session.run("lint-imports")


@nox.session(tags=GATE)
def types(session: nox.Session) -> None:
    """Check the types with pyright."""
    session.run("pyright")


@nox.session(tags=GATE)
def docs(session: nox.Session) -> None:
    """Build the documentation; a broken link fails."""
    # not --quiet: what is not shown is not counted as a warning either
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
def fast(session: nox.Session) -> None:
    """Run the fast tests; arguments after `--` go to pytest."""
    session.run(*PYTEST, "-m", "not slow", *session.posargs, env=ENVIRONMENT)


@nox.session(tags=GATE, default=False)
def tests(session: nox.Session) -> None:
    """Run the tests and print the coverage of mpt; arguments after `--` go to pytest."""
    environment = dict(ENVIRONMENT)
    if sys.version_info >= (3, 12):
        # the interpreter's own monitoring, which costs next to nothing
        environment["COVERAGE_CORE"] = "sysmon"
    session.run(*PYTEST, *COVERAGE, *session.posargs, env=environment)


@nox.session(default=False)
def nightly(session: nox.Session) -> None:
    """Run what is too long for every change: more moments to be killed at, more of each kind."""
    session.run(*PYTEST, "-m", "nightly", *session.posargs, env=ENVIRONMENT)


@nox.session(tags=GATE, venv_backend="venv", default=False)
def audit(session: nox.Session) -> None:
    """Look the installed packages up in the databases of known vulnerabilities."""
    # in an environment of its own, or pip-audit would audit itself
    try:
        session.install("pip-audit>=2.10,<3")
    except nox.command.CommandFailed:
        session.skip("pip-audit cannot be installed: no package is audited")
    program = os.path.join(session.bin, "pip-audit")
    session.run("python", ".ci/audit.py", program, sysconfig.get_path("purelib"))


@nox.session(venv_backend="uv", default=False)
def lowest(session: nox.Session) -> None:
    """Run the fast tests with every direct dependency at its lower bound."""
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    session.run(*PYTEST, "-m", "not slow", *session.posargs, env=ENVIRONMENT)


@nox.session(default=False)
def constraints(session: nox.Session) -> None:
    """Write constraints.txt anew; `-- --upgrade` moves every pin to its newest release."""
    words = ["--universal", "--python-version", "3.11", "--all-extras", "--no-annotate"]
    words += ["--output-file", "constraints.txt", *session.posargs]
    session.run("uv", "pip", "compile", "pyproject.toml", *words)


@nox.session(default=False)
def cli_page(session: nox.Session) -> None:
    """Write docs/cli.md anew from the help of the commands."""
    words = ["mpt.commands.app", "utils", "docs", "--name", "mpt", "--output", "docs/cli.md"]
    session.run("typer", *words)
