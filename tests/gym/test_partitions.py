"""The paper's settings as data, restriction to a folder, and settings of one's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpt.errors import ConfigError, UnknownName
from mpt.gym.build.catalogue import cards
from mpt.gym.crossfit import crossfit_partitions, folder_partitions, near_duplicates
from mpt.gym.partitions import Partitions, Setting, read_partitions

TABLE_1 = {
    "R->R": (114, 20),
    "Cls->Cls": (45, 10),
    "Both->Cls": (45, 10),
    "Non-Cls->Cls": (45, 10),
    "Cls->Non-Cls": (45, 12),
    "Both->Non-Cls": (45, 12),
    "Non-Cls->Non-Cls": (45, 12),
    "QA->QA": (22, 15),
    "Non-QA->QA": (33, 15),
    "NP->P": (60, 4),
}


def test_counts_are_those_of_table_1():
    settings = crossfit_partitions().settings.values()
    counts = {one.name: (len(one.sources), len(one.targets)) for one in settings}
    assert counts == TABLE_1
    assert list(counts) == list(TABLE_1)
    both = crossfit_partitions().setting("Both->Cls").sources
    assert sum(cards()[task].family == "classification" for task in both) == 23


def test_every_name_has_a_card_and_ablations_nest():
    partitions = crossfit_partitions()
    for setting in (*partitions.settings.values(), *partitions.ablations.values()):
        assert {*setting.sources, *setting.targets} <= set(cards())
    sizes = {name: set(one.sources) for name, one in partitions.ablations.items()}
    assert [len(tasks) for tasks in sizes.values()] == [12, 24, 45]
    assert sizes["Cls(12)->Cls"] < sizes["Cls(24)->Cls"] < sizes["Cls(45)->Cls"]
    assert sizes["Cls(45)->Cls"] == set(partitions.setting("Cls->Cls").sources)
    assert set(partitions.validation) <= set(cards())
    assert partitions.roles("tweet_eval-emotion")[-1] == "validation"
    assert "NP->P target" in partitions.roles("paws")


def test_a_whole_folder_gives_the_published_settings():
    assert folder_partitions(dict.fromkeys(cards(), 1)) == crossfit_partitions()


def test_standins_leave_both_sides_and_prefer_new_subfamilies():
    held = {task: size for size, task in enumerate(crossfit_partitions().setting("R->R").sources)}
    held |= dict.fromkeys(("superglue-rte", "ag_news"), 7)
    partitions = folder_partitions(held)
    assert len(partitions.validation) == 5
    assert len({cards()[task].subfamily for task in partitions.validation}) == 5
    for setting in partitions.settings.values():
        assert not {*partitions.validation} & {*setting.sources, *setting.targets}
    assert folder_partitions(dict(reversed(held.items()))) == partitions


def test_two_tasks_are_the_least():
    assert folder_partitions({"imdb": 1, "boolq": 1}).setting("all").sources == ("imdb",)
    with pytest.raises(ConfigError, match="setting 'all' has no"):
        folder_partitions({"imdb": 1})


def test_near_duplicates_of_the_paper_are_found():
    partitions = crossfit_partitions()
    random = {
        (one.source, one.target): one.why for one in near_duplicates(partitions.setting("R->R"))
    }
    assert random["glue-rte", "superglue-rte"] == "the same data set"
    assert ("race-middle", "race-high") in random
    assert random["ethos-race", "ethos-disability"].startswith("two tasks made from the same rows")
    assert "siblings of the collection tweet_eval" in random.values()
    others = near_duplicates(partitions.setting("Non-Cls->Non-Cls"))
    assert ("break-QDMR-high-level", "break-QDMR") in {(one.source, one.target) for one in others}
    assert near_duplicates(partitions.setting("Non-Cls->Cls")) == ()


def test_a_setting_refuses_overlap_repeats_and_empty_sides():
    with pytest.raises(ConfigError, match="'s' has a among its sources and its targets"):
        Setting("s", ("a", "b"), ("a",))
    with pytest.raises(ConfigError, match="names a twice among its sources"):
        Setting("s", ("a", "a"), ("b",))
    with pytest.raises(ConfigError, match="'s' has no targets"):
        Setting("s", ("a",), ())


def test_unknown_settings_get_a_near_miss():
    with pytest.raises(UnknownName, match="unknown setting 'R->' - did you mean 'R->R'"):
        crossfit_partitions().setting("R->")
    assert crossfit_partitions().setting("Cls(12)->Cls").name == "Cls(12)->Cls"


def test_own_settings_from_yaml(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("settings:\n  A->B: {sources: [a, b], targets: [c]}\nvalidation: [d]\n")
    own = read_partitions(path)
    assert own == Partitions({"A->B": Setting("A->B", ("a", "b"), ("c",))}, ("d",))
    assert own.digest == read_partitions(path).digest != replace(own, validation=()).digest
    own.check("abcd")


@pytest.mark.parametrize(
    ("task", "where"),
    [
        ("a", "the sources of setting 'A->B'"),
        ("c", "the targets of setting 'A->B'"),
        ("d", "validation"),
    ],
)
def test_a_task_that_the_gym_lacks_is_named_with_its_place(task, where):
    own = Partitions({"A->B": Setting("A->B", ("a1", "b1"), ("c1",))}, ("d1",))
    tasks = {"a1", "b1", "c1", "d1"} - {f"{task}1"} | {f"{task}11"}
    message = f"unknown task '{task}1' - did you mean '{task}11'.*It is named in {where}."
    with pytest.raises(UnknownName, match=message):
        own.check(tasks)


def test_nothing_is_searched_on_a_target():
    with pytest.raises(ConfigError, match="b: among the validation tasks and the targets of"):
        Partitions({"A": Setting("A", ("a",), ("b",))}, ("b",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "settings: {A: {sources: [a], target: [b]}}",
            "unknown key 'target' - did you mean 'targets'",
        ),
        ("setings: {}", "unknown key 'setings' - did you mean 'settings'"),
        ("validation: [a]", "the key 'settings' is missing"),
        ("settings: {A: {sources: [a], targets: b}}", "'A': targets: must be a list of task names"),
        ("settings: {'A,B': {sources: [a], targets: [b]}}", "setting 'A,B': a name consists of"),
        ("settings: {../A: {sources: [a], targets: [b]}}", "setting '../A': a name consists of"),
        (
            "settings: {A: {sources: [a], targets: [b]}}\nvalidation: [b]",
            "nothing may be searched on a target",
        ),
        ("settings: {A: {sources: [a], targets: [a]}}", "among its sources and its targets"),
        ("settings: []", "settings must map at least one name"),
        ("[1", "cannot be read as YAML"),
        ("", "must hold the keys settings, validation"),
    ],
)
def test_wrong_yaml_is_explained(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        read_partitions(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"settings file .*no.yaml cannot be read \(No such file"):
        read_partitions(tmp_path / "no.yaml")


def test_a_setting_has_a_short_name_without_quotes():
    partitions = crossfit_partitions()
    for short, name in {
        "np-p": "NP->P",
        "r-r": "R->R",
        "CLS-CLS": "Cls->Cls",
        "non-cls-non-cls": "Non-Cls->Non-Cls",
        "cls-12-cls": "Cls(12)->Cls",
    }.items():
        assert partitions.setting(short).name == name
    shorts = [name.lower().replace("->", "-") for name in partitions.settings]
    assert [partitions.setting(name).name for name in shorts] == list(TABLE_1)


@pytest.mark.parametrize("given", ["cls-clz", "", "->"])
def test_what_is_no_setting_even_in_short_is_refused(given):
    with pytest.raises(UnknownName, match=f"unknown setting '{given}'"):
        crossfit_partitions().setting(given)
    with pytest.raises(UnknownName, match="did you mean 'Cls->Cls'"):
        crossfit_partitions().setting("cls-clz")


def test_a_short_name_of_two_settings_is_none():
    two = {name: Setting(name, ("a",), ("b",)) for name in ("A->B", "a-b", "A+B")}
    partitions = Partitions(two, ())
    assert partitions.setting("a-b").name == "a-b"
    with pytest.raises(UnknownName):
        partitions.setting("A B")
