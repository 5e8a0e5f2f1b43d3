"""Read the recorded results of a study or promotion, without computing or writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mpt.compute.worker import Worker
from mpt.config import RunConfig
from mpt.errors import InputError
from mpt.lab.promote import Promotion, prepare, promote
from mpt.lab.race import race_winner
from mpt.lab.retest import TOP
from mpt.lab.run import Config, Lab, PackSize
from mpt.search.earlier_numbers import FIRST, first_of
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
    """Look units up instead of running them; a unit that the ledger lacks is ``missing``."""

    def learn(self, configs: Sequence[RunConfig], title: str, pack: PackSize) -> dict[str, Unit]:
        """Look up meta-trainings as ``Lab.learn`` does, keeping checkpoints.

        Raises:
            InputError: all of them are missing.
            DataError: a prompt is damaged.
        """
        units = self._run_missing(configs)
        if all(unit.state == "missing" for unit in units.values()):
            raise InputError(
                "this ledger has no results of this promotion",
                fix="run `mpt promote`, with --study for a study that is not the latest",
            )
        # a ledger may be read without its prompts, but those that exist must be intact
        for unit in units.values():
            if unit.artefact and prompt_file(self.worker.home, unit).exists():
                prompt_of(self.worker.home, unit)
        return units

    def _run_missing(self, configs: Sequence[Config], **ways: object) -> dict[str, Unit]:
        recorded = self.ledger.get_many(config.digest for config in configs)
        expect_sound(recorded.values(), self.metric_of)
        return {c.digest: recorded.get(c.digest) or _missing(c) for c in configs}


def recorded_study(
    name: str, home: Home | None = None
) -> tuple[Study, list[Trial], dict[str, Unit]]:
    """Load a study, its trials and the recorded units of their meta-trainings.

    Raises:
        UnknownName: there is no such study.
    """
    home = home or Home.find()
    search = Search.load(home, name)
    trials = search.trials
    with open_ledger(home) as ledger:
        units = ledger.get_many(t.digest for t in trials if t.digest)
        expect_sound(units.values())
        return search.study, trials, units


def recorded_promotion(name: str, home: Home | None = None) -> tuple[Promotion, list[Trial]]:
    """Load the last promotion of a study, or that of its trial N if ``name`` is ``STUDY-N``.

    Raises:
        UnknownName: there is no such study.
        InputError: there is no such trial, or the ledger has no results of the promotion.
    """
    home = home or Home.find()
    title, _, number = name.rpartition("-")
    which = number if name not in study_names(home) and number.isdecimal() else "best"
    search = Search.load(home, name if which == "best" else title)
    with open_ledger(home) as ledger:
        study, which, top, number = _as_promoted(search, which, ledger)
        worker = Worker(
            gym_of(study), study.backbone, home, computes=False, begun_as=search.begun_as
        )
        lab = Recorded(worker, ledger)
        # a race may have ended since, with another winner than the trial that was promoted
        raced = race_winner(study.title, search.trials, ledger)
        is_raced = raced is not None and raced.number == number
        wanted, retests = prepare(study, search.trials, lab, which, top, is_raced=is_raced)
        return promote(wanted, lab, retests), search.trials


def note_promotion(promotion: Promotion, which: str, top: int, ledger: Ledger) -> None:
    """Record what was promoted and how its trial was chosen, for later reports."""
    study, trial = promotion.study, promotion.trial
    role = {
        FIRST: 0,
        "trial": trial.number,
        "which": which,
        "top": top,
        "final": study.final.model_dump(mode="json"),
        "at": datetime.now(UTC).isoformat(),
    }
    ledger.link(f"promotion:{study.title}", role, [promotion.meta_runs[0].config.digest])


def _as_promoted(search: Search, which: str, ledger: Ledger) -> tuple[Study, str, int, int | None]:
    """Return the study as last promoted (by trial, unless ``best``), how, and the trial's number.

    The number is None if the study was not promoted.
    """
    study = search.study
    promotions = [role for role, _ in ledger.linked(f"promotion:{study.title}")]
    if which != "best":
        promotions = [r for r in promotions if r["trial"] - first_of(r) == int(which)]
    if not promotions:
        return study, which, TOP, None
    final = {**study.model_dump(), "final": promotions[-1]["final"]}
    promoted = make_study(final, f"study {study.title!r}")
    last = promotions[-1]
    number = last["trial"] - first_of(last)
    how = "best" if last["which"] == "best" else str(number)
    return promoted, how, last["top"], number


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
