"""What an error of a study file says is to be done: done, and the file is read."""

from __future__ import annotations

import pytest

from mpt.errors import ConfigError
from mpt.study.study_file import read_study

WHOLE = """\
name: mine
method: reptile
source_seeds: [13, 21]
inner: {lr: 1.0, steps: 1, batch: 4}
space: {outer_lr: {low: 0.1, high: 1.0}}
trials: 4
"""

CURES = {
    "a key twice": (WHOLE + "trials: 5\n", "is already in line 6; keep one", WHOLE),
    "a tag": (
        WHOLE.replace("name: mine", "name: !!str mine"),
        "is not supported; remove it",
        WHOLE,
    ),
    "two documents": (WHOLE + "---\n" + WHOLE, "keep one of them", WHOLE),
    "octal": (WHOLE.replace("trials: 4", "trials: 04"), "write the number without", WHOLE),
    "octal as a text": (
        WHOLE.replace("mine", "012"),
        "or '012' in quotes if it is a text",
        WHOLE.replace("mine", "'012'"),
    ),
    "infinite": (WHOLE.replace("1.0,", ".inf,", 1), "is not a finite number; write one", WHOLE),
    "a merge": (
        WHOLE.replace("inner: {", "inner: {<<: {}, "),
        "write its keys here",
        WHOLE,
    ),
    "a near miss": (WHOLE.replace("trials", "trails"), "did you mean 'trials'", WHOLE),
    "a value twice": (WHOLE.replace("[13, 21]", "[13, 13]"), "name each value once", WHOLE),
    "an empty list": (
        WHOLE.replace("[13, 21]", "[]"),
        "give at least one value, or leave the key out",
        WHOLE.replace("source_seeds: [13, 21]\n", ""),
    ),
    "low above high": (
        WHOLE.replace("low: 0.1", "low: 2.0"),
        "low (2.0) must be below high (1.0)",
        WHOLE,
    ),
    "a line end that is none": (
        WHOLE.replace("mine", "mi\u2028ne"),
        'remove it, or write it as \\L in "double quotes"',
        WHOLE.replace("mine", '"mine"'),
    ),
    "an unknown method": (WHOLE.replace("reptile", "reptil"), "reptile", WHOLE),
}


@pytest.mark.parametrize("case", CURES)
def test_the_cure_helps(tmp_path, case):
    bad, cure, mended = CURES[case]
    path = tmp_path / "study.yaml"
    path.write_text(bad, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_study(path, {})
    assert cure in str(error.value)
    assert "\n" not in str(error.value)
    path.write_text(mended, encoding="utf-8")
    assert read_study(path, {}).method == "reptile"
