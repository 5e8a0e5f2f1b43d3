"""How much of a gym's rows a backbone can read and write, computed without a home or a cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mpt.backbone.frozen import Backbone
from mpt.config import BackboneConfig
from mpt.gym.reach import Reach
from mpt.gym.source import Gym
from mpt.gym.splits import PARTS, SEEDS
from mpt.gym.tokens import TokenSplit


def reaches(
    gym: Gym, tasks: Iterable[str], backbone: Backbone, config: BackboneConfig
) -> Iterator[Reach]:
    """Yield the reach of each part of each task under the first data seed.

    Args:
        gym: has the rows.
        tasks: names of the tasks.
        backbone: its tokenizer encodes and decodes the rows.
        config: has the limits of the backbone.

    Raises:
        DataError: rows that cannot be read, or a gold answer that a metric cannot score against.
    """
    limits = config.max_input, config.max_target
    for task in tasks:
        split = gym.split(task, SEEDS[0])
        tokens = TokenSplit(split, backbone.encode, *limits, before=config.before(task))
        for part in PARTS:
            yield tokens.reach(part, backbone.decode)
