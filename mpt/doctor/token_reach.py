"""What a backbone can read and write of a gym's rows, looked at without a home; nothing is kept."""

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
    """Each part of each task under the first data seed.

    Args:
        gym: where the rows are.
        tasks: which.
        backbone: reads and writes them.
        config: its limits.

    Raises:
        DataError: rows that cannot be read, or a gold answer that a metric cannot work with.
    """
    limits = config.max_input, config.max_target
    for task in tasks:
        split = gym.split(task, SEEDS[0])
        tokens = TokenSplit(split, backbone.encode, *limits, before=config.before(task))
        for part in PARTS:
            yield tokens.reach(part, backbone.decode)
