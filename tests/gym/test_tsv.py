"""Folders of TSV files: what is read, and what every mistake says."""

from __future__ import annotations

from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpt.errors import DataError, UnknownName
from mpt.gym.build.checksums import FolderRecord, official_md5, write_record
from mpt.gym.source import open_gym
from mpt.gym.splits import PARTS, SEEDS, Example
from mpt.gym.tsv import TsvGym
from mpt.gym.tsv_task import parse_tsv, read_tsv


def fill(
    folder: Path, task: str, *, shots: int | str = 16, text: str = "a b\tyes\nc\tno\n"
) -> Path:
    """A complete task folder whose 15 files all hold ``text``."""
    home = folder / task
    home.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        for part in PARTS:
            path = home / f"{task}_{shots}_{seed}_{part}.tsv"
            path.write_bytes(text.encode())
    return home


def test_answers_empty_fields_and_odd_separators(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes("q\ta\tb\t\n\n q \t\t a\u00a0\t b \nx\ry\u2028z\x85\x0c\ta\x0cb\n\n".encode())
    assert read_tsv(path) == (
        Example("q", ("a", "b")),
        Example("q ", ("a", "b")),
        Example("x\ry\u2028z\x85\x0c", ("a\x0cb",)),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("\tonly answer", r"x.tsv:2: the input is empty in '\\tonly answer'; write one example"),
        ("  \u3000\tx", "the input is empty"),
        ("q\t", r"the answer is empty in 'q\\t'; write one example per line as input<TAB>answer"),
        ("q\t \t\u00a0\t", "the answer is empty"),
        ("\t", "the input is empty"),
        ("q", "no tab between input and target in 'q'"),
        ("a\tyes\rb\tno", r"a carriage return inside an answer \(save the file with LF"),
        ("a\0\tyes", r"a NUL character \(is the file UTF-16\? save it as UTF-8\)"),
    ],
)
def test_lines_that_are_no_example_are_refused_or_skipped_as_the_official_loader_does(
    tmp_path, line, message
):
    path = tmp_path / "x.tsv"
    content = f"a\tyes\n{line}\nb\tno\n".encode()
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_tsv(path)
    if line.strip() and "\t" in line and ("empty" in message):
        assert [e.input for e in parse_tsv(content, path, known=True)] == ["a", "b"]


def official(content: str) -> list[tuple[str, list[str]]]:
    """What CrossFit's loader of single tasks makes of a file, universal line ends aside."""
    parts = [line.strip().split("\t") for line in content.split("\n")]
    return [(first, answers) for first, *answers in parts if answers]


FIELDS = st.text(
    st.sampled_from("ab \u00a0\u2028\x85\x0c\x1c")
    | st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]),
    max_size=6,
)


@given(st.lists(st.lists(FIELDS, min_size=1, max_size=4), min_size=1, max_size=6), st.booleans())
def test_rows_are_those_of_the_official_loader(rows, windows):
    content = "".join("\t".join(row) + ("\r\n" if windows else "\n") for row in rows)
    wanted = [
        Example(text, kept)
        for text, answers in official(content)
        if (kept := tuple(filter(None, map(str.strip, answers)))) and text
    ]
    try:
        found = parse_tsv(content.encode(), Path("x.tsv"), known=False)
    except DataError:
        # refused is what the loader skips in silence, or takes an answer for an input
        assert any(not first.strip() or not "".join(rest).strip() for first, *rest in rows)
        return
    assert list(found) == wanted
    assert [example.input for example in found] == [text for text, _ in official(content)]


def test_long_rows_and_a_missing_last_newline(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"w " * 500_000 + b"\tlong\nb\tshort")
    assert [example.targets for example in read_tsv(path)] == [("long",), ("short",)]


def test_windows_line_ends_are_no_part_of_an_answer(tmp_path):
    windows, mixed = tmp_path / "w.tsv", tmp_path / "m.tsv"
    windows.write_bytes(b"a\tyes\r\nb\tno\r\n")
    mixed.write_bytes(b"a\tyes\r\nb\tno\n")
    assert [example.targets for example in read_tsv(windows)] == [("yes",), ("no",)]
    assert [example.targets for example in read_tsv(mixed)] == [("yes",), ("no",)]


def test_a_line_without_tab_continues_only_in_known_bytes():
    text, path = b"two\nlines\tyes\nb\tno\n", Path("x.tsv")
    assert parse_tsv(text, path, known=True) == (
        Example("two\nlines", ("yes",)),
        Example("b", ("no",)),
    )
    with pytest.raises(
        DataError, match=r"x.tsv:1: no tab between input and target in 'two'; write"
    ):
        parse_tsv(text, path, known=False)
    with pytest.raises(DataError, match=r"x.tsv:2: no tab"):
        parse_tsv(b"a\tyes\nlast", path, known=True)


