"""What float32 leaves of Reptile's direction when it is taken as a difference of prompts.

On the embedded backbone and gym, at the paper's inner loop (10 steps of 4 rows at 3e-5, two units
an update), with prompts of several standard deviations: the paper's learned ones have about 20.

    python benchmarks/reptile_rounding.py
"""

from __future__ import annotations

import torch

from mpt.backbone.batch import collate
from mpt.backbone.load import load_backbone
from mpt.config import BackboneConfig
from mpt.engine.optim import Adafactor
from mpt.gym.episodes import Episodes
from mpt.gym.source import open_gym
from mpt.gym.tokens import TokenSplit
from mpt.methods.inner import adapt

ALPHA, STEPS, ROWS, UNITS, UPDATES, TOKENS = 3e-5, 10, 4, 2, 5, 100


def main() -> None:
    """Print a line for each size of prompt: means over a few updates."""
    chosen, gym = BackboneConfig(prompt_tokens=TOKENS), open_gym()
    backbone = load_backbone(chosen, "cpu")
    tasks = gym.partitions.setting("Cls->Cls").sources
    splits = [gym.split(task, 13, None) for task in tasks]
    units = [TokenSplit(s, backbone.encode, chosen.max_input, chosen.max_target) for s in splits]
    episodes = Episodes(units, "rounding", STEPS, ROWS, "none", ROWS)
    unit = backbone.vocabulary_prompt(TOKENS, "rounding")
    print("std   zeros  relative error  cosine  cosine of Adafactor's update  moved by one step")
    for spread in (float(unit.std()), 5.0, 20.0):
        phi = (unit * (spread / unit.std()))[None]
        found = torch.tensor([_update(backbone, phi, episodes, n) for n in range(UPDATES)]).mean(0)
        print("{:4.1f}  {:5.3f}  {:14.3f}  {:6.3f}  {:28.3f}  {:17.3f}".format(spread, *found))


def _update(backbone, phi, episodes, number):
    drawn = [episodes[number * UNITS + slot] for slot in range(UNITS)]
    support = [collate([e.support[j] for e in drawn]) for j in range(STEPS)]
    many, alpha = phi.repeat_interleave(UNITS, 0), torch.full((UNITS, 1, 1), ALPHA)
    end, slopes, _ = adapt(many, support, backbone.losses, alpha)
    exact = slopes.mean(0, keepdim=True)
    rounded = ((many - end.detach()) / alpha).mean(0, keepdim=True)
    steps = [_step(phi, direction) for direction in (exact, rounded)]
    error = (rounded - exact).norm() / exact.norm()
    moved = (adapt(many, support[:1], backbone.losses, alpha).prompts != many).float().mean()
    zeros = (many - end.detach() == 0).float().mean()
    return (*map(float, (zeros, error, _cosine(exact, rounded), _cosine(*steps), moved)),)


def _step(phi, direction):
    optimiser = Adafactor(weight_decay=0.0)
    theta, _ = optimiser.step(phi, direction, optimiser.init(phi), torch.tensor(0.5))
    return theta - phi


def _cosine(one, other):
    return torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0)


if __name__ == "__main__":
    main()
