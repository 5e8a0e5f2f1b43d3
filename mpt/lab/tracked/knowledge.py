"""What a search knows of its own ranking, as it is logged with the study."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from mpt.lab.race import Race
from mpt.stats.reliability import Reliability


@dataclass(frozen=True)
class SearchKnowledge:
    """What a search knows of its own ranking.

    Attributes:
        reliability: None before two trials have completed.
        race: of its trials, if one has ended.
        lines: the same in sentences, for the description of the study's run.
    """

    reliability: Reliability | None
    race: Race | None = None
    lines: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """Return the reliability over data seeds, NaN if it is not known."""
        return self.reliability.value if self.reliability else nan

    @property
    def winner(self) -> int | None:
        """Return the number of the trial that won a race."""
        return self.race.winner if self.race else None
