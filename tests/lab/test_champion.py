"""The champion of a registered model: a promoted prompt replaces it only by a paired test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from terminal import study_file

from mpt.compute.worker import Worker
from mpt.gym.source import open_gym
from mpt.lab.champion import succession
from mpt.lab.plan import plan
from mpt.lab.promote import prepare, promote
from mpt.lab.run import Lab
from mpt.lab.sweep import sweep
from mpt.lab.tracked.run_facts import setting_data, version_tags
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import read_study
from mpt.tracking.registry import Version
from mpt.tracking.tracker import ANY, NONE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("champion")
    study = read_study(study_file(folder / "study.yaml", {"trials": 2}), {})
    home = Home.find({"MPT_HOME": str(folder / "home")}).open()
    worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
    with Ledger(home.ledger_url) as ledger:
        lab = Lab(worker, ledger)
        trials = sweep(plan(study, worker), lab, home, on_trial=lambda record: None)
        first, second = (
            promote(prepare(study, trials, lab, which)[0], lab) for which in ("0", "1")
        )
        yield lab, first, second


def version(digest: str) -> Version:
    return Version("mpt-small", 4, digest, datetime.now(UTC), is_champion=True)


def raised(promoted, by: float):
    """The same meta-run with higher test scores, each by a little more."""
    cells = [
        replace(cell, unit=replace(cell.unit, result=replace_test(cell.unit.result, by + at / 100)))
        for at, cell in enumerate(promoted.evaluated)
    ]
    return replace(promoted, evaluated=tuple(cells))


def replace_test(result, by: float):
    return result.model_copy(update={"test": result.test + by})


def test_the_first_prompt_of_a_model_is_its_champion(lab):
    lab, first, _ = lab
    heir = succession(first, first.champion, None, lab, forced=False)
    assert (heir.replaces, heir.moves, heir.reason) == (NONE, True, "")
    again = version(first.champion.config.digest)
    assert succession(first, first.champion, again, lab, forced=False).moves


def test_it_stays_unless_the_new_prompt_is_significantly_better(lab):
    lab, first, second = lab
    digest, computed = first.champion.config.digest, lab.computed
    worse = succession(second, raised(second.champion, -0.2), version(digest), lab, forced=False)
    assert (worse.replaces, worse.moves) == (NONE, False)
    assert worse.reason.startswith(
        f"stays version 4 ({digest}): the new prompt is not significantly"
    )
    assert "ARG points [" in worse.reason
    assert "2 tasks and 4 cells on Cls->Cls; --force replaces it by" in worse.reason
    better = succession(second, raised(second.champion, 0.9), version(digest), lab, forced=False)
    assert (better.replaces, better.moves) == (digest, True)
    assert better.reason.startswith(f"better than version 4 ({digest}) by +")
    assert lab.computed == computed


def test_force_replaces_it_and_says_the_numbers(lab):
    lab, first, second = lab
    champion = version(first.champion.config.digest)
    heir = succession(second, second.champion, champion, lab, forced=True)
    assert (heir.replaces, heir.moves) == (ANY, True)
    assert heir.reason.startswith("forced, in place of version 4 (")
    assert "ARG points" in heir.reason


def test_without_scores_of_the_champion_it_stays(lab):
    lab, _, second = lab
    heir = succession(second, second.champion, version("0" * 12), lab, forced=False)
    assert not heir.moves
    assert "it has no scores on the targets of Cls->Cls with these seeds" in heir.reason


def test_a_version_says_its_arg_its_setting_and_its_data(lab):
    lab, first, _ = lab
    promoted = first.champion
    tags = version_tags(first, promoted, lab.worker)
    (gain,) = first.gains
    assert float(tags["mpt.arg"]) == pytest.approx(gain.arg, abs=1e-4)
    assert {"mpt.arg_low", "mpt.arg_high"} <= set(tags)
    assert (tags["mpt.setting"], tags["mpt.method"]) == ("Cls->Cls", "fomaml")
    assert tags["mpt.data.sources"] == promoted.config.data
    data = setting_data(first.study, promoted.setting, lab.worker)
    contexts = {one.name: one.context for one in data}
    assert set(contexts) == {*promoted.setting.sources, *promoted.setting.targets}
    assert contexts["ethos-race"] == "evaluation"
    assert len({one.digest for one in data}) == len(data)
