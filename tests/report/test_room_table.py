"""The table of rooms: most room first, a summary in words, and files that programs read."""

from __future__ import annotations

import json
from math import nan
from statistics import stdev

import pytest

from mpt.errors import ConfigError
from mpt.report.tables.room_table import room_json, room_sheet, write_rooms
from mpt.stats.room import TaskRoom


def task(name, role, oracle, few, **more):
    """A task's room of four classes."""
    same = {"metric": "ACC", "rows": 2000, "dev_rows": 256, "oracle_lr": 0.5, "rising": False}
    same |= {"oracle_digest": "0123456789ab", "chance": 0.25, "majority": 0.1}
    return TaskRoom(
        **{**same, "task": name, "role": role, "oracle": oracle, "few_shot": few, **more}
    )


ROOMS = (
    task("solved", "target", 0.95, (0.9, 0.94)),
    task("open", "validation", 0.9, (0.5, 0.6), rising=True),
    task("lost", "target", nan, (), oracle_lr=None, oracle_digest="", rows=120),
)


def test_rows_are_ranked_by_room_and_those_with_room_are_marked():
    sheet = room_sheet(ROOMS)
    assert sheet.grid.header == (
        *("Task", "role", "oracle", "few-shot", "room", "chance", "majority", "rows"),
    )
    assert sheet.grid.rows == (
        ("open", "validation", "0.900", "0.550 ± 0.071", "0.350", "0.250", "0.100", "2,000"),
        ("solved", "target", "0.950", "0.920 ± 0.028", "0.030", "0.250", "0.100", "2,000"),
        ("lost", "target", "n/a", "n/a", "n/a", "0.250", "0.100", "120"),
    )
    assert sheet.grid.marked == {0}


def test_the_summary_counts_names_and_warns():
    assert room_sheet(ROOMS).notes == (
        "all: oracle >= 0.85 on 2 of 3 tasks, room >= 0.15 on 1, few-shot between chance + 0.05 "
        "and 0.85 on 1",
        "validation: oracle >= 0.85 on 1 of 1 tasks, room >= 0.15 on 1, few-shot between chance "
        "+ 0.05 and 0.85 on 1",
        "target: oracle >= 0.85 on 1 of 2 tasks, room >= 0.15 on 0, few-shot between chance + "
        "0.05 and 0.85 on 0",
        "Without room (below 0.15): solved, lost",
        "The dev curve of the oracle was still rising at its end, so that there may be more room "
        "(give more --updates): open",
    )
    (line,) = room_sheet([task("a", "", 0.9, (0.5,))]).notes
    assert line.startswith("all: oracle >= 0.85 on 1 of 1 tasks")


def test_fine_tuning_has_a_column_where_it_was_measured():
    sheet = room_sheet([task("a", "", 0.9, (0.5,), fine_tuned=(0.6, 0.8))])
    assert sheet.grid.header[-2:] == ("fine-tuning", "rows")
    assert sheet.grid.rows[0][-2] == "0.700 ± 0.141"
    # of one seed there is no spread
    assert sheet.grid.rows[0][3] == "0.500"


def test_json_holds_numbers_unrounded_and_null_for_none():
    told = json.loads(room_json(ROOMS, ["why"]))
    first, _, last = told["tasks"]
    assert first["few_shot_sd"] == stdev((0.5, 0.6))
    assert (first["few_shot_seeds"], first["digest"]) == ([0.5, 0.6], "0123456789ab")
    assert (last["oracle"], last["room"], last["few_shot"], last["few_shot_sd"]) == (None,) * 4
    assert (told["without_room"], told["left_out"]) == (["solved", "lost"], ["why"])
    assert told["counts"][0] == {
        "of": "all",
        "tasks": 3,
        "solvable": 2,
        "with_room": 1,
        "in_between": 1,
    }


def test_files_are_written_by_the_end_of_their_names(tmp_path):
    for end in ("csv", "md", "tex"):
        write_rooms(tmp_path / f"room.{end}", ROOMS)
    lines = (tmp_path / "room.csv").read_text().splitlines()
    assert lines[0].startswith("task,role,metric,oracle,few_shot,few_shot_sd,room,chance,majority")
    assert lines[3].startswith("lost,target,ACC,,,,,0.25,0.1,120,256,,0")
    assert "| **open** | **validation** | **0.900** |" in (tmp_path / "room.md").read_text()
    assert r"\begin{tabular}{llrrrrrr}" in (tmp_path / "room.tex").read_text()


def test_a_file_of_another_kind_or_in_no_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"give a file that ends in .csv or .md or .tex"):
        write_rooms(tmp_path / "room.txt", ROOMS)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_rooms(tmp_path / "none" / "room.csv", ROOMS)
