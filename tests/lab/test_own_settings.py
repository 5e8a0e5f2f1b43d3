"""Settings of one's own: read beside the study file, swept, promoted, and part of the study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synthetic import write_gym
from terminal import world

from mpt.compute.worker import Worker
from mpt.errors import ConfigError, DataError, StoreError, UnknownName
from mpt.gym.partitions import Setting, read_partitions
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.promote import prepare, promote
from mpt.lab.run import Lab
from mpt.lab.sweep import sweep
from mpt.search.search import Search
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.settings import settings_of
from mpt.study.study_file import make_study, read_study, resolve

SETTINGS = """\
settings:
  Pairs->News: {sources: [glue-mrpc, glue-qqp], targets: [ag_news]}
  News->Pairs: {sources: [ag_news], targets: [glue-mrpc, glue-qqp]}
validation: [trec]
"""
STUDY = """\
name: own
gym: GYM
partitions: mine/settings.yaml
backbone: {name: BACKBONE, prompt_tokens: 3, max_input: 16, max_target: 4}
method: fomaml
source_seeds: [13]
inner: {steps: 1, batch: 2}
outer: {steps: 2, episodes: 2, batch: 2}
space: {outer_lr: [0.5]}
tuning: {steps: 3, batch: 4, num_evals: 1}
validation: {seeds: [13]}
final: {seeds: [13], lrs: [0.3]}
trials: 1
"""


@pytest.fixture
def file(tmp_path):
    gym, backbone = world().gym, world().backbone
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "settings.yaml").write_text(SETTINGS)
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("GYM", str(gym)).replace("BACKBONE", str(backbone)))
    return path


def worker(study, tmp_path) -> Worker:
    home = Home.find({"MPT_HOME": str(tmp_path / "home")})
    return Worker(open_gym(study.gym), study.backbone, home, "cpu")


def test_a_file_beside_the_study_is_read_and_its_first_setting_searched(file, tmp_path):
    study = read_study(file, {})
    assert study.setting == "Pairs->News"
    concrete = plan(study, worker(study, tmp_path))
    assert (concrete.sources, concrete.tasks) == (("glue-mrpc", "glue-qqp"), ("trec",))
    other = plan(read_study(file, {"setting": "News->Pairs"}), worker(study, tmp_path))
    assert other.sources == ("ag_news",)
    assert make_study(study.model_dump(mode="json")) == study


def test_the_same_settings_in_the_study_file_are_the_same_study(file):
    indented = "".join(f"  {line}\n" for line in SETTINGS.splitlines())
    inline = file.read_text().replace("mine/settings.yaml\n", f"\n{indented}")
    beside = read_study(file, {})
    file.write_text(inline)
    assert read_study(file, {}) == beside
    assert read_study(file, {}).definition == beside.definition
    assert "partitions" not in resolve(None, {}).definition


def test_a_sweep_and_a_promotion_use_them(file, tmp_path):
    study = read_study(file, {})
    lab_worker = worker(study, tmp_path)
    home = lab_worker.home.open()
    with Ledger(home.ledger_url) as ledger:
        lab = Lab(lab_worker, ledger)
        trials = sweep(plan(study, lab_worker), lab, home, on_trial=lambda _: None)
        (file.parent / "mine" / "settings.yaml").unlink()
        stored = Search.latest(home).study
        wanted, _ = prepare(stored, trials, lab)
        promotion = promote(wanted, lab)
        named = stored.final.model_copy(update={"settings": ("News->Pair",)})
        with pytest.raises(UnknownName, match="did you mean 'News->Pairs'"):
            prepare(stored.model_copy(update={"final": named}), trials, lab)
    assert [meta_run.setting for meta_run in promotion.meta_runs] == [
        Setting("Pairs->News", ("glue-mrpc", "glue-qqp"), ("ag_news",)),
        Setting("News->Pairs", ("ag_news",), ("glue-mrpc", "glue-qqp")),
    ]


def test_other_settings_are_another_study(file, tmp_path):
    study = read_study(file, {})
    lab_worker = worker(study, tmp_path)
    home = lab_worker.home.open()
    Search.begin(study, plan(study, lab_worker).definition, home)
    path = file.parent / "mine" / "settings.yaml"
    path.write_text(SETTINGS + "# a remark changes nothing\n")
    again = read_study(file, {})
    Search.check(again, plan(again, lab_worker).definition, home)
    path.write_text(SETTINGS.replace("targets: [ag_news]", "targets: [imdb]"))
    changed = read_study(file, {})
    with pytest.raises(StoreError, match=r"partitions was .*, is "):
        Search.check(changed, plan(changed, lab_worker).definition, home)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[ag_news]}", "[ag_nws]}", "unknown task 'ag_nws' - did you mean 'ag_news'"),
        ("[trec]", "[trek]", "unknown task 'trek' - did you mean 'trec'.*named in validation"),
        ("[trec]", "[glue-qqp]", "nothing may be searched on a target"),
        ("targets: [ag_news]", "targets: [glue-qqp]", "glue-qqp among its sources and its targets"),
        ("targets: [ag_news]", "target: [ag_news]", "unknown key 'target' - did you mean"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_is_written(file, tmp_path, old, new, message):
    path = file.parent / "mine" / "settings.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises((ConfigError, UnknownName), match=message):
        plan(study := read_study(file, {}), worker(study, tmp_path))
    assert not (tmp_path / "home").exists()


def test_a_missing_file_is_named_where_it_was_sought(file):
    (file.parent / "mine" / "settings.yaml").unlink()
    with pytest.raises(ConfigError, match=r"settings file .*/mine/settings.yaml cannot be read"):
        read_study(file, {})
    with pytest.raises(ConfigError, match="'partitions' is 3"):
        make_study({"partitions": 3})


def test_settings_are_read_from_beside_the_study_file_and_not_from_elsewhere(file, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link.yaml").symlink_to(file)
    for name in (f"../{file.name}", str(file), "link.yaml"):
        study = elsewhere / "study.yaml"
        study.write_text(f"partitions: {name}\n")
        with pytest.raises(DataError, match=r"leads out of .*; put the file beside the study"):
            read_study(study, {})


def test_without_validation_tasks_the_gym_s_or_the_study_s_are_taken(file, tmp_path):
    path = file.parent / "mine" / "settings.yaml"
    path.write_text(SETTINGS.replace("validation: [trec]", ""))
    study = read_study(file, {})
    gym = worker(study, tmp_path).gym
    assert settings_of(study, gym).validation == gym.partitions.validation
    searched = study.model_copy(
        update={"validation": study.validation.model_copy(update={"tasks": ("ag_news",)})}
    )
    with pytest.raises(ConfigError, match="nothing may be searched on a target"):
        settings_of(searched, gym)


def test_the_worked_example_of_the_docs_can_be_planned(repository: Path, tmp_path, monkeypatch):
    page = (repository / "docs" / "own-tasks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w*)\n(.*?)```", page, flags=re.DOTALL)
    yaml_blocks = [text for kind, text in blocks if kind == "yaml"]
    (rows,) = [text for kind, text in blocks if kind == "csv"]
    (commands,) = [text for kind, text in blocks if "mpt sweep" in text]
    monkeypatch.chdir(tmp_path)
    beside = ("imdb", "rotten_tomatoes", "yelp_polarity", "poem_sentiment")
    films = write_gym(tmp_path / "my-gym", beside) / "films"
    films.mkdir()
    (films / "card.yaml").write_text(yaml_blocks[0])
    (films / "reviews.csv").write_text(rows + rows.split("\n", 1)[1] * 60)
    (tmp_path / "my-gym" / "settings.yaml").write_text(yaml_blocks[1])
    (tmp_path / "study.yaml").write_text(yaml_blocks[2])
    study = read_study(tmp_path / "study.yaml", {})
    concrete = plan(study, worker(study, tmp_path))
    assert concrete.sources == ("imdb", "rotten_tomatoes", "yelp_polarity")
    assert concrete.tasks == ("poem_sentiment",)
    settings = settings_of(study, open_gym("my-gym"))
    assert settings.setting("Reviews->Films").targets == ("films",)
    option = commands.split("--partitions ")[1].split()[0]
    assert read_partitions(option) == study.partitions
