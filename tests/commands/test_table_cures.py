"""What an error of a table says is to be done: done, and the table is read."""

from __future__ import annotations

import json

import pytest
from terminal import mpt

HEADER = "setting,method,task,seed,dev,test\n"
PT, MAML = "A->B,PT,boolq,13,0.5,0.5\n", "A->B,MAML,boolq,13,0.5,0.6\n"
WHOLE = HEADER + PT + MAML

CURES = {
    "name the columns": ("\n", "its first line must name the columns", WHOLE),
    "at least one row": (HEADER, "give it at least one row", WHOLE),
    "name the column": (
        "".join(f",{line}\n" for line in WHOLE.splitlines()),
        "name it, or leave it out (pandas: to_csv(index=False))",
        "".join(f"note,{line}\n" for line in WHOLE.splitlines()),
    ),
    "rename the column": (
        HEADER.replace("test", "test,dev") + PT.replace("\n", ",0\n") + MAML.replace("\n", ",0\n"),
        "remove one, or rename it",
        HEADER.replace("test", "test,old") + PT.replace("\n", ",0\n") + MAML.replace("\n", ",0\n"),
    ),
    "quote a comma": (
        WHOLE.replace("A->B", "A, B"),
        "correct that line, and quote values that contain a comma",
        WHOLE.replace("A->B", '"A, B"'),
    ),
    "a header within": (HEADER + PT + HEADER + MAML, "remove that line", WHOLE),
    "close the quotes": (
        WHOLE.replace("MAML", '"MAML'),
        "close the quotes around the value and double those inside",
        WHOLE.replace("MAML", '"MAML"'),
    ),
    "quotes within": (
        WHOLE.replace("MAML", 'MA"ML'),
        "put quotes around the whole value and double those inside",
        WHOLE.replace("MAML", '"MA""ML"'),
    ),
    "semicolons": (WHOLE.replace(",", ";"), "save the table with commas", WHOLE),
    "two alike": (WHOLE + MAML, "keep one of them", WHOLE),
    "a seed": (WHOLE.replace(",13,", ",x,"), "write one such as 13", WHOLE),
    "a comma for a point": (
        WHOLE.replace("0.6", '"0,6"'),
        "write decimals with a point",
        WHOLE,
    ),
    "a failed cell": (
        WHOLE + "A->B,MAML,rte,13,0.5,NaN\n",
        "remove the row of a failed cell",
        WHOLE,
    ),
    "percent beside fractions": (
        WHOLE.replace("0.5,0.6", "0.5,60"),
        "write every score as a fraction of 1",
        WHOLE,
    ),
    "no name": (WHOLE.replace("boolq", ""), "name it", WHOLE),
    "a zero baseline": (
        WHOLE + "A->B,PT,rte,13,0.5,0\nA->B,MAML,rte,13,0.5,0.5\n",
        "leave the task out of the table",
        WHOLE,
    ),
    "no baseline of that name": (
        WHOLE.replace("PT", "base"),
        "Name the baseline with --baseline",
        WHOLE,
    ),
}


@pytest.mark.parametrize("case", CURES)
def test_the_cure_helps(tmp_path, case):
    bad, cure, mended = CURES[case]
    path = tmp_path / "scores.csv"
    path.write_text(bad)
    said = mpt("arg", path, home=tmp_path / "home")
    assert said.code == 2
    assert cure in said.error
    path.write_text(mended)
    said = mpt("arg", path, "--json", home=tmp_path / "home")
    assert said.code == 0, said.err
    (gain,) = json.loads(said.out)["gains"]
    assert gain["arg"] == pytest.approx(20)


def test_a_baseline_of_another_name_is_named(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(WHOLE.replace("PT", "base"))
    said = mpt("arg", path, "--baseline", "base", "--json", home=tmp_path / "home")
    assert json.loads(said.out)["gains"][0]["arg"] == pytest.approx(20)


def test_tabs_with_quotes_are_saved_without_them_or_as_csv(tmp_path):
    path = tmp_path / "scores.tsv"
    quoted = WHOLE.replace(",", "\t").replace("MAML", '"MA""ML"')
    path.write_text(quoted)
    said = mpt("arg", path, home=tmp_path / "home")
    assert "save without quotes, or as .csv with commas" in said.error
    path.write_text(quoted.replace('"MA""ML"', "MAML"))
    assert mpt("arg", path, home=tmp_path / "home").code == 0
    other = tmp_path / "scores.csv"
    other.write_text(quoted.replace("\t", ","))
    assert mpt("arg", other, home=tmp_path / "home").code == 0
