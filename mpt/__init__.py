"""mpt: meta-learned initial prompts for frozen language models, searched, recorded, promoted.

What the command line does, in a notebook::

    import mpt

    search = mpt.sweep(mpt.Study(method="reptile"), trials=12)
    final = mpt.promote(search, settings=["Cls->Cls"])
    final.arg

Names are imported when they are first used, so that ``import mpt`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mpt.version import __version__

if TYPE_CHECKING:
    from mpt.api.arg import arg, gains
    from mpt.api.campaign import Answered, CampaignPlan, campaign, plan_campaign
    from mpt.api.evaluate import Evaluated, evaluate
    from mpt.api.forecast import (
        device_profile,
        forecast_campaign,
        forecast_promotion,
        forecast_sweep,
    )
    from mpt.api.gym import build_gym, gym_task, gym_tasks, mirror_gym, verify_gym
    from mpt.api.machines.bench import benchmark
    from mpt.api.machines.doctor import diagnose
    from mpt.api.machines.services import services_script, start_services
    from mpt.api.promote import Promoted, estimate_promotion, promote
    from mpt.api.registry import registered, roll_back
    from mpt.api.reliability import reliability
    from mpt.api.report import Report, write_report
    from mpt.api.room import Room, estimate_room, room
    from mpt.api.run import Learned, run
    from mpt.api.show import Shown, show
    from mpt.api.similarity import Similarity, similarity
    from mpt.api.studies import forget, reap, retry, studies
    from mpt.api.sweep import estimate, sweep
    from mpt.api.sync import Synced, sync
    from mpt.api.ui import mlflow_pages
    from mpt.api.values.prompt import Prompt, load_prompt
    from mpt.api.values.searched import Searched, load_study
    from mpt.api.values.study import Study
    from mpt.api.work.compute import PlainProgress, Quiet
    from mpt.compute.stopping import Stopped, Stopping
    from mpt.errors import InputError, MptError, UnknownName

_ROOMS = {
    "mpt.api.arg": ("arg", "gains"),
    "mpt.api.machines.bench": ("benchmark",),
    "mpt.api.machines.doctor": ("diagnose",),
    "mpt.api.forecast": (
        "device_profile",
        "forecast_campaign",
        "forecast_promotion",
        "forecast_sweep",
    ),
    "mpt.api.gym": ("build_gym", "gym_task", "gym_tasks", "mirror_gym", "verify_gym"),
    "mpt.api.registry": ("registered", "roll_back"),
    "mpt.api.machines.services": ("services_script", "start_services"),
    "mpt.api.campaign": ("Answered", "CampaignPlan", "campaign", "plan_campaign"),
    "mpt.api.evaluate": ("Evaluated", "evaluate"),
    "mpt.api.work.compute": ("PlainProgress", "Quiet"),
    "mpt.api.promote": ("Promoted", "estimate_promotion", "promote"),
    "mpt.api.values.prompt": ("Prompt", "load_prompt"),
    "mpt.api.reliability": ("reliability",),
    "mpt.api.report": ("Report", "write_report"),
    "mpt.api.room": ("Room", "estimate_room", "room"),
    "mpt.api.run": ("Learned", "run"),
    "mpt.api.values.searched": ("Searched", "load_study"),
    "mpt.api.show": ("Shown", "show"),
    "mpt.api.similarity": ("Similarity", "similarity"),
    "mpt.api.studies": ("forget", "reap", "retry", "studies"),
    "mpt.api.values.study": ("Study",),
    "mpt.api.sweep": ("estimate", "sweep"),
    "mpt.api.sync": ("Synced", "sync"),
    "mpt.api.ui": ("mlflow_pages",),
    "mpt.compute.stopping": ("Stopped", "Stopping"),
    "mpt.errors": ("InputError", "MptError", "UnknownName"),
}
"""Where each public name is defined; the imports above say the same to type checkers."""

_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Answered",
    "CampaignPlan",
    "Evaluated",
    "InputError",
    "Learned",
    "MptError",
    "PlainProgress",
    "Promoted",
    "Prompt",
    "Quiet",
    "Report",
    "Room",
    "Searched",
    "Shown",
    "Similarity",
    "Stopped",
    "Stopping",
    "Study",
    "Synced",
    "UnknownName",
    "__version__",
    "arg",
    "benchmark",
    "build_gym",
    "campaign",
    "device_profile",
    "diagnose",
    "estimate",
    "estimate_promotion",
    "estimate_room",
    "evaluate",
    "forecast_campaign",
    "forecast_promotion",
    "forecast_sweep",
    "forget",
    "gains",
    "gym_task",
    "gym_tasks",
    "load_prompt",
    "load_study",
    "mirror_gym",
    "mlflow_pages",
    "plan_campaign",
    "promote",
    "reap",
    "registered",
    "reliability",
    "retry",
    "roll_back",
    "room",
    "run",
    "services_script",
    "show",
    "similarity",
    "start_services",
    "studies",
    "sweep",
    "sync",
    "verify_gym",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mpt' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
