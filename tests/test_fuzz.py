"""Whatever stands in a file or on the command line: an answer or a clean refusal.

The examples are the same in every run, so that what passes here passes everywhere.
"""

from __future__ import annotations

import io
import sys
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import contents, mpt, tree_of

from mpt.commands.app import app
from mpt.errors import InputError
from mpt.gym.custom_rows import read_custom_rows
from mpt.gym.partitions import read_partitions
from mpt.gym.tsv_task import read_tsv
from mpt.report.tables.results_table import read_scores
from mpt.study.study import Study
from mpt.study.study_file import read_study

ODD = (
    *(
        "",
        " ",
        ".",
        "..",
        "../x",
        "/",
        "~",
        "a/b",
        "x\n",
        "ü",
        "\x1b[31m",
        "[red]",
        "%s",
        "{}",
        "*",
    ),
    *("-1", "0", "1", "1e999", "nan", "inf", "1,2", "9" * 400, "None", "best", "mini", "R->R"),
    *(
        "--",
        "-",
        "-h",
        "http://",
        "http://[",
        "sqlite://",
        "sqlite:///",
        "postgresql://@:x/",
        "C:\\",
    ),
    *("reptile", "cpu", "cuda:-1", "cuda:99", "[]", "a,,b", ",", "\udcff", "0" * 300),
)
WORDS = st.sampled_from(ODD) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)


