"""Findings: the content of a report as plain records, whatever they were collected from."""

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
    from mpt.lab.similarity import SimilarityMatrix
    from mpt.search.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLine:
    """Describe one unit of work behind the numbers.

    Attributes:
        kind: ``meta-training`` or ``cell``.
        task, seed, lr: of a downstream cell.
        meta_seed: of the meta-training, or of the one that a cell starts from.
        state: ``done``, ``diverged`` or ``failed``; a failed unit may be tried again.
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
    """Hold a quantity recorded during training: ``values[i]`` after ``steps[i]`` updates.

    Attributes:
        panel: curves of one panel are drawn together.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    panel: str = ""


@dataclass(frozen=True, slots=True)
class Versus:
    """Compare two methods in one setting, over tasks and over seeds.

    Attributes:
        holm: p-value over tasks, Holm-corrected for all pairs of the setting.
    """

    setting: str
    tasks: Paired
    seeds: Paired
    holm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Hold everything that a report shows; only the title and the gains are required.

    Attributes:
        title: heading of the page.
        gains: every (setting, method) with its ARG.
        created: date and time as printed, with the time zone.
        command: the command line that reproduces these findings.
        gym: ``mini``, a folder, or another source of the target tasks.
        backbone: name of the frozen language model.
        trials: of the sweep that chose the hyper-parameters.
        winner: number of the chosen trial.
        ranking: how far the trials' ranking can be relied on, a sentence each.
        retested: whether the winner was chosen on data seeds that its search did not use.
        scores: every downstream cell, at all learning rates.
        scoring: their tasks by how they were answered, see ``mpt.report.scoring``.
        importance: of the searched hyper-parameters, as shares.
        dev_curves: dev evaluations of downstream cells during tuning, at the chosen learning rates.
        similarity: of the targets' prompts from plain prompt tuning (PT).
        curves: of the meta-trainings, on one y axis called ``curve_label``.
        config: what was run, a value by label.
        software: versions, commit, device.
        notes: remarks for the section on how to read the page.
        cautions: warnings beyond those that the gains carry themselves.
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
    ranking: tuple[str, ...] = ()
    retested: bool = False
    scores: tuple[Score, ...] = ()
    scoring: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    dev_curves: tuple[DevCurve, ...] = ()
    similarity: SimilarityMatrix | None = None
    units: tuple[UnitLine, ...] = ()
    curves: tuple[Curve, ...] = ()
    curve_label: str = "training loss (nats per token)"
    config: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[str, ...]:
        """Return the settings in the order of their gains."""
        return tuple(dict.fromkeys(gain.setting for gain in self.gains))

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the compared methods in the order of their gains, without the baseline."""
        return tuple(dict.fromkeys(gain.method for gain in self.gains))

    @property
    def names(self) -> dict[str, str]:
        """Map each method to its name on the page; see ``words.method_names``."""
        every = (
            *(name for gain in self.gains for name in (gain.method, gain.baseline)),
            *(row.method for rows in (self.scores, self.units, self.dev_curves) for row in rows),
            self.baseline,
        )
        return words.method_names(every)

    @property
    def baseline(self) -> str:
        """Return the baseline of the gains."""
        return self.gains[0].baseline if self.gains else "PT"

    @property
    def facts(self) -> dict[str, str]:
        """Return what was run, a value by label: gym and backbone first, nothing empty."""
        named = {"gym": self.gym, "backbone": self.backbone, **self.config}
        return {label: value for label, value in named.items() if value}

    @property
    def unlearned(self) -> tuple[UnitLine, ...]:
        """Return meta-trainings without a prompt, whose setting and method have no gain."""
        with_gain = {(gain.setting, gain.method) for gain in self.gains}
        return tuple(
            unit
            for unit in self.lost
            if unit.kind == "meta-training" and (unit.setting, unit.method) not in with_gain
        )

    def learned(self, gain: Gain) -> str:
        """Return the digests of the meta-trainings behind a gain; empty if there are none."""
        key = (gain.setting, gain.method)
        meta = (unit for unit in self.units if unit.kind == "meta-training")
        return ", ".join(unit.digest for unit in meta if (unit.setting, unit.method) == key)

    @property
    def lost(self) -> tuple[UnitLine, ...]:
        """Return the units without a result."""
        return tuple(unit for unit in self.units if unit.state != "done")

    @property
    def unfinished(self) -> tuple[UnitLine, ...]:
        """Return the units that the same command would still compute: missing or failed ones."""
        return tuple(unit for unit in self.lost if unit.state in ("missing", "failed"))

    @property
    def paces(self) -> tuple[Pace, ...]:
        """Compute how soon each method reaches the baseline's best dev score in each setting."""
        return tuple(paces(self.dev_curves, self.baseline))

    @property
    def versus(self) -> tuple[Versus, ...]:
        """Compare every two methods of every setting that has scores."""
        comparisons: list[Versus] = []
        for setting in self.settings:
            scores = [score for score in self.scores if score.setting == setting]
            if not scores:
                continue
            pairs = list(combinations((g.method for g in self.gains if g.setting == setting), 2))
            tasks, seeds = (
                [compare(scores, *pair, baseline=self.baseline, among=among) for pair in pairs]
                for among in ("tasks", "seeds")
            )
            p_values = holm([test.p for test in tasks])
            comparisons += map(Versus, [setting] * len(pairs), tasks, seeds, p_values)
        return tuple(comparisons)