def test_recorded_files_may_hold_newlines_in_inputs(tmp_path):
    text = "two\nlines\tyes\n"
    home = fill(tmp_path, "glue-rte", text=text)
    with pytest.raises(DataError, match="no tab"):
        TsvGym(tmp_path).split("glue-rte", 13)
    sums = {path.name: md5(text.encode()).hexdigest() for path in home.iterdir()}
    write_record(home, FolderRecord({}, sums))
    assert TsvGym(tmp_path).split("glue-rte", 13).train == (Example("two\nlines", ("yes",)),)


def test_a_file_must_be_utf8_and_not_empty(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"a\tyes\nb\xff\tno\n")
    with pytest.raises(DataError, match=r"x.tsv:2: not UTF-8"):
        read_tsv(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x.tsv: holds no example"):
        read_tsv(path)
    path.write_bytes(b"\xef\xbb\xbfa\tyes\n")
    assert read_tsv(path)[0].input == "a"


def test_folder_errors_say_what_to_do(tmp_path):
    with pytest.raises(UnknownName, match="unknown gym 'mnii' - did you mean 'mini'"):
        open_gym("mnii")
    with pytest.raises(
        DataError, match="does not exist; give a folder with one sub-folder per task"
    ):
        open_gym(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no task; expected"):
        open_gym(str(tmp_path))
    (tmp_path / "notes").mkdir()
    with pytest.raises(DataError, match="holds no task"):
        open_gym(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is not a folder"):
        open_gym(str(tmp_path / "file"))


def test_incomplete_and_unknown_tasks_are_named(tmp_path):
    home = fill(tmp_path, "glue-rte")
    for seed in (21, 42):
        (home / f"glue-rte_16_{seed}_dev.tsv").unlink()
    with pytest.raises(DataError, match=r"lacks glue-rte_16_21_dev.tsv and 1 more"):
        TsvGym(tmp_path)
    fill(tmp_path, "glue-rte")
    fill(tmp_path, "glue-rt")
    with pytest.raises(DataError, match=r"did you mean 'glue-rte'.* Its metric is .* card.yaml"):
        TsvGym(tmp_path)


def test_the_right_k_is_read(tmp_path):
    fill(tmp_path, "glue-rte", shots=64)
    assert TsvGym(tmp_path).card("glue-rte").shots == 64
    fill(tmp_path, "glue-rte", shots=16, text="x\tyes\n")
    assert TsvGym(tmp_path).split("glue-rte", 13).train[0].input == "x"
    assert TsvGym(tmp_path).split("glue-rte", 13, 64).train[0].input == "a b"
    with pytest.raises(DataError, match="holds files for k = 16, 64, not for k = 32") as raised:
        TsvGym(tmp_path).split("glue-rte", 13, 32)
    assert f"`mpt gym build glue-rte --shots 32 --out {tmp_path}`" in str(raised.value)
    fill(tmp_path, "boolq", shots="all")
    assert TsvGym(tmp_path).card("boolq").shots == 16


def test_small_folders_get_the_setting_all(tmp_path):
    for task in ("glue-rte", "glue-sst2", "imdb", "boolq"):
        fill(tmp_path, task)
    partitions = TsvGym(tmp_path).partitions
    assert list(partitions.settings) == ["all"]
    assert len(partitions.validation) == 1
    used = {*partitions.setting("all").sources, *partitions.setting("all").targets}
    assert used == set(TsvGym(tmp_path).tasks) - set(partitions.validation)


def test_the_official_folder_is_usable(shared):
    gym = TsvGym(shared / "gym" / "tsv")
    assert gym.name == str(shared / "gym" / "tsv")
    assert len(gym.tasks) >= 43
    random = gym.partitions.setting("R->R")
    assert len(random.sources) > 20
    assert len(random.targets) >= 7
    assert len(gym.partitions.validation) == 5
    assert "financial_phrasebank" in gym.partitions.validation
    for task in gym.partitions.validation:
        assert not any(task in setting.targets for setting in gym.partitions.settings.values())
        assert len(gym.split(task, 13).test) < 1000
    first, second = gym.split("glue-rte", 13), gym.split("glue-rte", 21)
    assert first.test is second.test
    assert (len(first.train), len(first.test), first.metric) == (32, 277, "ACC")


def test_the_official_sums_are_those_of_the_official_files(shared):
    for folder in sorted((shared / "gym" / "tsv").iterdir())[:5]:
        shots = TsvGym(folder.parent).card(folder.name).shots
        sums = official_md5(folder.name, shots)
        assert len(sums) == 15
        for name, expected in sums.items():
            assert md5((folder / name).read_bytes()).hexdigest() == expected
    assert official_md5("glue-rte", 64) == {}


def test_a_folder_whose_name_is_no_text_is_refused_and_renamed_it_is_read(tmp_path):
    gym = tmp_path / "gym"
    odd = fill(gym, "boolq").rename(gym / "bool\udce9q")
    fill(gym, "glue-mrpc")
    with pytest.raises(DataError, match=r"the folder b'bool\\xe9q' is not UTF-8, .* rename it"):
        open_gym(str(gym))
    odd.rename(gym / "boolq")
    assert open_gym(str(gym)).tasks == ("boolq", "glue-mrpc")