def leaves(command, path=()):
    """(words, command) of every command that is not a group."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name, one in (inner or {}).items():
        yield from leaves(one, (*path, name))


COMMANDS = dict(leaves(tree_of(app)))


@pytest.fixture(scope="module")
def idle():
    """What would compute, serve or ask the network refuses instead, as a wrong input would."""
    heavy = (
        *("mpt.compute.worker.load_backbone", "mpt.tracking.mlflow_tracker.serve_ui"),
        *("mpt.bench.meta.meta", "mpt.bench.pack.pack", "mpt.bench.evaluation.evaluation"),
        *(
            "mpt.backbone.hub.load",
            "mpt.gym.build.hub_rows.HubRows.reach",
        ),
    )
    with ExitStack() as stack:
        for name in heavy:
            stack.enter_context(patch(name, side_effect=InputError("enough")))
        yield


@pytest.fixture
def cwd(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_clean(words, cwd: Path) -> None:
    """Run a command in an empty folder: done, or one line that refuses and nothing written."""
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a text\n"))):
        said = mpt(*words, home=cwd / "home")
    assert said.code in (0, 1, 2), said
    assert "Traceback" not in said.err
    if said.code == 2:
        assert said.err.startswith("error: "), said.err
        assert len(said.err.splitlines()) == 1, said.err
        assert not contents(cwd), words


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_any_values_of_any_options_are_clean(path, idle, cwd):
    from shutil import rmtree

    options = [option.opts[0] for option in COMMANDS[path].params if option.opts[0].startswith("-")]
    pairs = st.tuples(st.sampled_from([*options, "--nosuch"]), WORDS).map(list)

    @settings(max_examples=40)
    @given(st.lists(pairs, max_size=3), st.lists(WORDS, max_size=2))
    def check(chosen, arguments):
        words = [*path, *chain.from_iterable(chosen), *arguments]
        is_clean(words, cwd)
        for made in cwd.iterdir():
            rmtree(made) if made.is_dir() else made.unlink()

    check()


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(ODD)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


def keys(model=Study, path=()):
    """Every key of a study file, with those inside it."""
    for name, field in model.model_fields.items():
        yield (*path, name)
        if hasattr(field.annotation, "model_fields"):
            yield from keys(field.annotation, (*path, name))


@st.composite
def studies(draw):
    """A study file in which some keys hold anything at all."""
    study: dict = {}
    for path in draw(st.lists(st.sampled_from(list(keys())), max_size=4)):
        here = study
        for name in path[:-1]:
            here = here.setdefault(name, {}) if isinstance(here.get(name, {}), dict) else {}
        here[path[-1]] = draw(PLAIN)
    return yaml.safe_dump(study, allow_unicode=True).encode("utf-8", "replace")


BROKEN = [
    b"trials: 2001-99-99\n",
    b"trials: !!int x\n",
    b"trials: !!float ''\n",
    b"trials: !!binary '%%'\n",
    b"trials: !!python/object/apply:os.system ['true']\n",
    b"? [a]\n: b\n",
    b"1: 2\n",
    b"? {a: b}\n: c\n",
    b"a: &a [*a]\n",
    b"sources: &a [*a]\n",
    b"<<: 3\n",
    b"[" * 3000,
    b"a: " * 500,
    b"\xff\xfe",
    b"\x00",
    b'name: "\\0"\n',
    b'gym: "\\0"\n',
    b'gym: "\\ud800"\n',
    b'partitions: "\\0"\n',
    b"partitions: {}\n",
    b"partitions: {1: {sources: [a], targets: [b]}}\n",
    b"seed: 1e400\n",
    b"trials: !!timestamp x\n",
    b"trials: !!bool x\n",
    b"trials: 0x" + b"f" * 5000 + b"\n",
    b"a: &a [x, x]\n"
    + b"".join(b"%c: &%c [*%c, *%c, *%c]\n" % (n + 1, n + 1, n, n, n) for n in range(97, 121))
    + b"sources: [*y, *y]\n",
    b"trials: " + b"9" * 5000 + b"\n",
]


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: repr(data[:24]))
def test_a_broken_study_file_is_clean(data, idle, cwd):
    check_study(data, cwd)


@settings(max_examples=150)
@given(
    data=st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace"))
)
def test_any_bytes_as_a_study_file_are_clean(data, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "study.yaml"
    file.write_bytes(data)
    tolerant(lambda: read_study(file, {}))


@settings(max_examples=300)
@given(data=studies())
def test_any_values_in_a_study_file_are_clean(data, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "study.yaml"
    file.write_bytes(data)
    study = tolerant(lambda: read_study(file, {}))
    if study is not None:
        assert "/" not in study.title
        assert not study.title.startswith(".")


def check_study(data: bytes, cwd: Path) -> None:
    file = cwd.with_name(f"{cwd.name}.yaml")
    file.write_bytes(data)
    is_clean(["sweep", "--study", file], cwd)


READERS = {
    "x.tsv": read_tsv,
    "own.tsv": read_custom_rows,
    "x.jsonl": read_custom_rows,
    "x.csv": read_custom_rows,
    "results.csv": read_scores,
    "settings.yaml": read_partitions,
}
TABLES = st.lists(
    st.sampled_from([*"\t,\n\r\"'\0{}[]:0", "\r\n", "a", "é", "\u2028", "\ufeff", "method,task,"])
    | st.text(max_size=3),
    max_size=25,
).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_in_a_table_are_clean(name, tmp_path):
    file = tmp_path / name

    @settings(max_examples=200)
    @given(st.binary(max_size=60) | TABLES)
    def check(data):
        file.write_bytes(data)
        tolerant(lambda: READERS[name](file))

    check()


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000])
@pytest.mark.parametrize("name", READERS)
def test_deep_and_long_values_are_clean(name, data, tmp_path):
    file = tmp_path / name
    file.write_bytes(data)
    tolerant(lambda: READERS[name](file))


@settings(max_examples=300)
@given(data=st.binary(max_size=60) | TABLES)
def test_what_is_read_from_tsv_is_what_was_written(data, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "x.tsv"
    file.write_bytes(data)
    examples = tolerant(lambda: read_tsv(file))
    if examples is None:
        return
    lines = [line.split("\t") for line in data.decode("utf-8-sig").split("\n") if line.strip()]
    # blanks before an input and around an answer are no content, and an empty answer is none
    written = [(line[0].lstrip(), (*filter(None, map(str.strip, line[1:])),)) for line in lines]
    assert [(one.input, one.targets) for one in examples] == written


def tolerant(read):
    """What was read; None where it was refused as an input of the user's, on one line."""
    try:
        return read()
    except InputError as error:
        return None if str(error) else pytest.fail("an error without a word")
