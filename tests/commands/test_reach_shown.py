"""Cut inputs and answers that cannot be written are told wherever people look."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from terminal import mpt

from mpt.gym.source import open_gym
from mpt.gym.splits import PARTS, SEEDS

LONG = "fear of " * 10
ANSWERS = {"delight": "love", "wrath": "fear"}
COUNTED = (
    "films: train 16 of 32, dev 16 of 32, test 64 of 128 answers cannot be written within "
    "max_target 16 (e.g. 'fear of fear of fear ... f fear of fear of fear of' comes back as "
    "'fear of fear of fear ... r of fear of fear of fear')"
)


def films(folder: Path, answers: dict[str, str], limits: dict[str, int] | None = None) -> Path:
    """A gym of one task with other answers than the embedded one's, and a short study on it."""
    home, gym = folder / "gym" / "films", open_gym()
    home.mkdir(parents=True)
    (home / "card.yaml").write_text(
        "family: classification\nkind: classification\nmetric: ACC\nshots: 16\n"
    )
    for seed in SEEDS:
        for part in PARTS:
            rows = gym.split("letter-emotion", seed).part(part)
            told = [(e.input, ANSWERS[e.targets[0]]) for e in rows if e.targets[0] in ANSWERS]
            lines = [f"{text}\t{answers.get(answer, answer)}\n" for text, answer in told]
            (home / f"films_16_{seed}_{part}.tsv").write_text("".join(lines))
    study = {
        "gym": str(folder / "gym"),
        "sources": ["films"],
        "backbone": limits or {},
        "tuning": {"steps": 1, "batch": 2, "num_evals": 1},
        "final": {"seeds": [13], "lrs": [0.3]},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder / "study.yaml"


def reaches(study: Path, home: Path) -> dict[str, tuple[int, int]]:
    """``mpt gym show``: per part the cut inputs and the lost answers."""
    words = ("gym", "show", "films", "--gym", study.parent / "gym", "--study", study)
    said = mpt(*words, "--json", home=home)
    found = {one["part"]: (one["cut"], one["lost"]) for one in json.loads(said.out)["reach"]}
    shown = re.findall(
        r"(\w+) rows +(\d+) of \d+ inputs cut.* (\d+) of", mpt(*words, home=home).out
    )
    assert {part: (int(cut), int(lost)) for part, cut, lost in shown} == found
    return found


def evaluated(study: Path, home: Path):
    return mpt("evaluate", "vocabulary", "--tasks", "films", "--study", study, home=home)


def test_counts_are_shown_and_warned_of_and_the_cure_helps(tmp_path):
    study = films(tmp_path, {"fear": LONG})
    assert reaches(study, tmp_path / "home") == {"train": (0, 16), "dev": (0, 16), "test": (0, 64)}
    said = evaluated(study, tmp_path / "home")
    assert said.code == 0
    assert " ".join(said.err.split()).count(f"warning: {COUNTED}") == 1
    assert "raise `max_input` or `max_target` under `backbone`" in " ".join(said.err.split())
    cured = yaml.safe_load(study.read_text()) | {"backbone": {"max_target": 24}}
    study.write_text(yaml.safe_dump(cured))
    assert reaches(study, tmp_path / "home") == dict.fromkeys(PARTS, (0, 0))
    assert "warning" not in evaluated(study, tmp_path / "home").err


def test_a_task_without_an_answer_that_can_be_met_is_refused_before_anything_is_made(tmp_path):
    study = films(tmp_path, {"fear": LONG, "love": "love of " * 10})
    said = evaluated(study, tmp_path / "home")
    assert (said.code, said.out) == (2, "")
    assert said.error.startswith(
        "error: films: none of its 32 dev answers can be written with max_"
    )
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("answers", "state"),
    [({}, "ok"), ({"fear": LONG}, "warn"), ({"fear": LONG, "love": LONG}, "fail")],
)
def test_doctor_says_what_the_rows_of_a_gym_are_like(answers, state, tmp_path):
    gym = films(tmp_path, answers).parent / "gym"
    said = mpt("doctor", "--gym", gym, "--json", home=tmp_path / "home")
    (rows,) = [one for one in json.loads(said.out) if one["name"] == "rows"]
    assert rows["state"] == state
    if state == "warn":
        assert rows["what"].startswith(
            "1 of 1 tasks: train 16 of 32, dev 16 of 32, test 64 of 128 "
        )
        assert not (tmp_path / "home").exists()


def test_who_reads_the_rows_is_asked_with_a_gym_only(tmp_path):
    said = mpt("gym", "show", "glue-rte", "--backbone", "mini", home=tmp_path)
    assert said.code == 2
    assert said.error == (
        "error: --study and --backbone say who reads the rows of --gym; give that too"
    )
