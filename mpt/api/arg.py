"""Average relative gain from a table of results: a file, or a frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mpt.report.tables.results_table import read_scores, scores_of_rows
from mpt.stats import scores as stats
from mpt.stats.intervals import RESAMPLES

if TYPE_CHECKING:
    import pandas as pd


def arg(
    results: pd.DataFrame | str | Path, baseline: str = "PT", *, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Compute the ARG per setting and method, with 95 % intervals, from a table of results.

    Args:
        results: columns ``method, task, seed, dev, test`` and, if there are any, ``setting``,
            ``lr`` and ``meta_seed``: a downstream cell a row. A frame, or a CSV file.
        baseline: the method that gains are relative to.
        resamples: of the bootstrap.

    Returns:
        A (setting, method) a row: ``arg`` in percent, its interval ``low`` to ``high`` over tasks
        and seeds, ``seed_low`` to ``seed_high`` over seeds alone.

    Raises:
        ResultsError: the table does not determine an ARG; the message names the row.
        UnknownName: no score of the baseline.

    Example::

        mpt.arg(pd.read_csv("results.csv"), baseline="PT")
    """
    from mpt.api.values.frames import gains_frame

    return gains_frame(gains(results, baseline, resamples=resamples))


def gains(
    results: pd.DataFrame | str | Path, baseline: str = "PT", *, resamples: int = RESAMPLES
) -> list[stats.Gain]:
    """Compute what ``arg`` does as records: also each task's gain, gaps and warnings.

    Args:
        results, baseline, resamples: see ``arg``.

    Example::

        [line for gain in mpt.gains("results.csv") for line in gain.warnings]
    """
    return stats.gains(_scores(results), baseline=baseline, resamples=resamples)


def _scores(results: pd.DataFrame | str | Path) -> list[stats.Score]:
    if isinstance(results, str | Path):
        return read_scores(Path(results).expanduser())
    # what a frame calls missing, a table leaves empty
    known = results.astype(object).where(results.notna(), "")
    return scores_of_rows(
        [{str(name): cell for name, cell in row.items()} for row in known.to_dict("records")]
    )
