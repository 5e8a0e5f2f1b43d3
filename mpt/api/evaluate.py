"""A prompt on target tasks, beside plain prompt tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.api.values.prompt import Prompt
from mpt.api.values.study import studied
from mpt.api.work.session import Session
from mpt.config import VOCABULARY, located
from mpt.errors import ResultsError
from mpt.lab import evaluate as evaluations
from mpt.lab.run import scores
from mpt.report.scoring import scored_by
from mpt.stats.scores import Gain, Score
from mpt.store.home import Home
from mpt.store.ledger import open_ledger
from mpt.store.row_checks import config_of
from mpt.study.study import Study
from mpt.tracking.provenance import find_prompt

if TYPE_CHECKING:
    from typing import Unpack

    import pandas as pd

    from mpt.api.work.compute import Compute


@dataclass(frozen=True)
class Evaluated:
    """A prompt's scores on target tasks, and its gain over plain prompt tuning.

    Attributes:
        setting: the name of the targets.
        records: the score of every cell, every data seed and learning rate.
        gain: None where plain prompt tuning itself was evaluated.
        scoring: tasks by how they were answered, by ``labels`` or by ``generation``.
    """

    setting: str
    records: tuple[Score, ...]
    gain: Gain | None
    scoring: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before believing the gain, a sentence each."""
        return self.gain.warnings if self.gain else ()

    @cached_property
    def arg(self) -> pd.DataFrame:
        """The ARG in percent and its intervals: one row, none for plain prompt tuning."""
        from mpt.api.values.frames import gains_frame

        return gains_frame([self.gain] if self.gain else [])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A downstream cell a row: task, seed, learning rate and scores."""
        from mpt.api.values.frames import scores_frame

        return scores_frame(self.records)


def evaluate(
    prompt: Prompt | str = VOCABULARY,
    setting: str | None = None,
    *,
    tasks: Sequence[str] = (),
    study: Study | str | Path | None = None,
    gym: str | Path | None = None,
    **ways: Unpack[Compute],
) -> Evaluated:
    """Tune a learned prompt on target tasks: its scores and its ARG over plain prompt tuning.

    All final data seeds and learning rates of the study are run, per seed the rate with the best
    dev score counts. What the ledger holds is not computed again.

    Args:
        prompt: as loaded, a digest or a registered name; ``vocabulary`` for plain prompt tuning.
        setting: whose target tasks; by default the study's.
        tasks: target tasks by name, instead of a setting.
        study: whose ``tuning``, ``final`` seeds and rates; also the path of a study file.
        gym: ``mini`` or a folder of tasks; by default the study's.
        ways: see ``Compute``.

    Raises:
        UnknownName: no such prompt, setting or task.
        ConfigError: a target is among the tasks that the prompt was learned on.
        ResultsError: every cell diverged.

    Example::

        mpt.evaluate(mpt.load_prompt("champion"), setting="Cls->Cls").arg
    """
    unit = None
    changes: dict[str, object] = {"gym": gym, "setting": setting}
    which = prompt.digest if isinstance(prompt, Prompt) else prompt
    if which != VOCABULARY:
        home = Home.find()
        with open_ledger(home) as ledger:
            unit = find_prompt(ledger, home, which)
        changes["backbone"] = located(config_of(unit))
    chosen = studied(study, changes)
    with Session(chosen, **ways) as session:
        name, targets = evaluations.targets_of(chosen, unit, tasks, session.worker)
        with session.alone(f"evaluation:{unit.digest if unit else VOCABULARY} on {name}"):
            found = evaluations.evaluate(chosen, unit, name, targets, session.lab)
        session.progress.say(session.summary())
    if not (known := scores(found.evaluated)):
        raise ResultsError(
            "every cell diverged, so there is no score",
            fix="give smaller rates",
        )
    return Evaluated(name, tuple(known), found.gain, scored_by(found.evaluated))
