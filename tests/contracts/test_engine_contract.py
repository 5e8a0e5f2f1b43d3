"""What the engine promises every method of the table: its own gradient, whatever its order."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_t5

from mpt import methods
from mpt.backbone.batch import collate
from mpt.config import BackboneConfig, InnerLoop, OuterLoop, RunConfig
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.learn import Learned, learn
from mpt.engine.pack import MetaJob
from mpt.engine.plan import META_ENGINES, known_engine
from mpt.errors import ConfigError, UnknownName
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit
from mpt.methods import METHODS, Method
from mpt.methods.inner import slope

CHOSEN = BackboneConfig(name="tiny", prompt_tokens=3, max_input=12, max_target=4)


@pytest.fixture
def backbone():
    return tiny_t5(spread=1.0)


def register(monkeypatch, name: str, method: Method) -> None:
    monkeypatch.setattr(methods, "METHODS", {**METHODS, name: method})


def job(backbone, method: str, lr: float = 0.1) -> MetaJob:
    config = RunConfig.model_construct(
        backbone=CHOSEN,
        weights=backbone.weights,
        method=method,
        inner=InnerLoop(lr=lr, steps=2, batch=2),
        outer=OuterLoop(optimiser="sgd", lr=0.5, steps=2, episodes=2, batch=3),
        sources=("the", "a"),
        data_seeds=(13,),
        data="x",
        revision=None,
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


def learned(backbone, tmp_path, *jobs: MetaJob, engine: str = "auto"):
    return learn(jobs, backbone, checkpoints=Checkpoints(tmp_path / "c", every=1e9), engine=engine)


def test_a_method_of_order_two_beside_maml_gets_its_own_gradient(backbone, tmp_path, monkeypatch):
    mine = Method(curvature, support=True, query="dev", order=2)
    register(monkeypatch, "mine", mine)
    jobs = [job(backbone, "mine"), job(backbone, "mine", lr=0.3)]
    for one, packed in zip(jobs, learned(backbone, tmp_path, *jobs), strict=True):
        assert isinstance(packed, Learned)
        assert packed.plan is not None
        assert packed.plan.engine == "second order"
        torch.testing.assert_close(packed.prompt, by_hand(mine, backbone, one), rtol=0, atol=1e-9)
        other = by_hand(METHODS["maml"], backbone, one)
        assert (other - packed.prompt).abs().max() > 1e-3, "MAML's would have been seen"


def by_hand(method: Method, backbone, job: MetaJob):
    """The prompt after two steps of SGD on a method's directions, episode by episode."""
    theta = job.start
    for step in range(2):
        theta = theta - 0.5 * direction(method, backbone, job, step, theta)
    return theta


def direction(method: Method, backbone, job: MetaJob, step: int, theta):
    found = []
    for episode in (job.episodes[2 * step], job.episodes[2 * step + 1]):
        support = [collate([rows]) for rows in episode.support]
        alpha = theta.new_full((1, 1, 1), job.config.inner.lr)
        query = collate([episode.query]) if episode.query else None
        given = (theta[None], support, query, backbone.curved, alpha)
        found.append(method.gradient(*given).direction[0])
    return torch.stack(found).mean(0)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_s_step_is_its_own_gradient(name, backbone, tmp_path):
    one = job(backbone, name)
    (packed,) = learned(backbone, tmp_path, one)
    assert isinstance(packed, Learned)
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

    engines = {name: named(name) for name in ("graph", "recursion")}
    mine = Method(curvature, support=True, query="dev", order=2, engines=engines)
    register(monkeypatch, "mine", mine)
    one = job(backbone, "mine")
    (packed,) = learned(backbone, tmp_path, one, engine=engine)
    assert asked == [engine, engine]
    assert isinstance(packed, Learned)
    torch.testing.assert_close(packed.prompt, by_hand(mine, backbone, one), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["fomaml", "reptile", "mtl", "mine"])
def test_an_engine_that_a_method_does_not_have_is_refused(name, backbone, tmp_path, monkeypatch):
    register(monkeypatch, "mine", Method(curvature, support=True, query="dev", order=2))
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
        assert known.engines.keys() <= META_ENGINES.keys()
        assert not known.engines or known.gradient in known.engines.values()
