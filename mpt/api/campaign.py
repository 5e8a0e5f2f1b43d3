"""A campaign: a question of the paper, from a preset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.api.promote import summed_up
from mpt.api.work.session import Session
from mpt.compute.stopping import Stopping
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.partitions import Partitions
from mpt.gym.source import open_gym
from mpt.lab.preset_runs import Pair, answer, answer_pairs
from mpt.lab.promote import Promotion
from mpt.lab.tracked.projection import Projection
from mpt.report.caution import warnings
from mpt.report.findings import Findings
from mpt.report.preset_page import (
    answer_findings,
    answer_grid,
    answer_json,
    pairs_grid,
    pairs_json,
    pairs_plan,
    plan_grid,
    write_answer,
    write_grid,
)
from mpt.report.tables.grid import Grid
from mpt.store.home import Home
from mpt.study.presets import Preset, PresetRow, miniature, read_preset, rows

if TYPE_CHECKING:
    from typing import Unpack

    import pandas as pd

    from mpt.api.work.compute import Compute


@dataclass(frozen=True)
class Answered:
    """The answer to a preset's question.

    Attributes:
        preset: the question.
        grid: the answer as a table of text: variants x methods, or pairs of tasks.
        json: the answer for programs, unrounded.
        report: the page; of pairs, which have none, the folder of their tables.
        findings: everything that the page is made from; None of pairs.
        warnings: what a reader should know before believing the numbers.
    """

    preset: Preset
    grid: Grid
    json: str
    report: Path
    findings: Findings | None = None
    pairs: tuple[Pair, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def arg(self) -> pd.DataFrame:
        """A (variant, method) a row: ``arg`` in percent and its intervals; of pairs, a pair a row
        with its similarity."""
        import pandas as pd

        from mpt.api.values.frames import arg_frame

        if self.findings is not None:
            return arg_frame(self.findings)
        found = [(pair.group, *pair.tasks, pair.value) for pair in self.pairs]
        return pd.DataFrame(found, columns=["group", "task", "and", "similarity"])


@dataclass(frozen=True)
class CampaignPlan:
    """What a campaign would run.

    Attributes:
        grid: variants with their methods and units, as text.
        notes: what was assumed, a sentence each.
    """

    preset: Preset
    grid: Grid
    notes: tuple[str, ...] = ()


def campaign(
    preset: str | Path,
    *,
    gym: str | Path | None = None,
    command: str | None = None,
    **ways: Unpack[Compute],
) -> Answered:
    """Answer a question of the paper: one table of variants x methods, with ARG and intervals.

    A preset gives every hyper-parameter, so that nothing is searched. What the ledger holds is not
    computed again, by any preset: the same call continues one that was stopped.

    Args:
        preset: its name, in miniature on the embedded gym, or a preset file (``.yaml``).
        gym: ``mini`` or a folder of tasks; by default the preset's.
        command: what makes the report again, as it says.
        ways: see ``Compute``.

    Raises:
        UnknownName: no such preset, or a task that the gym does not have.
        Stopped: it was interrupted, or its budget is spent; what is done is recorded.

    Example::

        mpt.campaign("q2").arg[["setting", "method", "arg", "low", "high"]]
    """
    asked = preset_of(preset, gym)
    ways["budget"] = Stopping.of(ways.get("budget"))
    if asked.pairs:
        return _pairs(asked, ways)
    published = None if asked.base.gym == "mini" else crossfit_partitions()
    wanted = rows(asked, open_gym(asked.base.gym).partitions, published)
    return _rows(asked, wanted, command or f"mpt campaign {_option(preset)}", ways)


def plan_campaign(preset: str | Path, *, gym: str | Path | None = None) -> CampaignPlan:
    """List what ``campaign`` would run; nothing is computed or written.

    Without the gym's folder it is what the published settings would be.
    """
    asked = preset_of(preset, gym)
    known, published, notes = _settings(asked.base.gym)
    wanted = rows(asked, known, published)
    return CampaignPlan(asked, pairs_plan(asked) if asked.pairs else plan_grid(wanted), notes)


def preset_of(which: str | Path, gym: str | Path | None) -> Preset:
    """Return a preset by its name or file, on another gym if one is given."""
    changes = {} if gym is None else {"gym": str(gym)}
    if _is_file(which):
        return read_preset(Path(which).expanduser(), changes)
    return miniature(str(which), changes)


def _is_file(which: str | Path) -> bool:
    return isinstance(which, Path) or which.endswith((".yaml", ".yml"))


def _option(which: str | Path) -> str:
    return f"--study {which}" if _is_file(which) else f"--preset {which}"


def _settings(gym: str) -> tuple[Partitions, Partitions | None, tuple[str, ...]]:
    """The gym's settings, the published ones that it may hold a part of, and what was assumed."""
    if gym == "mini":
        return open_gym().partitions, None, ()
    published = crossfit_partitions()
    if not Path(gym).exists():
        return published, published, (f"{gym} does not exist; showing the published settings",)
    return open_gym(gym).partitions, published, ()


def _rows(preset: Preset, wanted: Sequence[PresetRow], command: str, ways: Compute) -> Answered:
    promotions: list[Promotion] = []
    for _, group in groupby(wanted, key=lambda row: row.entries[0].study.backbone):
        alike = list(group)
        methods = [entry.study.method for row in alike for entry in row.entries]
        with Session(alike[0].entries[0].study, methods=methods, **ways) as session:
            with summed_up(session), session.stopping, session.alone(f"campaign:{preset.name}"):
                for promotion in answer(alike, session.lab):
                    promotions.append(promotion)
                    projection = Projection(
                        session.tracker, promotion.study, session.home, preset.digest
                    )
                    part = f"preset-part-{len(promotions)}"
                    projection.campaign(part, promotion, session.worker)
            session.progress.say(session.summary())
    findings = answer_findings(preset, wanted, promotions, command)
    grid = answer_grid(wanted, findings.gains)
    page = write_answer(findings, grid, Home.find().reports / f"preset-{preset.name}")
    json = answer_json(preset, wanted, findings)
    return Answered(preset, grid, json, page, findings, warnings=tuple(warnings(findings)))


def _pairs(preset: Preset, ways: Compute) -> Answered:
    with Session(preset.base, **ways) as session:
        with summed_up(session), session.stopping, session.alone(f"campaign:{preset.name}"):
            found = answer_pairs(preset, session.lab)
        session.progress.say(session.summary())
    grid = pairs_grid(found)
    folder = session.home.reports / f"preset-{preset.name}"
    write_grid(grid, folder, "pairs", preset.title)
    return Answered(preset, grid, pairs_json(preset, found), folder, pairs=tuple(found))
