"""What the stores hold of a study or a promotion; nothing is computed and nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mpt.compute.worker import Worker
from mpt.config import RunConfig
from mpt.errors import InputError
from mpt.lab.promote import Promotion, prepare, promote
from mpt.lab.retest import TOP
from mpt.lab.run import Config, Lab
from mpt.search.search import Search
from mpt.search.storage import study_names
from mpt.search.trial import Trial
from mpt.store.artefacts import prompt_file, prompt_of
from mpt.store.home import Home
from mpt.store.ledger import Ledger, open_ledger
from mpt.store.results import MissingResult
from mpt.store.row_checks import expect_sound
from mpt.store.unit import Unit
from mpt.study.places import gym_of
from mpt.study.study import Study
from mpt.study.study_file import make_study


@dataclass
class Recorded(Lab):
    """A lab that only looks up: a unit that the ledger lacks comes back as ``missing``."""

    def learn(self, configs: Sequence[RunConfig], title: str, pack: int) -> dict[str, Unit]:
        """See ``Lab.learn``; no checkpoint is dropped.

        Raises:
            InputError: all are missing.
            DataError: a prompt is damaged.
        """
        units = self._settle(configs)
        if all(unit.state == "missing" for unit in units.values()):
            raise InputError(
                "nothing of this promotion is in this ledger; `mpt promote` runs it, with --study "
                "for one that was not begun last"
            )
        # a ledger may be read where its prompts are not; those that are here must be whole
        for unit in units.values():
            if unit.artefact and prompt_file(self.worker.home, unit).exists():
                prompt_of(self.worker.home, unit)
        return units

    def _settle(self, configs: Sequence[Config], **ways: Any) -> dict[str, Unit]:
        held = self.ledger.get_many(config.digest for config in configs)
        expect_sound(held.values(), self.metric_of)
        return {c.digest: held.get(c.digest) or _missing(c) for c in configs}


def recorded_study(
    name: str, home: Home | None = None
) -> tuple[Study, list[Trial], dict[str, Unit]]:
    """A study, its trials and what the ledger holds of their meta-trainings.

    Raises:
        UnknownName: no such study.
    """
    home = home or Home.find()
    search = Search.load(home, name)
    trials = search.trials
    with open_ledger(home) as ledger:
        units = ledger.get_many(t.digest for t in trials if t.digest)
        expect_sound(units.values())
        return search.study, trials, units


def recorded_promotion(name: str, home: Home | None = None) -> tuple[Promotion, list[Trial]]:
    """The last promotion of a study, or that of its trial N where ``name`` is ``STUDY-N``.

    Raises:
        UnknownName: no such study.
        InputError: no such trial, or nothing of the promotion is in the ledger.
    """
    home = home or Home.find()
    title, _, number = name.rpartition("-")
    which = number if name not in study_names(home) and number.isdigit() else "best"
    search = Search.load(home, name if which == "best" else title)
    with open_ledger(home) as ledger:
        study, which, top = _as_promoted(search, which, ledger)
        worker = Worker(
            gym_of(study), study.backbone, home, computes=False, begun_as=search.begun_as
        )
        lab = Recorded(worker, ledger)
        wanted, retests = prepare(study, search.trials, lab, which, top)
        return promote(wanted, lab, retests), search.trials


def note_promotion(promotion: Promotion, which: str, top: int, ledger: Ledger) -> None:
    """Remember what was promoted and how its trial was chosen, so that a report can tell it."""
    study, trial = promotion.study, promotion.trial
    role = {
        "trial": trial.number + 1,
        "which": which,
        "top": top,
        "final": study.final.model_dump(mode="json"),
        "at": datetime.now(UTC).isoformat(),
    }
    ledger.link(f"promotion:{study.title}", role, [promotion.shares[0].config.digest])


def _as_promoted(search: Search, which: str, ledger: Ledger) -> tuple[Study, str, int]:
    """The study with what was last promoted of it (of a trial, unless ``best``), and how."""
    study = search.study
    noted = [role for role, _ in ledger.linked(f"promotion:{study.title}")]
    if which != "best":
        noted = [role for role in noted if str(role["trial"]) == which]
    if not noted:
        return study, which, TOP
    final = {**study.model_dump(), "final": noted[-1]["final"]}
    made = make_study(final, f"study {study.title!r}")
    return made, noted[-1]["which"], noted[-1]["top"]


def _missing(config: Config) -> Unit:
    return Unit(
        digest=config.digest,
        kind=config.kind,
        config=config,
        state="missing",
        result=MissingResult(),
        artefact=None,
        seconds=0.0,
        created=datetime.fromtimestamp(0, UTC),
    )
