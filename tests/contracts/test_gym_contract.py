"""What every gym promises, run on each of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mpt.errors import DataError, UnknownName
from mpt.gym.metrics import METRICS, score
from mpt.gym.source import Gym, open_gym
from mpt.gym.splits import PARTS, SEEDS

TASKS = {
    "glue-rte": ("entailment", "not_entailment"),
    "glue-sst2": ("positive", "negative"),
    "ag_news": ("World", "Sports"),
    "squad-no_context": ("1912\tin 1912", "Paris"),
    "openbookqa": ("sun", "moon"),
    "superglue-rte": ("entailment", "not_entailment"),
}


OWN = {
    "films": ("ACC", ("good", "bad")),
    "letters": ("EM", ("a1", "b1")),
    "numbers": ("Pearson-Correlation", ("1", "2.5")),
    "songs": ("Classification-F1", ("loud", "soft")),
}


def _tsv_folder(home: Path) -> Gym:
    """Six tasks of CrossFit with rows made here."""
    for task, answers in TASKS.items():
        (home / task).mkdir()
        shots = 32 if task in ("squad-no_context", "openbookqa") else 16
        for seed in SEEDS:
            for part in PARTS:
                drawn = 0 if part == "test" else seed
                lines = [f"{task} {part} {drawn} {row}\t{answers[row % 2]}\n" for row in range(8)]
                (home / task / f"{task}_{shots}_{seed}_{part}.tsv").write_text("".join(lines))
    return open_gym(str(home))


def _own_tasks(home: Path) -> Gym:
    """Four tasks of one's own, each of rows and a card."""
    for name, (metric, answers) in OWN.items():
        (home / name).mkdir()
        rows = [f"{name} {row},{answers[row % 2]}" for row in range(60)]
        (home / name / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
        (home / name / "card.yaml").write_text(
            f"{{family: own, kind: classification, metric: {metric}, shots: 4, rows: rows.csv, "
            'input: "{text}", target: "{label}"}\n'
        )
    return open_gym(str(home))


MAKERS: dict[str, Callable[[Path], Gym]] = {"tsv": _tsv_folder, "own": _own_tasks}
with suppress(ImportError):
    from mpt.gym.mini import MiniGym

    MAKERS["mini"] = lambda home: MiniGym()


@pytest.fixture(params=MAKERS.values(), ids=MAKERS, scope="module")
def gym(request, tmp_path_factory) -> Gym:
    return request.param(tmp_path_factory.mktemp("gym"))


def test_tasks_are_sorted_and_named_once(gym):
    assert gym.tasks == tuple(sorted(set(gym.tasks)))
    assert gym.tasks
    assert gym.name


def test_cards_say_what_a_task_is(gym):
    for task in gym.tasks:
        card = gym.card(task)
        assert card.task == task
        assert card.metric in METRICS
        assert card.kind in ("classification", "text_to_text")
        assert card.family
        assert card.shots > 0


def test_every_part_has_examples_with_answers(gym):
    for task in gym.tasks[:6]:
        split = gym.split(task, SEEDS[0])
        assert (split.task, split.metric, split.seed) == (task, gym.card(task).metric, SEEDS[0])
        for part in PARTS:
            assert split.part(part)
            assert all(isinstance(one.input, str) and one.targets for one in split.part(part))


def test_splits_are_deterministic(gym):
    task = gym.tasks[0]
    again = open_gym(gym.name)
    for seed in SEEDS:
        assert gym.split(task, seed) == again.split(task, seed)
        assert gym.split(task, seed).digest == again.split(task, seed).digest


def test_seeds_draw_different_examples_and_share_the_test_set(gym):
    task = gym.tasks[0]
    splits = [gym.split(task, seed) for seed in SEEDS]
    assert len({split.train for split in splits}) == len(SEEDS)
    assert len({split.digest for split in splits}) == len(SEEDS)
    assert len({split.test for split in splits}) == 1


def test_asked_for_its_own_shots_a_task_gives_its_own_rows(gym):
    for task in gym.tasks[:6]:
        assert gym.split(task, SEEDS[0], gym.card(task).shots) == gym.split(task, SEEDS[0])


def test_settings_name_only_tasks_of_the_gym(gym):
    partitions = gym.partitions
    assert partitions.settings
    for name, setting in partitions.settings.items():
        assert name == setting.name
        assert {*setting.sources, *setting.targets} <= set(gym.tasks)
        assert not {*setting.sources} & {*setting.targets}
        assert not {*partitions.validation} & {*setting.targets}
    assert partitions.validation
    assert set(partitions.validation) <= set(gym.tasks)
    assert gym.partitions == partitions


def test_gold_answers_score_best(gym):
    for task in gym.tasks[:6]:
        test = gym.split(task, SEEDS[0]).test
        guesses = [example.targets[0] for example in test]
        assert score(gym.card(task).metric, guesses, [example.targets for example in test]) > 0.99


def test_unknown_tasks_get_a_near_miss(gym):
    wrong = gym.tasks[0] + "x"
    for ask in (gym.card, lambda task: gym.split(task, SEEDS[0])):
        with pytest.raises(UnknownName, match=f"unknown task '{wrong}' - did you mean") as raised:
            ask(wrong)
        assert gym.tasks[0] in str(raised.value)


def test_unknown_seeds_are_refused(gym):
    with pytest.raises(DataError, match="seed 7"):
        gym.split(gym.tasks[0], 7)
