"""From a promotion to what its report tells."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from mpt import __version__
from mpt.config import VOCABULARY
from mpt.gym.crossfit import near_duplicates
from mpt.gym.partitions import Setting
from mpt.lab.promote import Promoted, Promotion
from mpt.lab.run import BASELINE, scores
from mpt.lab.search import Trial
from mpt.report.findings import Curve, Findings, UnitLine


def promotion_findings(promotion: Promotion, trials: Sequence[Trial], command: str) -> Findings:
    """A promotion as a report: its gains, scores, units, curves and where they came from."""
    study, trial = promotion.study, promotion.trial
    judged = [one for share in promotion.shares for one in share.judged]
    return Findings(
        title=f"{study.title}: trial {trial.number + 1} on {_count(len(promotion.shares))}",
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=command,
        gym=study.gym,
        backbone=study.backbone.name,
        study=study.title,
        trials=tuple(trials),
        winner=trial.number,
        gains=promotion.gains,
        scores=tuple(scores(judged)),
        units=tuple(unit for share in promotion.shares for unit in _units(share)),
        curves=tuple(_curve(share) for share in promotion.shares if share.unit.state == "done"),
        config=_config(promotion),
        software=_software(),
        cautions=tuple(line for share in promotion.shares for line in _kin(share.setting)),
    )


def _kin(setting: Setting) -> Iterator[str]:
    """A sentence on targets that share data with source tasks, as some of the paper's do."""
    pairs = near_duplicates(setting)
    named = []
    for target in dict.fromkeys(pair.target for pair in pairs):
        own = [pair for pair in pairs if pair.target == target]
        who = own[0].source if len(own) == 1 else f"{len(own)} sources"
        named.append(f"{target} ({who}: {' or '.join(sorted({pair.why for pair in own}))})")
    if named:
        yield (
            f"{setting.name}: {len(named)} of {len(setting.targets)} targets share data with "
            f"sources, as some of the paper's do, and may gain by memory: {', '.join(named)}"
        )


def _count(settings: int) -> str:
    return f"{settings} setting" + ("s" if settings != 1 else "")


def _units(share: Promoted) -> Iterator[UnitLine]:
    setting = share.setting.name
    yield UnitLine(
        digest=share.unit.digest,
        kind="meta-training",
        setting=setting,
        method=share.config.method,
        state=share.unit.state,
        reason=str(share.unit.result.get("reason", "")),
    )
    for one in share.judged:
        yield UnitLine(
            digest=one.unit.digest,
            kind="cell",
            setting=setting,
            method=BASELINE if one.cell.start == VOCABULARY else share.config.method,
            task=one.cell.task,
            seed=one.cell.data_seed,
            lr=one.cell.lr,
            state=one.unit.state,
            reason=str(one.unit.result.get("reason", "")),
        )


def _curve(share: Promoted) -> Curve:
    losses = share.unit.result["curve"]
    assert isinstance(losses, list)
    return Curve(share.setting.name, tuple(range(1, len(losses) + 1)), tuple(losses))


def _config(promotion: Promotion) -> dict[str, str]:
    study, run = promotion.study, promotion.shares[0].config
    seeds, rates = study.final.seeds, study.final.lrs
    inner = f"{run.inner.steps} steps of SGD at {run.inner.lr:.4g}, batch {run.inner.batch}"
    outer = (
        f"{run.outer.steps} steps of {run.outer.optimiser} at {run.outer.lr:.4g}, "
        f"{run.outer.episodes} episodes each, batch {run.outer.batch}"
    )
    tuning = (
        f"{study.tuning.steps} steps of {study.tuning.optimiser}, batch {study.tuning.batch}, "
        f"{study.tuning.looks} looks at dev"
    )
    return {
        "method": study.method,
        "prompt": f"{study.backbone.prompt_tokens} tokens",
        **({} if study.method == "mtl" else {"inner loop": inner}),
        "outer loop": outer,
        "tuning of a target": tuning,
        "data seeds": ", ".join(map(str, seeds)),
        "learning rates": f"{', '.join(f'{rate:g}' for rate in rates)} (best dev, ties larger)",
        "weights": run.weights,
    }


def _software() -> dict[str, str]:
    names = ("torch", "transformers", "optuna", "mlflow")
    return {
        "mpt": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }
