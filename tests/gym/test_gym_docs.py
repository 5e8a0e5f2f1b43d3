"""The pages about the gym are generated or executed, never trusted."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from mpt.gym.build.catalogue import cards
from mpt.gym.page import gym_page
from mpt.gym.partitions import read_partitions
from mpt.gym.source import open_gym


def fenced(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", page, flags=re.DOTALL)


def test_the_page_of_tasks_is_up_to_date(repository: Path):
    page = (repository / "docs" / "gym.md").read_text(encoding="utf-8")
    assert page == gym_page(), "run `mpt gym page > docs/gym.md`"
    assert sum(
        line.startswith(tuple(f"| {task} |" for task in cards())) for line in page.split("\n")
    )


def test_every_task_has_one_line():
    lines = gym_page().split("\n")
    for task, card in cards().items():
        (line,) = [line for line in lines if line.startswith(f"| {task} |")]
        assert f"| {card.shots} | {card.metric} |" in line
    assert "78 yes" in gym_page()


def test_the_worked_example_works(repository: Path, tmp_path: Path):
    page = (repository / "docs" / "own-tasks.md").read_text(encoding="utf-8")
    card, settings, study, options, bare = fenced(page, "yaml")
    rows = fenced(page, "csv")[0]
    home = tmp_path / "films"
    home.mkdir()
    (home / "card.yaml").write_text(card)
    (home / "reviews.csv").write_text(rows + rows.split("\n", 1)[1] * 60)
    split = open_gym(str(tmp_path)).split("films", 13)
    assert len(split.train) == 32
    assert {example.input for example in split.test} == {
        'title: Solaris [SEP] review: Slow, and "deep".',
        "title: Alien [SEP] review: Loud.",
    }
    assert {example.targets for example in split.test} == {("good",), ("bad",)}
    (tmp_path / "settings.yaml").write_text(settings)
    known = {"films", *cards()}
    own = read_partitions(tmp_path / "settings.yaml")
    own.check(known)
    assert own.setting("Reviews->Films").targets == ("films",)
    assert yaml.safe_load(study)["setting"] in own.settings
    assert set(yaml.safe_load(options)) == {"options", "input", "target"}
    assert set(yaml.safe_load(bare)) == {"family", "kind", "metric"}


def test_the_targets_of_the_page_are_valid(repository: Path, tmp_path: Path):
    page = (repository / "docs" / "own-tasks.md").read_text(encoding="utf-8")
    targets = re.findall(r"\| `(target: .*?)` \|", page)
    assert len(targets) == 4
    rows = "label,stars,score,answers\n" + "a,1,0.9,x\nb,5,0.1,y\n" * 30
    for at, target in enumerate(targets):
        home = tmp_path / f"task{at}"
        home.mkdir()
        if "answers" in target or "bins" in target:
            row = '{"answers": ["x", "y"], "score": 0.9, "stars": 1, "label": "a"}\n'
            (home / "r.jsonl").write_text(row * 60)
        else:
            (home / "r.csv").write_text(rows)
        name = next(home.iterdir()).name
        card = f"family: f\nkind: classification\nmetric: ACC\nshots: 4\nrows: {name}\n"
        (home / "card.yaml").write_text(f"{card}input: '{{label}}'\n{target}\n")
    gym = open_gym(str(tmp_path))
    answers = [gym.split(task, 13).test[0].targets for task in gym.tasks]
    assert answers[2:] == [("high",), ("x", "y")]
