"""Forecast what a call costs a model and a GPU that are not there: nothing is loaded or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mpt.api.campaign import preset_of
from mpt.api.promote import FinalKeys, final_study
from mpt.api.values.searched import Searched, found_search
from mpt.api.values.study import studied
from mpt.backbone.t5_shape import t5_shape
from mpt.compute.worker import Worker
from mpt.config import BackboneIdentity
from mpt.gym.card_gym import CardGym
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.source import MINI, Gym, open_gym
from mpt.lab.costs.device_profiles import DEVICE_PROFILES, DeviceProfile, device_profile
from mpt.lab.costs.forecast import UTILISATIONS, Forecast, forecast
from mpt.lab.costs.workload import Workload, campaign_work, sweep_work, workload_of
from mpt.lab.plan import plan
from mpt.lab.preset_runs import listed, listed_pairs
from mpt.lab.recorded import Recorded
from mpt.lab.run import Lab
from mpt.store.address import sqlite_url
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.presets import rows
from mpt.study.study import Study

__all__ = [
    "DEVICE_PROFILES",
    "UTILISATIONS",
    "DeviceProfile",
    "Forecast",
    "device_profile",
    "forecast_campaign",
    "forecast_promotion",
    "forecast_sweep",
]


def forecast_sweep(
    study: Study | str | Path | None = None, *, shape: str, trials: int | None = None
) -> Forecast:
    """Forecast what ``sweep`` would cost a T5 of a common shape, by counting.

    Args:
        study, trials: see ``sweep``; where the gym's folder is not there, CrossFit's cards are read
            in its place.
        shape: ``t5-small``, ``t5-base``, ``t5-large``, ``t5-xl`` or ``t5-xxl``.

    Raises:
        UnknownName: there is no such shape.

    Example::

        cost = mpt.forecast_sweep("sweeps/paper.yaml", shape="t5-large")
        cost.hours(mpt.device_profile("h100-80gb"), utilisation=0.5)
    """
    chosen = studied(study, {"trials": trials})
    with _listing(chosen, shape) as lab:
        return _counted(sweep_work(plan(chosen, lab.worker), [], lab), lab, shape)


def forecast_promotion(
    search: Searched | str | None = None,
    which: str | int = "best",
    *,
    shape: str,
    settings: Sequence[str] | str | None = None,
    methods: Sequence[str] | str | None = None,
    baselines: Sequence[str] | str | None = None,
) -> Forecast:
    """Forecast what ``promote`` would cost a T5 of a common shape, without its re-test.

    Args:
        search, which, settings, methods, baselines: see ``promote``.
        shape: see ``forecast_sweep``.
    """
    asked, which = found_search(search), str(which)
    final: FinalKeys = {"settings": settings, "methods": methods, "baselines": baselines}
    study = final_study(asked, which, final)
    with _listing(study, shape) as lab:
        work = campaign_work(study, asked.trials, lab, which, top=1)
        about = (*work.about, "re-tests of trials are left out")
        return _counted(replace(work, about=about), lab, shape)


def forecast_campaign(preset: str | Path, *, shape: str, gym: str | Path | None = None) -> Forecast:
    """Forecast what ``campaign`` would cost, every row of it on a T5 of a common shape.

    Args:
        preset, gym: see ``campaign``.
        shape: see ``forecast_sweep``.
    """
    asked = preset_of(preset, gym)
    with _listing(asked.base, shape) as lab:
        if asked.pairs:
            units = listed_pairs(asked, lab)
        else:
            published = None if asked.base.gym == MINI else crossfit_partitions()
            units = listed(rows(asked, lab.worker.gym.partitions, published), lab)
        return _counted(workload_of(asked.base, units, lab.ledger, []), lab, shape)


def _counted(work: Workload, lab: Lab, shape: str) -> Forecast:
    gym = lab.worker.gym
    about = list(work.about)
    if isinstance(gym, CardGym):
        about.append(
            f"gym {gym.name} is not there: sizes of tasks are those of CrossFit's cards, and "
            "inputs of 128 tokens are assumed"
        )
    else:
        about.append("numbers of tokens are estimated: 4 characters each")
    about.append("answers that are written to their end cost more than is counted here")
    return forecast(replace(work, about=tuple(about)), gym, t5_shape(shape))


@contextmanager
def _listing(study: Study, shape: str) -> Iterator[Lab]:
    """A lab that lists units of a model that is not there, beside an empty ledger."""
    stand_in = BackboneIdentity(f"shape of {t5_shape(shape).name}")
    with TemporaryDirectory(prefix="mpt-forecast-") as folder:
        worker = Worker(
            _gym(study.gym), study.backbone, Home.find(), computes=False, stand_in=stand_in
        )
        with Ledger(sqlite_url(Path(folder) / "ledger.db")) as ledger:
            yield Recorded(worker, ledger)


def _gym(where: str) -> Gym:
    """The gym, or CrossFit's cards where its folder is not there."""
    if where == MINI or Path(where).expanduser().exists():
        return open_gym(where)
    return CardGym(where)
