"""What CI says of an audit of the packages that are installed, from what pip-audit writes."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest

GONE = "Dependency not found on PyPI and could not be audited: {} (1.0)"


@pytest.fixture(scope="module")
def audit(repository):
    spec = spec_from_file_location("audit", repository / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_sound_packages_pass(audit):
    out = written({"name": "a", "version": "1.0", "vulns": []})
    said = ["audit: 1 packages audited, 0 vulnerabilities"]
    assert audit.verdict(out, "No known vulnerabilities found") == (said, 0)


def test_what_an_index_does_not_know_is_counted_and_ends_nothing(audit):
    out = written(
        {"name": "a", "version": "1.0", "vulns": []},
        {"name": "b", "skip_reason": GONE.format("b")},
        {"name": "c", "skip_reason": GONE.format("c")},
        {"name": "mpt", "skip_reason": audit.EDITABLE},
    )
    (line,), code = audit.verdict(out, "")
    assert code == 0
    assert line == (
        "audit: 1 packages audited, 0 vulnerabilities; "
        "2 left out (Dependency not found on PyPI and could not be audited)"
    )


def test_a_vulnerability_fails_and_is_told_with_its_cure(audit):
    flaw = {"id": "PYSEC-1", "aliases": ["CVE-2"], "fix_versions": ["1.1"], "description": "x"}
    bare = {"id": "GHSA-3", "fix_versions": []}
    out = written(
        {"name": "a", "version": "1.0", "vulns": [flaw, bare]},
        {"name": "b", "skip_reason": GONE.format("b")},
    )
    lines, code = audit.verdict(out, "Found 2 known vulnerabilities in 1 package")
    assert code == 1
    assert lines[:2] == [
        "audit: a 1.0 is vulnerable: PYSEC-1, CVE-2; install 1.1",
        "audit: a 1.0 is vulnerable: GHSA-3; no fixed version yet",
    ]
    assert lines[2].startswith("audit: 1 packages audited, 2 vulnerabilities; 1 left out (")


def test_a_service_that_cannot_be_reached_is_said_and_ends_nothing(audit):
    (line,), code = audit.verdict("", "Traceback\nConnectionError: no such host")
    assert (line, code) == (
        "audit: no package could be audited (ConnectionError: no such host)",
        0,
    )


@pytest.mark.parametrize(("vulns", "code"), [("[]", 0), ('[{"id": "PYSEC-1"}]', 1)])
def test_the_program_is_asked_about_a_folder_and_its_answer_is_the_exit_code(
    audit, tmp_path, capsys, vulns, code
):
    program = tmp_path / "pip-audit"
    answer = f'{{"dependencies": [{{"name": "a", "version": "1", "vulns": {vulns}}}]}}'
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"assert sys.argv[1:3] == ['--path', 'packages'], sys.argv\n"
        f"print({answer!r})\nsys.exit({code})\n"
    )
    program.chmod(0o755)
    assert audit.main(str(program), "packages") == code
    assert "audit: 1 packages audited" in capsys.readouterr().out
