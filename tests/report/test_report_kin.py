"""Near-duplicates across source and target tasks are told with a promotion's gains."""

from __future__ import annotations

from datetime import UTC, datetime

from mpt.config import RunConfig
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.mini import MiniGym
from mpt.gym.partitions import Setting
from mpt.gym.reach import Reach
from mpt.lab.campaign import Campaign, MetaRun, MethodConfig
from mpt.lab.promote import EvaluatedRun, Promotion
from mpt.report.caution import warnings
from mpt.report.collect import promotion_findings
from mpt.search.trial import Trial
from mpt.store.results import DivergedResult
from mpt.store.unit import Unit
from mpt.study.study import Study


def told(*settings: Setting, reaches: tuple[Reach, ...] = ()) -> tuple[str, ...]:
    """The warnings of a promotion on some settings that gave no result."""
    study = Study()
    method_config = MethodConfig(study, {}, "defaults")
    meta_runs = tuple(_share(method_config, setting) for setting in settings)
    trial = Trial(0, {}, "complete", arg=1.0)
    wanted = Campaign(
        study, trial, (method_config,), settings, tuple(meta_run.meta_run for meta_run in meta_runs)
    )
    promotion = Promotion(wanted, meta_runs, (), (), 0, 0, reaches=reaches)
    return warnings(promotion_findings(promotion, (), "mpt promote best"))


def _share(method_config: MethodConfig, setting: Setting) -> EvaluatedRun:
    config = method_config.study.run({}, sources=setting.sources, weights="w", data="d")
    return EvaluatedRun(MetaRun(setting, method_config, 0, config), _diverged(config), ())


def _diverged(config: RunConfig) -> Unit:
    return Unit(
        digest=config.digest,
        kind="meta",
        config=config,
        state="diverged",
        result=DivergedResult(reason="nan", step=1),
        artefact=None,
        seconds=0.0,
        created=datetime.now(UTC),
    )


def test_every_target_with_kin_is_named_with_the_reason():
    sources = ("glue-rte", "ethos-race", "ethos-gender", "imdb", "tweet_eval-hate", "boolq")
    targets = ("superglue-rte", "ethos-religion", "tweet_eval-irony", "ag_news")
    (line,) = [line for line in told(Setting("Mine", sources, targets)) if "Mine" in line]
    assert line == (
        "Mine: 3 of 4 targets share data with sources, as some of the paper's do, and may "
        "gain by memory: superglue-rte (glue-rte: the same data set), ethos-religion (2 sources: "
        "two tasks made from the same rows of ethos), tweet_eval-irony (tweet_eval-hate: siblings "
        "of the collection tweet_eval)"
    )


def test_the_paper_s_random_setting_has_such_pairs_and_others_have_none():
    partitions = crossfit_partitions()
    lines = told(*partitions.settings.values())
    kin = {line.partition(":")[0] for line in lines if "share data with sources" in line}
    assert kin == {"R->R", "Cls->Cls", "Both->Cls", "Both->Non-Cls", "Non-Cls->Non-Cls"}
    assert any(line.startswith("R->R: 7 of 20 targets share data") for line in lines)


def test_the_mini_gym_has_none():
    lines = told(*MiniGym().partitions.settings.values())
    assert not any("share data" in line for line in lines)


def test_cut_inputs_are_told_with_the_gains():
    setting = Setting("Mine", ("imdb",), ("boolq",))
    cut = Reach("boolq", "test", 60, 7, 60, 0, 0, 64, 16)
    assert "boolq: test 7 of 60 inputs are cut at max_input 64" in told(setting, reaches=(cut,))
    whole = Reach("boolq", "test", 60, 0, 60, 0, 0, 64, 16)
    assert not any("boolq" in line for line in told(setting, reaches=(whole,)))
