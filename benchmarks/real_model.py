"""Prompt tuning of a real pretrained causal model on one real task, against the untuned prompt.

``python benchmarks/real_model.py MODEL.gguf GYM [--task superglue-cb] [--lr 0.05]`` tunes a prompt
of 20 tokens and prints dev and test scores before and after, and the time of an update. Units go to
no ledger.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from statistics import median

from mpt.backbone.load import load_backbone
from mpt.config import VOCABULARY, BackboneConfig, CellConfig, Tuning
from mpt.engine.evaluate import evaluate
from mpt.engine.pack import CellJob
from mpt.engine.tune import tune
from mpt.errors import Diverged
from mpt.gym.source import open_gym
from mpt.gym.tokens import TokenSplit


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser()
    options.add_argument("model")
    options.add_argument("gym")
    options.add_argument("--task", default="superglue-cb")
    options.add_argument("--lr", type=float, default=0.05)
    options.add_argument("--steps", type=int, default=60)
    options.add_argument("--seed", type=int, default=13)
    options.add_argument("--device")
    options.add_argument("--precision", default="fp32")
    options.add_argument("--scoring", default="generation")
    options.add_argument("--test-rows", type=int)
    given = options.parse_args()
    chosen = BackboneConfig(
        name=given.model,
        prompt_tokens=20,
        max_input=160,
        max_target=8,
        precision=given.precision,
    )
    backbone, gym = load_backbone(chosen, given.device), open_gym(given.gym)
    rows, kind = gym.split(given.task, given.seed), gym.card(given.task).kind
    split = TokenSplit(rows, backbone.encode, chosen.max_input, chosen.max_target, kind=kind)
    start = backbone.vocabulary_prompt(chosen.prompt_tokens, "cell", given.task, given.seed)
    parts = [
        split.questions("dev", scoring=given.scoring),
        split.questions("test", given.test_rows, given.scoring),
    ]
    before = [evaluate(backbone, start[None], [q], limit=chosen.max_target)[0] for q in parts]
    config = CellConfig(
        backbone=chosen,
        weights=backbone.weights,
        task=given.task,
        data_seed=given.seed,
        data=rows.digest,
        start=VOCABULARY,
        lr=given.lr,
        tuning=Tuning(
            steps=given.steps,
            batch=8,
            num_evals=6,
            scoring=given.scoring,
            test_rows=given.test_rows,
        ),
    )
    ticks: list[float] = []
    began = time.monotonic()
    job = CellJob(config, split, start)
    (end,) = tune([job], backbone, on_step=lambda _: ticks.append(time.monotonic()))
    if isinstance(end, Diverged):
        raise SystemExit(str(end))
    seconds = time.monotonic() - began
    update = median(later - earlier for earlier, later in pairwise(ticks))
    what = f"{given.task}, seed {given.seed}, {parts[0].metric}, rate {given.lr}, {given.precision}"
    print(f"{what}, {parts[0].scoring}: {seconds:.0f} s, {update:.2f} s an update")
    print(f"untuned  dev {before[0]:.3f}  test {before[1]:.3f}")
    print(f"tuned    dev {end.dev:.3f}  test {end.test:.3f}  (best after {end.best_step} steps)")
    print(f"evals {list(end.evals)}; loss {end.curve[0]:.2f} -> {end.curve[-1]:.2f}")


if __name__ == "__main__":
    main()
