"""What a notebook calls: the same results as the commands', as frames and typed values."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
from terminal import mpt as command
from terminal import study_file

import mpt

pytestmark = pytest.mark.slow

MINI_SPACE = {"inner_lr", "outer_lr", "inner_steps", "outer_steps"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home, and a study that was searched and promoted in it."""
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPT_HOME", str(folder / "home"))
        study = mpt.Study.from_yaml(study_file(folder / "study.yaml"), trials=2)
        search = mpt.sweep(study, progress=mpt.Quiet())
        final = mpt.promote(search, progress=mpt.Quiet())
    return folder, search, final


@pytest.fixture
def home(place, monkeypatch):
    monkeypatch.setenv("MPT_HOME", str(place[0] / "home"))
    return place[0] / "home"


@pytest.fixture
def search(place, home) -> mpt.Searched:
    return place[1]


@pytest.fixture
def final(place, home) -> mpt.Promoted:
    return place[2]


def test_every_public_name_is_there_and_is_listed():
    for name in mpt.__all__:
        assert getattr(mpt, name).__doc__, name
    assert set(mpt.__all__) <= set(dir(mpt))
    assert sorted(mpt.__all__) == mpt.__all__
    with pytest.raises(AttributeError, match="sweeep"):
        mpt.sweeep  # noqa: B018


def test_importing_it_imports_nothing_heavy():
    code = "import mpt, sys; print([m for m in ('torch', 'pandas', 'optuna') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_a_study_from_keywords_is_that_of_the_command():
    study = mpt.Study(method="maml", backbone="google/t5-base-lm-adapt", tuning={"steps": 7})
    assert study.backbone.name == "google/t5-base-lm-adapt"
    assert (study.tuning.steps, study.title) == (7, "mini-maml")
    assert study.space.dimensions("maml").keys() == MINI_SPACE


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"methd": "maml"}, "did you mean 'method'"),
        ({"method": "reptle"}, "did you mean 'reptile'"),
        ({"trials": 0}, "'trials' is 0"),
    ],
)
def test_a_wrong_study_is_one_clear_error(keys, says):
    with pytest.raises(mpt.InputError, match=says):
        mpt.Study(**keys)


def test_a_search_gives_its_trials_and_the_best(search):
    assert list(search.trials["trial"]) == [0, 1]
    assert {"outer_lr", "arg", "low", "high", "digest", "state"} <= set(search.trials.columns)
    best = search.best
    row = search.trials.set_index("trial").loc[best.trial]
    assert best.arg == row["arg"] == search.trials["arg"].max()
    assert best.params == {"outer_lr": row["outer_lr"]}
    assert (search.left, search.lost, search.is_latest) == (0, 0, True)


def test_a_search_is_drawn(search, tmp_path):
    assert search.plot()._repr_svg_().lstrip().startswith("<")
    assert search.plot().save(tmp_path / "trials.png").stat().st_size
    with pytest.raises(mpt.InputError, match=r"\.png or \.svg"):
        search.plot().save("trials.pdf")


def test_a_study_is_found_again_as_the_command_shows_it(search):
    again = mpt.load_study("small")
    pd.testing.assert_frame_equal(again.trials, search.trials)
    with pytest.raises(mpt.UnknownName, match="did you mean 'small'"):
        mpt.load_study("smal")


def test_the_same_sweep_computes_nothing_and_more_trials_go_on(search, capsys):
    assert mpt.sweep(search.study).records == search.records
    assert "nothing to compute" in capsys.readouterr().err


def test_a_promotion_gives_arg_cells_report_and_champion(final):
    assert list(final.arg["setting"]) == ["Cls->Cls"]
    assert {"arg", "low", "high", "seed_low", "seed_high"} <= set(final.arg.columns)
    assert {"PT", "fomaml"} == set(final.cells["method"])
    assert final.cells["digest"].notna().all()
    assert final.report.read_text().startswith("<!doctype html>")
    assert final.champion == "models:/mpt-small@champion"
    assert "<svg" in final.plot()._repr_svg_()


def test_the_command_prints_what_the_call_returns(final, home):
    said = command("promote", "--json", home=home)
    assert f'"arg": {final.arg["arg"][0]}' in said.out


def test_a_promotion_says_what_it_cannot_promote(search):
    with pytest.raises(mpt.InputError, match="no trial '7'"):
        mpt.promote(search, 7)
    with pytest.raises(mpt.UnknownName, match="did you mean 'Cls->Cls'"):
        mpt.promote(search, settings=["Cls->Cl"])
    with pytest.raises(mpt.UnknownName, match="no-such-study"):
        mpt.promote("no-such-study")


def test_a_prompt_is_found_by_every_name(final, home, tmp_path):
    prompt = mpt.load_prompt("champion")
    names = (prompt.digest, prompt.digest[:8], final.champion, "mpt-small", prompt.file)
    for name in (*names, str(prompt.file)):
        same = mpt.load_prompt(name)
        assert same.digest == prompt.digest, name
        assert (same.tensor == prompt.tensor).all()
    assert list(prompt.tensor.shape) == [3, prompt.tensor.shape[1]]
    answers = prompt.predict(["the cat", "a dog"])
    assert answers == mpt.load_prompt(prompt.file).predict(["the cat", "a dog"])
    assert len(answers) == 2


def test_what_is_no_prompt_is_refused(home, tmp_path):
    (tmp_path / "other.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(mpt.InputError, match="no prompt of mpt"):
        mpt.load_prompt(tmp_path / "other.safetensors")
    with pytest.raises(mpt.InputError, match="cannot be read"):
        mpt.load_prompt("missing.safetensors")
    with pytest.raises(mpt.UnknownName, match="mpt-small"):
        mpt.load_prompt("mpt-smal")
    with pytest.raises(mpt.InputError, match="list of texts"):
        mpt.load_prompt().predict("a text")


def test_a_prompt_is_evaluated_beside_plain_tuning(final, search, home):
    found = mpt.evaluate(mpt.load_prompt(), study=search.study, progress=mpt.Quiet())
    assert set(found.cells["method"]) == {"PT", "prompt"}
    assert found.arg["arg"][0] == pytest.approx(final.arg["arg"][0])
    plain = mpt.evaluate(study=search.study, progress=mpt.Quiet())
    assert plain.gain is None
    assert plain.arg.empty
    with pytest.raises(mpt.UnknownName, match="did you mean 'Cls->Cls'"):
        mpt.evaluate(mpt.load_prompt(), "Cls->Cl", study=search.study)


def test_one_run_is_learned_and_found_again(search, home, tmp_path):
    lines: list[str] = []
    learned = mpt.run(search.study, progress=mpt.PlainProgress(lines.append))
    assert len(learned.losses) == 3
    assert (mpt.load_prompt(learned.digest).tensor == learned.prompt.tensor).all()
    assert any("fomaml: 3 steps in" in line for line in lines)


def test_an_estimate_writes_nothing(search, home, tmp_path, monkeypatch):
    monkeypatch.setenv("MPT_HOME", str(tmp_path / "empty"))
    found = mpt.estimate(search.study, trials=4, progress=mpt.Quiet())
    assert found.left == len(found.work.units) > 4
    assert found.seconds > 0
    assert not (tmp_path / "empty").exists()


def test_a_spent_budget_ends_a_promotion_by_an_error_that_says_so(search, tmp_path, monkeypatch):
    monkeypatch.setenv("MPT_HOME", str(tmp_path / "home"))
    stopping = mpt.Stopping("1s")
    begun = mpt.sweep(search.study, progress=mpt.Quiet())
    monkeypatch.setattr(mpt.Stopping, "_is_over", True)
    with pytest.raises(mpt.Stopped, match="the budget of 1s is spent"):
        mpt.promote(begun, budget=stopping, progress=mpt.Quiet())
    assert mpt.sweep(search.study, trials=3, budget=stopping, progress=mpt.Quiet()).left == 1
