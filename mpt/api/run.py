"""One meta-training, without a search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.api.values.prompt import Prompt
from mpt.api.values.study import studied
from mpt.api.work.session import Session
from mpt.config import RunConfig
from mpt.errors import MptError
from mpt.lab.evaluate import learn_one, one_run
from mpt.lab.tracked.projection import Projection
from mpt.study.study import Study

if TYPE_CHECKING:
    from typing import Unpack

    from mpt.api.work.compute import Compute


@dataclass(frozen=True)
class Learned:
    """A meta-training that was completed.

    Attributes:
        config: what was run.
        prompt: what it learned.
        losses: by update, the mean over its episodes.
        runs: what shows its run in MLflow.
    """

    config: RunConfig
    prompt: Prompt
    losses: tuple[float, ...]
    runs: str

    @property
    def digest(self) -> str:
        """The digest of the run, as ``load_prompt`` and ``evaluate`` take it."""
        return self.prompt.digest


def run(study: Study | str | Path | None = None, **ways: Unpack[Compute]) -> Learned:
    """Learn one initial prompt with the study's own ``inner`` and ``outer`` values.

    Its space is left aside. The same call again computes nothing.

    Args:
        study: also the path of a study file; by default Reptile on the embedded gym.
        ways: see ``Compute``.

    Raises:
        InputError: what is asked for cannot be used; nothing was written.
        MptError: the run diverged, or failed.

    Example::

        learned = mpt.run(mpt.Study(method="fomaml", outer={"lr": 0.1, "steps": 60}))
        mpt.evaluate(learned.prompt, setting="Cls->Cls").arg
    """
    chosen = studied(study)
    with Session(chosen, **ways) as session:
        config = one_run(chosen, session.worker)
        with session.alone(f"run:{config.digest}"):
            unit = learn_one(config, session.lab)
            place = "its own sources" if chosen.sources else chosen.setting
            Projection(session.tracker, chosen, session.home).alone(config, unit, place)
        session.progress.say(session.summary())
    if unit.state != "done":
        raise MptError(f"run {unit.digest} {unit.state}: {unit.reason}")
    return Learned(config, Prompt(unit, session.home), unit.curve, session.runs)
