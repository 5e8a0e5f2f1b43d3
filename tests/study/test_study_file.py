"""Study files: what is read, and what a wrong one is told."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mpt.errors import ConfigError
from mpt.study.study import Study
from mpt.study.study_file import defaults, make_study, read_study, resolve

WRONG = {
    "unknown key": ({"methd": "maml"}, "unknown key 'methd' - did you mean 'method'?"),
    "unknown key inside": (
        {"space": {"iner_lr": [1]}},
        "unknown key 'space.iner_lr' - did you mean 'inner_lr'?",
    ),
    "unknown key in a range": (
        {"space": {"inner_lr": {"lw": 1, "high": 2}}},
        "unknown key 'space.inner_lr.lw' - did you mean 'low'?",
    ),
    "wrong name": ({"method": "reptil"}, "'method' is 'reptil': .* - did you mean 'reptile'?"),
    "wrong type": ({"trials": "many"}, "'trials' is 'many': input should be a valid integer"),
    "negative rate": ({"outer": {"lr": -1}}, "'outer.lr' is -1: input should be greater than 0"),
    "infinite rate": ({"inner": {"lr": float("inf")}}, "'inner.lr' is inf: .*finite"),
    "negative choice": ({"space": {"inner_lr": [-1]}}, "'space.inner_lr.0' is -1"),
    "empty choice": ({"space": {"outer_steps": []}}, "'space.outer_steps' is \\[\\]"),
    "range upside down": (
        {"space": {"outer_lr": {"low": 3, "high": 2}}},
        r"low \(3.0\) must be below high \(2.0\)",
    ),
    "a grid over a range": (
        {"sampler": "grid", "space": {"outer_lr": {"low": 0.1, "high": 1.0}}},
        "a grid needs lists of values, but outer_lr is a range",
    ),
    "bad name": ({"name": "../x"}, "'name' is '../x'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_fault_is_named(case):
    data, message = WRONG[case]
    with pytest.raises(ConfigError, match=message):
        make_study(data)


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        make_study({"trials": 0, "methd": "maml"})
    assert "'trials' is 0" in str(caught.value)
    assert "'methd'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "holds list, not a mapping"),
        ("a: [1, 2", "cannot be read as YAML"),
        ("!!python/object/apply:os.system ['true']", "cannot be read as YAML"),
        ("", "holds NoneType, not a mapping"),
        ("trials: many\n", r"study file .*study.yaml: 'trials' is 'many'"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_study(path, {})
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere.yaml cannot be read \(No such file"):
        read_study(tmp_path / "nowhere.yaml", {})


def test_options_override_the_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("method: maml\ntrials: 3\nbackbone: {name: mini, prompt_tokens: 7}\n")
    study = read_study(path, {"trials": 5, "backbone": {"name": "other"}})
    assert (study.method, study.trials) == ("maml", 5)
    assert (study.backbone.name, study.backbone.prompt_tokens) == ("other", 7)


def test_the_definition_forgets_what_does_not_make_a_study():
    one = Study(name="a", trials=3, pack=1, cells_per_pack=2)
    other = Study(name="b", trials=9, pack=8, cells_per_pack=32)
    assert one.definition == other.definition
    assert Study(seed=1).definition != Study(seed=2).definition


def test_multi_task_learning_has_no_inner_loop_to_search():
    study = resolve(None, {"method": "mtl"})
    assert set(study.space.dimensions("mtl")) == {"outer_lr", "outer_steps"}


@pytest.mark.parametrize("method", ["maml", "fomaml", "reptile", "mtl"])
@pytest.mark.parametrize("gym", ["mini", "some/folder"])
def test_the_defaults_are_a_study(gym, method):
    study = make_study({**defaults(gym, method), "gym": gym, "method": method})
    assert study.space.dimensions(method)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
keys = st.sampled_from([*Study.model_fields, "methd", ""])


@settings(max_examples=200)
@given(st.dictionaries(keys, anything))
def test_any_data_is_a_study_or_a_clean_error(data):
    try:
        study = make_study(data)
    except ConfigError:
        return
    assert study.digest == make_study(study.model_dump(mode="json")).digest


def test_a_protocol_is_habits_that_a_file_may_override():
    authors = make_study({"protocol": "authors", "backbone": {"prompt_position": "before"}})
    assert authors.backbone.prompt_position == "before"
    assert (authors.backbone.prompt_init, authors.backbone.prepend_task_name) == ("tasks", True)
    assert authors.tuning.num_beams == 4
    assert make_study({}).tuning.num_beams == 1
    with pytest.raises(ConfigError, match=r"'protocol' is 'author': .* - did you mean 'authors'"):
        make_study({"protocol": "author"})


def test_the_written_out_default_is_the_default(repository):
    written = read_study(repository / "sweeps" / "mini.yaml", {})
    assert written == resolve(None, {"method": "reptile"})


def test_every_key_is_documented(repository):
    page = (repository / "docs" / "study-file.md").read_text()
    for name, field in Study.model_fields.items():
        assert f"`{name}" in page, f"{name} is not in docs/study-file.md"
        for part in getattr(field.annotation, "model_fields", {}):
            assert f"{part}`" in page, f"{name}.{part} is not in docs/study-file.md"


OLD_KEYS = {
    "backbone": {"prompt_place": "after", "prompt_start": "tasks", "name_tasks": True},
    "tuning": {"looks": 3, "beams": 2},
    "final": {"fine_tuning": {"looks": 2}},
}
NEW_KEYS = {
    "backbone": {"prompt_position": "after", "prompt_init": "tasks", "prepend_task_name": True},
    "tuning": {"num_evals": 3, "num_beams": 2},
    "final": {"fine_tuning": {"num_evals": 2}},
}


def test_keys_of_version_0_1_are_read_with_a_note(tmp_path, caplog):
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    for path, keys in ((old, OLD_KEYS), (new, NEW_KEYS)):
        path.write_text(yaml.safe_dump({"protocol": "authors", **keys}))
    now = read_study(new, {})
    assert caplog.messages == []
    assert read_study(old, {}) == now
    (note,) = caplog.messages
    assert note.startswith(f"note: study file {old}: 'backbone.name_tasks' is now ")
    assert "'final.fine_tuning.looks' is now 'final.fine_tuning.num_evals'" in note


def test_changes_are_laid_over_old_keys(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text(yaml.safe_dump(OLD_KEYS))
    assert read_study(path, {"tuning": {"num_evals": 5}}).tuning.num_evals == 5


def test_a_key_in_both_spellings_is_refused(tmp_path):
    path = tmp_path / "both.yaml"
    path.write_text("tuning: {looks: 3, num_evals: 3}\n")
    with pytest.raises(ConfigError, match=r"both\.yaml: 'tuning\.looks' and 'tuning\.num_evals'"):
        read_study(path, {})


def test_a_study_is_stored_under_the_names_of_version_0_1():
    study = make_study({"protocol": "authors", **NEW_KEYS})
    stored = study.model_dump(mode="json")
    assert stored["tuning"]["looks"] == study.definition["tuning"]["looks"] == 3
    assert make_study(stored) == study
