"""Ask pip-audit for known vulnerabilities of what is installed; exit code 1 where there are some.

    python .ci/audit.py PIP_AUDIT SITE_PACKAGES

An index that cannot be audited, as a mirror without the advisories of PyPI, ends nothing: one line
says how many packages were left out and why.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

EDITABLE = "distribution marked as editable"
"""What pip-audit says of the project itself, which no index knows."""


def main(program: str, folder: str) -> int:
    """Run the audit of a folder of packages and print what it found; the exit code."""
    words = [program, "--path", folder, "--skip-editable", "--format", "json"]
    words += ["--progress-spinner", "off"]
    done = subprocess.run(words, capture_output=True, text=True)
    lines, code = verdict(done.stdout, done.stderr)
    print(*lines, sep="\n")
    return code


def verdict(out: str, err: str) -> tuple[list[str], int]:
    """Lines to print and the exit code, from what pip-audit wrote to both of its streams."""
    if not out.strip():
        why = (err.strip().splitlines() or ["it said nothing"])[-1]
        return [f"audit: no package could be audited ({why[:200]})"], 0
    packages = json.loads(out)["dependencies"]
    left = [one["skip_reason"] for one in packages if "skip_reason" in one]
    reasons = Counter(reason.partition(":")[0] for reason in left if reason != EDITABLE)
    found = [(one, flaw) for one in packages for flaw in one.get("vulns", ())]
    lines = [f"audit: {_told(one, flaw)}" for one, flaw in found]
    told = [f"{len(packages) - len(left)} packages audited, {len(found)} vulnerabilities"]
    told += [f"{count} left out ({reason})" for reason, count in reasons.items()]
    return [*lines, f"audit: {'; '.join(told)}"], 1 if found else 0


def _told(package: dict, flaw: dict) -> str:
    fixed = ", ".join(flaw.get("fix_versions") or ())
    cure = f"install {fixed}" if fixed else "no fixed version yet"
    names = ", ".join([flaw["id"], *flaw.get("aliases", ())])
    return f"{package['name']} {package['version']} is vulnerable: {names}; {cure}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
