"""Small meta-trainings and cells of tiny backbones."""

from __future__ import annotations

from mpt.config import BackboneConfig, CellConfig, InnerLoop, OuterLoop, RunConfig, Tuning
from mpt.engine.pack import CellJob, MetaJob
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit

CHOSEN = BackboneConfig(name="tiny", prompt_tokens=3, max_input=12, max_target=4)


def split(backbone, task):
    words = ["cat", "dog", "mat", "the red hill", "good dog ran", "blue"]
    rows = tuple(Example(f"{task} {w}", ("yes" if i % 2 else "no",)) for i, w in enumerate(words))
    few = FewShotSplit(task, "ACC", 13, rows[:4], rows[2:], rows)
    return TokenSplit(few, backbone.encode, CHOSEN.max_input, CHOSEN.max_target)


def meta(backbone, method="maml", lr=0.1):
    config = RunConfig(
        backbone=CHOSEN,
        weights=backbone.weights,
        method=method,
        inner=InnerLoop(lr=lr, steps=2, batch=4),
        outer=OuterLoop(lr=0.1, steps=3, episodes=2, batch=4, optimiser="sgd"),
        sources=("the", "a"),
        data_seeds=(13,),
        data="x",
    )
    units = (split(backbone, "the"), split(backbone, "a"))
    return MetaJob(config, units, backbone.vocabulary_prompt(3, "run"))


def cells(backbone):
    jobs = []
    for lr in (0.1, 0.3):
        config = CellConfig(
            backbone=CHOSEN,
            weights=backbone.weights,
            task="the",
            data_seed=13,
            data="x",
            start="vocabulary",
            lr=lr,
            tuning=Tuning(optimiser="sgd", steps=4, batch=4, num_evals=2),
        )
        start = backbone.vocabulary_prompt(3, "cell")
        jobs.append(CellJob(config, split(backbone, "the"), start))
    return jobs
