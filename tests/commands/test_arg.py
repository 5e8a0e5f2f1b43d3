"""`mpt arg`: the table, the JSON, and one clear error for each thing wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mpt.commands.arg import arg
from mpt.errors import InputError, UnknownName
from mpt.report.tables.results_table import read_scores

app = typer.Typer()
app.command()(arg)

HEADER = "setting,method,task,seed,dev,test\n"
ROWS = "A->B,PT,boolq,13,0.5,0.5\nA->B,MAML,boolq,13,0.5,0.6\n"


def run(*words: str | Path):
    return CliRunner().invoke(app, [str(word) for word in words])


def write(folder: Path, text: str) -> Path:
    path = folder / "results.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_published_table_as_json(shared):
    done = run(shared / "reference" / "published_results.csv", "--json", "--resamples", 100)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    cells = {(g["setting"], g["method"]): round(g["arg"], 2) for g in found["gains"]}
    assert len(cells) == 14
    assert cells["NP->P", "MAML"] == 11.14
    assert cells["Non-QA->QA", "Fine-tuning"] == -47.37
    assert found["schema"] == 1
    assert found["baseline"] == "PT"
    assert found["warnings"] == []


def test_published_table_fits_a_terminal_of_80_columns(shared):
    done = run(shared / "reference" / "published_results.csv", "--resamples", 100)
    assert "Reptile" in done.stdout
    assert "-47.37" in done.stdout
    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_missing_seeds_are_warned_of(shared):
    done = run(shared / "reference" / "published_results_by_lr.csv")
    assert done.exit_code == 0
    for cell in ("+6.94", "-1.41", "+4.15", "+15.41", "+11.01"):
        assert cell in done.stdout
    assert "all: MAML on paws lacks seed 42, 87" in " ".join(done.stderr.split())


def test_what_cannot_be_said_is_null_and_na(tmp_path):
    path = write(tmp_path, HEADER + ROWS)
    (gain,) = json.loads(run(path, "--json").stdout)["gains"]
    assert gain["arg"] == pytest.approx(20)
    assert gain["interval"] is None
    assert gain["seed_interval"] is None
    assert "n/a" in run(path).stdout


def test_columns_in_any_order_extra_ones_and_a_byte_order_mark(tmp_path):
    path = write(
        tmp_path,
        "\ufefftest,note,seed,task,method,dev\n0.5,x,13,boolq,PT,0.5\n0.6,y,13.0,boolq,MAML,0.5\n\n",
    )
    (gain,) = json.loads(run(path, "--json").stdout)["gains"]
    assert (gain["setting"], gain["seeds"]) == ("all", [13])


def test_long_seeds_stay_apart(tmp_path):
    rows = "".join(
        f"{method},boolq,{seed},0.5,{test}\n"
        for method, tests in (("PT", (0.5, 0.5)), ("MAML", (0.5, 1.0)))
        for seed, test in zip((2**53, 2**53 + 1), tests, strict=True)
    )
    path = write(tmp_path, "method,task,seed,dev,test\n" + rows)
    (gain,) = json.loads(run(path, "--json").stdout)["gains"]
    assert (gain["seeds"], gain["arg"]) == ([2**53, 2**53 + 1], pytest.approx(50.0))


def test_batch_size_is_an_alternative_like_the_rate(tmp_path):
    path = write(
        tmp_path,
        "method,task,seed,lr,bsz,dev,test\n"
        "PT,boolq,13,0.5,4,0.5,0.1\nPT,boolq,13,0.5,8,0.6,0.5\nMAML,boolq,13,0.5,8,0.5,0.6\n",
    )
    (gain,) = json.loads(run(path, "--json").stdout)["gains"]
    assert gain["arg"] == pytest.approx(20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; its first line must name the columns"),
        (
            "hello\nworld\n",
            "no column 'method'; it has hello; needed are method, task, seed, dev, test",
        ),
        (
            HEADER.replace(",", ";") + ROWS,
            "are separated by semicolons, not by commas; save the table",
        ),
        (HEADER.replace("task", "Task") + ROWS, r"no column 'task' - did you call it 'Task'\?"),
        (HEADER + 'A->B,PT,rte,13,"0,5",1\n', r"dev is '0,5', not .* write decimals with a point"),
        (HEADER + "A->B,PT,rte,13,50%,1\n", r"dev is '50%', not .* write a fraction, 0.5 for 50 %"),
        (HEADER + "A->B,PT,rte,1_3,0.5,1\n", "seed is '1_3', not a whole number; write one"),
        (HEADER + ROWS + HEADER, r"results.csv:4: repeats the header; remove that line"),
        (HEADER, "holds a header and no rows"),
        (HEADER.replace("dev", "devel") + ROWS, r"no column 'dev' - did you call it 'devel'\?"),
        (HEADER.replace("task,", "") + ROWS, r"no column 'task'; it has setting, method, seed"),
        (HEADER.replace("test", "test,seed"), "the column 'seed' twice"),
        (HEADER + ROWS + "A->B,PT,rte,13,0.5\n", "results.csv:4: 5 fields where the header has 6"),
        (HEADER + ROWS + "A->B,PT,rte,13,0.5,high\n", r"line 4: test is 'high', not a finite"),
        (HEADER + ROWS + "A->B,PT,rte,13,nan,1\n", r"line 4: dev is 'nan', not a finite number"),
        (HEADER + ROWS + "A->B,PT,rte,1.5,0.5,0.5\n", r"line 4: seed is '1.5', not a whole"),
        (HEADER + ROWS + "A->B,PT,,13,0.5,0.5\n", "line 4: the task is empty"),
        (HEADER + ROWS + ROWS, r"lines 2 and 4 are the same cell \(A->B, PT, boolq, seed 13\)"),
        (HEADER + ROWS + "A->B,PT,rte,13,0.5,0.5\n", "'MAML' has no scores on rte, which 'PT' has"),
        (
            HEADER + ROWS + "A->B,MAML,rte,13,0.5,62\n",
            r"test is 62 in line 4 and 0.5 in line 2: a mix of perc",
        ),
        (
            HEADER + ROWS + "A->B,MAML,rte,13,62,0.5\n",
            r"dev is 62 in line 4 and 0.5 in line 2: a mix of perc",
        ),
        (
            HEADER + "A->B,PT,boolq,13,51,620\n",
            r"line 2: test is 620 %, but ACC of boolq lies betw",
        ),
        (HEADER + "A->B,PT,mine,13,51,620\n", r"line 2: test is 620 %, but scores lie between -1 "),
        (HEADER + "A->B,PT,boolq,13,0.5,-0.2\n", r"line 2: test is -0.2, but ACC of boolq lies be"),
        (HEADER + ROWS.replace("0.5,0.5", "0.5,0"), "baseline 'PT' scores 0 or less on boolq"),
    ],
)
def test_a_wrong_file_gets_one_clear_error(tmp_path, text, message):
    done = run(write(tmp_path, text))
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2
    assert done.stdout == ""
    with pytest.raises(InputError, match=message):
        raise done.exception


def test_a_table_in_percent_gives_the_same_gains(tmp_path):
    fractions = write(tmp_path, HEADER + ROWS)
    (gain,) = json.loads(run(fractions, "--json").stdout)["gains"]
    percent = tmp_path / "percent.csv"
    percent.write_text(HEADER + "A->B,PT,boolq,13,50,50\nA->B,MAML,boolq,13,0.0,60\n", "utf-8")
    (same,) = json.loads(run(percent, "--json").stdout)["gains"]
    assert same["arg"] == pytest.approx(gain["arg"])
    assert [score.test for score in read_scores(percent)] == [0.5, 0.6]


def test_a_correlation_may_be_negative(tmp_path):
    path = write(
        tmp_path, HEADER + "A->B,PT,glue-cola,13,-0.2,0.3\nA->B,MAML,glue-cola,13,0,-0.1\n"
    )
    assert [score.test for score in read_scores(path)] == [0.3, -0.1]


def test_files_that_are_not_tables(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read \(No such file"):
        read_scores(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_scores(tmp_path)
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(InputError, match=r"image\.csv, line 1: byte 0x89 is not UTF-8"):
        read_scores(tmp_path / "image.csv")


def test_unknown_baseline_gets_its_near_miss(tmp_path):
    done = run(write(tmp_path, HEADER + ROWS), "--baseline", "pt")
    assert isinstance(done.exception, UnknownName)
    assert "unknown method 'pt'" in str(done.exception)
    assert "Known: MAML, PT" in str(done.exception)
