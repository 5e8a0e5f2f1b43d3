"""The ten settings in miniature."""

from __future__ import annotations

from mpt.gym.mini import MiniGym

NAMES = [
    "R->R", "Cls->Cls", "Both->Cls", "Non-Cls->Cls", "Cls->Non-Cls", "Both->Non-Cls",
    "Non-Cls->Non-Cls", "QA->QA", "Non-QA->QA", "NP->P",
]  # fmt: skip


def test_the_papers_ten_settings() -> None:
    assert list(MiniGym().partitions.settings) == NAMES


def test_validation_tasks_are_in_no_setting() -> None:
    gym = MiniGym()
    assert len(gym.partitions.validation) == 5
    for setting in gym.partitions.settings.values():
        named = {*setting.sources, *setting.targets}
        assert named <= set(gym.tasks)
        assert not named & set(gym.partitions.validation)


def test_sides_hold_what_their_names_say() -> None:
    gym = MiniGym()

    def families(tasks: tuple[str, ...]) -> set[str]:
        return {gym.card(task).family for task in tasks}

    for name, setting in gym.partitions.settings.items():
        source, _, target = name.partition("->")
        for kind, tasks in ((source, setting.sources), (target, setting.targets)):
            match kind:
                case "Cls" | "P":
                    assert families(tasks) == {"classification"}
                case "QA":
                    assert families(tasks) == {"qa"}
                case "Non-Cls":
                    assert "classification" not in families(tasks)
                case "Non-QA":
                    assert "qa" not in families(tasks)
    paraphrase = {t for t in gym.tasks if gym.card(t).subfamily == "paraphrase"}
    assert not paraphrase & set(gym.partitions.settings["NP->P"].sources)
    assert set(gym.partitions.settings["NP->P"].targets) <= paraphrase


def test_every_side_has_as_many_targets_as_an_average_over_tasks_needs() -> None:
    for name, setting in MiniGym().partitions.settings.items():
        assert len(setting.targets) >= (4 if name.endswith("->P") else 10), name
        assert len(setting.sources) >= 10, name


def test_a_task_has_one_role() -> None:
    settings = MiniGym().partitions.settings.values()
    sources = {task for setting in settings for task in setting.sources}
    assert not sources & {task for setting in settings for task in setting.targets}


def test_promotion_stays_small() -> None:
    settings = MiniGym().partitions.settings.values()
    assert sum(len(s.targets) for s in settings) <= 110
    assert len({t for s in settings for t in s.targets}) <= 44
