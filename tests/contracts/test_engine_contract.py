"""What the engine promises every method of the table: its own gradient, whatever its order."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from equations import own
from tiny import tiny_t5

from mpt import methods
from mpt.backbone.batch import collate
from mpt.config import BackboneConfig, InnerLoop, OuterLoop, RunConfig
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.learn import MetaTrained, learn
from mpt.engine.pack import MetaJob, run_shape
from mpt.engine.plan import known_engine
from mpt.errors import ConfigError, UnknownName
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit
from mpt.methods import METHODS, Arg, Engine, Method, engine_names
from mpt.methods.inner import MetaGradient, adapt, slope
from mpt.study.study_file import make_study

CHOSEN = BackboneConfig(name="tiny", prompt_tokens=3, max_input=12, max_target=4)


@pytest.fixture
def backbone():
    return tiny_t5(spread=1.0)


def register(monkeypatch, name: str, method: Method) -> None:
    monkeypatch.setattr(methods, "METHODS", {**METHODS, name: method})


def job(backbone, method: str, lr: float = 0.1) -> MetaJob:
    args = methods.method(method).arguments({})
    config = RunConfig(
        backbone=CHOSEN,
        weights=backbone.weights,
        method=method,
        inner=InnerLoop(lr=lr, steps=2, batch=2),
        outer=OuterLoop(optimiser="sgd", lr=0.5, steps=2, episodes=2, batch=3),
        sources=("the", "a"),
        data_seeds=(13,),
        data="x",
        method_args=args or None,
    )
    units = tuple(split(backbone, task) for task in config.sources)
    return MetaJob(config, units, backbone.vocabulary_prompt(3, "run"))


def split(backbone, task: str) -> TokenSplit:
    words = ["cat", "dog", "mat", "the red hill", "good dog ran", "blue"]
    rows = tuple(Example(f"{task} {w}", ("yes" if i % 2 else "no",)) for i, w in enumerate(words))
    return TokenSplit(FewShotSplit(task, "ACC", 13, rows, rows, rows), backbone.encode, 12, 4)


def curvature(phi, support, query, loss, alpha):
    """A method of order 2 that is not MAML: the slope of alpha |dL/dphi|^2."""
    phi = phi.detach().requires_grad_()

    def squared(theta, batch):
        return alpha.flatten() * slope(theta, batch, loss, through=True).direction.square().sum(
            (-1, -2)
        )

    return slope(phi, query, squared)


def row(equation, **changes) -> Method:
    """A row of the table for a method of order 2 that is in no file."""
    known: dict[str, object] = {"support": True, "query": "dev", "order": 2, **changes}
    looks = {"label": "Mine", "summary": "a test's", "colour": "#000000", "marker": "X"}
    return Method(equation=equation, space=METHODS["maml"].space, **looks, **known)


def learned(backbone, tmp_path, *jobs: MetaJob, engine: str = "auto"):
    return learn(jobs, backbone, checkpoints=Checkpoints(tmp_path / "c", every=1e9), engine=engine)


def test_a_method_of_order_two_beside_maml_gets_its_own_gradient(backbone, tmp_path, monkeypatch):
    mine = row(curvature)
    register(monkeypatch, "mine", mine)
    jobs = [job(backbone, "mine"), job(backbone, "mine", lr=0.3)]
    for one, packed in zip(jobs, learned(backbone, tmp_path, *jobs), strict=True):
        assert isinstance(packed, MetaTrained)
        assert packed.plan is not None
        assert packed.plan.engine == "second order"
        torch.testing.assert_close(packed.prompt, by_hand(mine, backbone, one), rtol=0, atol=1e-9)
        other = by_hand(METHODS["maml"], backbone, one)
        assert (other - packed.prompt).abs().max() > 1e-3, "MAML's would have been seen"


def by_hand(method: Method, backbone, job: MetaJob):
    """The prompt after two steps of SGD on a method's directions, episode by episode."""
    theta, given = job.start, own(method, job.start[None])
    beside = set(method.begin(job.start[None]))
    for step in range(2):
        found = directions(method, backbone, job, step, theta, given)
        theta = theta - 0.5 * torch.stack([one.direction[0] for one in found]).mean(0)
        for name in beside:
            given[name] = given[name] - 0.5 * torch.stack([o.learned[name] for o in found]).mean(0)
    return theta


def directions(method: Method, backbone, job: MetaJob, step: int, theta, by_name):
    found = []
    for episode in (job.episodes[2 * step], job.episodes[2 * step + 1]):
        support = [collate([rows]) for rows in episode.support]
        alpha = theta.new_full((1, 1, 1), job.config.inner.lr)
        query = collate([episode.query]) if episode.query else None
        given = (theta[None], support, query, backbone.losses_twice_differentiable, alpha)
        found.append(method.gradient(*given, **by_name))
    return found


