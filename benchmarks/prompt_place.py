"""Prompt before or after the input: plain prompt tuning on the embedded gym, same cells, paired.

``python benchmarks/prompt_place.py`` prints, for both places and both starts of a prompt, the mean
test score over the targets of all settings, and the paired difference to the default with a 95 %
interval over tasks. Units go to the ledger of ``MPT_HOME``: it can be stopped and continued.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import t

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY, BackboneConfig, Place, Tuning
from mpt.gym.source import open_gym
from mpt.lab.run import BASELINE, EvalProtocol, EvalTarget, Lab, scores
from mpt.stats.scores import best_dev
from mpt.store.home import Home
from mpt.store.ledger import Ledger

SEEDS = (13, 21, 42, 87, 100)
PLACES: tuple[Place, ...] = ("before", "after")
STARTS = ("vocabulary", "tasks")


def tests(place: Place, begin: str, home: Home, ledger: Ledger) -> np.ndarray:
    """Mean test score of each target over data seeds, at each seed's best-dev rate."""
    gym = open_gym("mini")
    backbone = BackboneConfig(prompt_position=place, prompt_init=begin)
    settings = map(gym.partitions.setting, gym.partitions.settings)
    targets = tuple(sorted({task for setting in settings for task in setting.targets}))
    lab = Lab(Worker(gym, backbone, home), ledger)
    eval_target = EvalTarget("all", BASELINE, VOCABULARY, targets)
    evaluated = lab.evaluate_cells(
        [eval_target], EvalProtocol(SEEDS, (0.5, 0.3), Tuning()), title=place, pack=16
    )
    found = best_dev(scores(evaluated))
    return np.array([np.mean([s.test for s in found if s.task == task]) for task in targets])


def main() -> None:
    """Print the table."""
    home = Home.find().open()
    with Ledger(home.ledger_url) as ledger:
        usual = tests("before", "vocabulary", home, ledger)
        print(f"{len(usual)} targets x {len(SEEDS)} data seeds x rates 0.5, 0.3")
        for place in PLACES:
            for begin in STARTS:
                found = tests(place, begin, home, ledger)
                gap = found - usual
                half = t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / len(gap) ** 0.5
                low, high = gap.mean() - half, gap.mean() + half
                print(f"{place:<7}{begin:<11} test {found.mean():.3f}", end="  ")
                print(f"difference {gap.mean():+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    main()
