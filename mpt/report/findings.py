"""What a report tells: plain records, whatever they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from mpt.report import words
from mpt.stats.convergence import DevCurve, Pace, paces
from mpt.stats.paired import Paired, compare, holm
from mpt.stats.scores import Gain, Score

if TYPE_CHECKING:
    from mpt.lab.similarity import Similarity
    from mpt.search.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLine:
    """One unit of work behind the numbers.

    Attributes:
        kind: ``meta-training`` or ``cell``.
        task, seed, lr: of a downstream cell.
        meta_seed: of the meta-training, or of the one that a cell starts from.
        state: ``done`` or ``diverged``; ``failed`` may be tried again.
        reason: why it has no score.
    """

    digest: str
    kind: str
    setting: str
    method: str
    task: str = ""
    seed: int | None = None
    lr: float | None = None
    meta_seed: int = 0
    state: str = "done"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A number that changed while training: ``values[i]`` was seen after ``steps[i]`` updates.

    Attributes:
        panel: curves of one panel are drawn together.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    panel: str = ""


@dataclass(frozen=True, slots=True)
class Versus:
    """Two methods in one setting, compared over tasks and over seeds.

    Attributes:
        holm: p over tasks, corrected for all pairs of the setting.
    """

    setting: str
    tasks: Paired
    seeds: Paired
    holm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that a report is made from; only the title and the gains are a must.

    Attributes:
        title: what the page is called.
        gains: every (setting, method) with its ARG.
        created: when, as it should be read, with its time zone.
        command: the line that makes these findings again.
        gym: ``mini``, a folder, or whatever the targets came from.
        backbone: the frozen language model's name.
        trials: of the sweep that chose the hyper-parameters; ``winner`` is the number of one.
        retested: the winner was chosen on data seeds that its search did not see.
        scores: every downstream cell, all learning rates.
        importance: of the searched hyper-parameters, as shares.
        looks: dev scores of downstream cells while they were tuned, at the rates that were chosen.
        similarity: of the targets' prompts from plain prompt tuning.
        curves: of the meta-trainings, on one y axis called ``curve_label``.
        config: what was run, a label and a value a line.
        software: versions, commit, device.
        cautions: what a reader should know beside what the gains themselves warn of.
    """

    title: str
    gains: tuple[Gain, ...]
    created: str = ""
    command: str = ""
    gym: str = ""
    backbone: str = ""
    study: str = ""
    trials: tuple[Trial, ...] = ()
    winner: int | None = None
    retested: bool = False
    scores: tuple[Score, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    looks: tuple[DevCurve, ...] = ()
    similarity: Similarity | None = None
    units: tuple[UnitLine, ...] = ()
    curves: tuple[Curve, ...] = ()
    curve_label: str = "training loss (nats per token)"
    config: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[str, ...]:
        """Settings in the order of their gains."""
        return tuple(dict.fromkeys(gain.setting for gain in self.gains))

    @property
    def methods(self) -> tuple[str, ...]:
        """Compared methods in the order of their gains, the baseline not among them."""
        return tuple(dict.fromkeys(gain.method for gain in self.gains))

    @property
    def names(self) -> dict[str, str]:
        """What each method is called on the page; see ``words.method_names``."""
        every = (
            *(name for gain in self.gains for name in (gain.method, gain.baseline)),
            *(one.method for of in (self.scores, self.units, self.looks) for one in of),
            self.baseline,
        )
        return words.method_names(every)

    @property
    def baseline(self) -> str:
        """What the gains are over."""
        return self.gains[0].baseline if self.gains else "PT"

    @property
    def facts(self) -> dict[str, str]:
        """What was run, a label and a value a line: gym and backbone first, nothing empty."""
        named = {"gym": self.gym, "backbone": self.backbone, **self.config}
        return {label: value for label, value in named.items() if value}

    @property
    def unlearned(self) -> tuple[UnitLine, ...]:
        """Meta-trainings without a prompt, so that their setting and method have no gain."""
        have = {(gain.setting, gain.method) for gain in self.gains}
        return tuple(
            unit
            for unit in self.lost
            if unit.kind == "meta-training" and (unit.setting, unit.method) not in have
        )

    def learned(self, gain: Gain) -> str:
        """Digests of the meta-trainings behind a gain; empty where there are none."""
        of = (gain.setting, gain.method)
        found = (unit for unit in self.units if unit.kind == "meta-training")
        return ", ".join(u.digest for u in found if (u.setting, u.method) == of)

    @property
    def lost(self) -> tuple[UnitLine, ...]:
        """Units without a result."""
        return tuple(unit for unit in self.units if unit.state != "done")

    @property
    def paces(self) -> tuple[Pace, ...]:
        """How soon each method reaches the baseline's best dev score in each setting."""
        return tuple(paces(self.looks, self.baseline))

    @property
    def versus(self) -> tuple[Versus, ...]:
        """Every two methods of every setting whose scores are known."""
        found: list[Versus] = []
        for setting in self.settings:
            scores = [score for score in self.scores if score.setting == setting]
            if not scores:
                continue
            pairs = list(combinations((g.method for g in self.gains if g.setting == setting), 2))
            tasks, seeds = (
                [compare(scores, *pair, baseline=self.baseline, among=among) for pair in pairs]
                for among in ("tasks", "seeds")
            )
            ps = holm([test.p for test in tasks])
            found += map(Versus, [setting] * len(pairs), tasks, seeds, ps)
        return tuple(found)