@pytest.mark.parametrize("name", METHODS)
def test_every_method_s_step_is_its_own_gradient(name, backbone, tmp_path):
    one = job(backbone, name)
    (packed,) = learned(backbone, tmp_path, one)
    assert isinstance(packed, MetaTrained)
    expected = by_hand(METHODS[name], backbone, one)
    torch.testing.assert_close(packed.prompt, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("engine", ["graph", "recursion"])
def test_the_engine_of_a_method_is_its_own_function(engine, backbone, tmp_path, monkeypatch):
    asked: list[str] = []

    def named(name):
        def gradient(*given):
            asked.append(name)
            return curvature(*given)

        return gradient

    engines = {name: Engine(named(name)) for name in ("graph", "recursion")}
    mine = row(curvature, engines=engines)
    register(monkeypatch, "mine", mine)
    one = job(backbone, "mine")
    (packed,) = learned(backbone, tmp_path, one, engine=engine)
    assert asked == [engine, engine]
    assert isinstance(packed, MetaTrained)
    torch.testing.assert_close(packed.prompt, by_hand(mine, backbone, one), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["fomaml", "reptile", "mtl", "mine"])
def test_an_engine_that_a_method_does_not_have_is_refused(name, backbone, tmp_path, monkeypatch):
    register(monkeypatch, "mine", row(curvature))
    with pytest.raises(
        UnknownName, match=r"unknown engine of this method 'recursion'\. Known: auto"
    ):
        learned(backbone, tmp_path, job(backbone, name), engine="recursion")


def test_a_command_refuses_an_engine_that_none_of_its_methods_has():
    assert known_engine("recursion", ["reptile", "maml"]) == "recursion"
    assert known_engine("auto", ["mtl"]) == "auto"
    with pytest.raises(ConfigError) as refused:
        known_engine("graph", ["fomaml"])
    assert str(refused.value) == (
        "no method here has the meta engine 'graph': fomaml has auto; give one of these"
    )


def test_every_engine_of_a_method_is_one_that_can_be_asked_for():
    for known in METHODS.values():
        assert known.engines.keys() <= set(engine_names())
        by_engine = [known.by(name) for name in known.engines]
        assert not known.engines or known.gradient in by_engine


def scaled(phi, support, query, loss, alpha, *, strength, rounds, scale):
    """A method with an argument of each run, one of the pack, and a scale learned beside phi."""
    adapted = adapt(phi, support[:1] * rounds, loss, scale * alpha).prompts
    outer = slope(adapted, query, loss)
    beside = {"scale": (outer.direction * phi).sum((-1, -2), keepdim=True)}
    return MetaGradient(strength * scale * outer.direction, outer.losses, beside)


SCALED = row(
    scaled,
    order=1,
    args={"strength": Arg(0.5, "a factor"), "rounds": Arg(2, "inner steps on the first batch")},
    learned=lambda phi: {"scale": torch.ones_like(phi[:, :1, :1])},
)


@pytest.mark.parametrize("optimiser", ["sgd", "adafactor", "adamw"])
def test_what_is_learned_beside_the_prompt_is_each_run_s_own(
    optimiser, backbone, tmp_path, monkeypatch
):
    register(monkeypatch, "mine", SCALED)
    jobs = [with_args(job(backbone, "mine"), optimiser, strength) for strength in (0.5, 0.2)]
    packed = learned(backbone, tmp_path / "packed", *jobs)
    for one, together in zip(jobs, packed, strict=True):
        (alone,) = learned(backbone, tmp_path / "alone", one)
        assert isinstance(together, MetaTrained)
        assert isinstance(alone, MetaTrained)
        torch.testing.assert_close(together.prompt, alone.prompt, rtol=0, atol=1e-9)
        assert together.learned["scale"] == pytest.approx(alone.learned["scale"], abs=1e-9)
        assert together.learned["scale"]["mean"] != pytest.approx(1, abs=1e-3)
    if optimiser == "sgd":
        expected = by_hand(SCALED, backbone, jobs[0])
        torch.testing.assert_close(packed[0].prompt, expected, rtol=0, atol=1e-9)


def with_args(given: MetaJob, optimiser: str, strength: float) -> MetaJob:
    config = given.config
    outer = config.outer.model_copy(update={"optimiser": optimiser})
    args = {**config.method_args, "strength": strength}
    return replace(given, config=config.model_copy(update={"outer": outer, "method_args": args}))


def test_a_run_with_another_whole_number_is_in_another_pack(backbone, monkeypatch):
    register(monkeypatch, "mine", SCALED)
    one = job(backbone, "mine").config
    other = one.model_copy(update={"method_args": {**one.method_args, "strength": 0.1}})
    apart = one.model_copy(update={"method_args": {**one.method_args, "rounds": 3}})
    assert run_shape(one) == run_shape(other) != run_shape(apart)
    assert len({config.digest for config in (one, other, apart)}) == 3


def test_a_method_takes_arguments_that_it_has(monkeypatch):
    register(monkeypatch, "mine", SCALED)
    study = make_study({"method": "mine", "method_args": {"strength": 2}})
    run = study.run({"rounds": 3.0}, sources=("a",), weights="w", data="d")
    assert run.method_args == {"strength": 2.0, "rounds": 3}
    assert RunConfig.model_validate_json(run.model_dump_json()).digest == run.digest


WRONG_ARGS = {
    "a slip": ({"strenght": 1.0}, "unknown argument of mine 'strenght' - did you mean 'strength'"),
    "a fraction": ({"rounds": 1.5}, "'rounds' is 1.5; give a whole number"),
    "below zero": ({"strength": -1.0}, "greater than"),
    "no number": ({"strength": "much"}, "strength"),
}


@pytest.mark.parametrize(("args", "words"), WRONG_ARGS.values(), ids=WRONG_ARGS)
def test_wrong_arguments_are_refused(args, words, monkeypatch):
    register(monkeypatch, "mine", SCALED)
    with pytest.raises(ConfigError, match=words):
        make_study({"method": "mine", "method_args": args})
    with pytest.raises(ConfigError, match=words):
        make_study({"method": "mine", "space": {"method_args": {k: [v] for k, v in args.items()}}})


def test_a_range_of_a_whole_number_is_refused(monkeypatch):
    register(monkeypatch, "mine", SCALED)
    searched = {"space": {"method_args": {"rounds": {"low": 1.0, "high": 4.0}}}}
    with pytest.raises(ConfigError, match="'rounds' is a whole number; give a list of values"):
        make_study({"method": "mine", **searched})
