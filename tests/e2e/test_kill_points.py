"""A sweep that is killed at every boundary of what it writes, and at random moments."""

from __future__ import annotations

import random
import re
import signal
import time
from dataclasses import dataclass, field

import pytest
import torch
from doomed import Point, run
from stage import Stage, is_as_undisturbed
from terminal import study_file
from tiers import few_in_ci

from mpt.store.artefacts import read_prompt
from mpt.tracking.outbox import waiting

pytestmark = pytest.mark.slow

REPLACE, SUGGEST = "pathlib.Path.replace", "optuna.trial.Trial.suggest_float"
STUDY_ATTR = "optuna.study.Study.set_user_attr"
TRIAL_ATTR = "optuna.storages.RDBStorage.set_trial_user_attr"
CHECKPOINTS, LEDGER = "mpt.engine.checkpoint.Checkpoints", "mpt.store.ledger"
PROMPT, SEARCH = "mpt.compute.worker.save_prompt", "mpt.search.search.Search"
PROJECTION, SPOOL = "mpt.lab.tracked.projection.Projection", "mpt.tracking.spool.Spool"
VERSION = "optuna.storages._rdb.storage._VersionManager._init_alembic"
DELIVER = "mpt.tracking.writer.Delivery.__call__"

LIVES = {
    "databases": {
        "Optuna's database has tables and no version": Point(VERSION, "before"),
        "Optuna's database is made, and not in its place": Point(
            "os.link", "before", about="studies.db"
        ),
        "MLflow's database is made, and not in its place": Point(
            "os.link", "before", about="mlflow.db"
        ),
    },
    "beginnings": {
        "tokens are not in their place": Point(REPLACE, "before", about="tokens"),
        "a study does not say yet what it is": Point(STUDY_ATTR, "before"),
        "a study knows half of what it is": Point(STUDY_ATTR, "before", 3),
        "the lease is taken": Point("mpt.store.lease.Lease.__enter__", "after"),
        "a trial has no parameters": Point(SUGGEST, "before"),
        "one trial of a pack has its parameters": Point(SUGGEST, "after"),
        "a pack is asked": Point(f"{SEARCH}.ask", "after"),
    },
    "units": {
        "before an artefact": Point(PROMPT, "before"),
        "an artefact is not in its place": Point(REPLACE, "before", about="prompts"),
        "after an artefact, before its row": Point(PROMPT, "after"),
        "half of a pack's artefacts": Point(PROMPT, "before", 2),
        "before a row": Point(f"{LEDGER}.Ledger.record", "before"),
        "a row is inserted, not committed": Point(f"{LEDGER}.insert", "after", about="mpt_units"),
        "after a row": Point(f"{LEDGER}.Ledger.record", "after"),
        "before a checkpoint": Point(f"{CHECKPOINTS}.write", "before"),
        "a checkpoint is not in its place": Point(REPLACE, "before", about="checkpoints"),
        "half of a pack's checkpoints": Point(REPLACE, "after", about="checkpoints"),
        "after a checkpoint": Point(f"{CHECKPOINTS}.write", "after"),
        "a unit is recorded and its checkpoint there": Point(f"{CHECKPOINTS}.drop", "before"),
        "a checkpoint is dropped": Point(f"{CHECKPOINTS}.drop", "after"),
        "after a row of the last pack": Point(f"{LEDGER}.Ledger.record", "after", 3),
    },
    "trials": {
        "a trial is settled, nobody told": Point(f"{PROJECTION}.trial", "before"),
        "the tracker is told of a trial": Point(f"{PROJECTION}.trial", "after"),
        "the tracker is told, the store is not": Point(f"{SEARCH}.tell", "before"),
        "a trial has its digest and no end": Point(TRIAL_ATTR, "after", about="'digest'"),
        "one trial of a pack is finished": Point(f"{SEARCH}.tell", "after"),
        "the lease is not given back": Point("mpt.store.lease.Lease.__exit__", "before"),
        "every trial is finished, the study's run open": Point(
            f"{PROJECTION}.close_study", "before"
        ),
        "all is told, not all is sent": Point(f"{PROJECTION}.close_study", "after"),
    },
    "records": {
        "before a line of the outbox": Point(f"{SPOOL}.append", "before"),
        "after a line of the outbox": Point(f"{SPOOL}.append", "after"),
        "a file is copied into the outbox, its line is not there": Point(
            f"{SPOOL}._copied", "after"
        ),
        "before a record is sent": Point(DELIVER, "before"),
        "a record is sent, not ticked off": Point(DELIVER, "after"),
        "a record is ticked off": Point(f"{SPOOL}.take", "after"),
        "the tenth is sent, not ticked off": Point(DELIVER, "after", 10),
    },
}
"""Before and after every artefact, row, tell and record, and the places in between.

A life is one sweep, killed at the next of its points each time that it is started again.
"""

SMALL = {
    "tuning": {"steps": 2, "batch": 4, "num_evals": 1},
    "validation": {"tasks": ["trec"], "seeds": [13, 21]},
}


@dataclass
class Life:
    """A sweep that is killed and started again; what was recorded once must stay as it was."""

    stage: Stage
    recorded: dict = field(default_factory=dict)
    seconds: float = 0.0

    def live(self, **fate) -> tuple[int, str]:
        """Start the sweep until ``fate``, see ``doomed.run``; its exit code and what it said."""
        ended = run(["sweep", "--study", str(self.stage.study)], self.stage.home, **fate)
        rows = self.stage.rows()
        assert self.recorded.items() <= rows.items()
        for _, _, _, artefact in rows.values():
            read_prompt(self.stage.home / artefact)
        self.recorded = rows
        return ended

    def end(self) -> None:
        """Let the sweep come to its end, and see that it computed what was missing and no more."""
        before, began = len(self.recorded), time.monotonic()
        code, said = self.live()
        self.seconds = time.monotonic() - began
        assert code == 0, said
        computed = re.search(r"(\d+) units computed", said)
        assert int(computed[1] if computed else 0) == len(self.recorded) - before

    def prompts(self) -> dict[str, torch.Tensor]:
        """Every prompt by its unit's digest."""
        home = self.stage.home
        return {digest: read_prompt(home / row[3]) for (digest, _), row in self.recorded.items()}


def is_as_if_it_had_never_died(life: Life, undisturbed: Life) -> None:
    is_as_undisturbed(life.stage, undisturbed.stage)
    for digest, prompt in undisturbed.prompts().items():
        torch.testing.assert_close(life.prompts()[digest], prompt, rtol=0, atol=1e-5)
    home = life.stage.home
    assert waiting(home / "outbox") == 0
    assert list((home / "checkpoints").iterdir()) == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    life = Life(Stage(study_file(folder / "study.yaml", SMALL), folder / "home"))
    life.end()
    return life


@pytest.fixture
def life(undisturbed, tmp_path):
    stage = undisturbed.stage
    return Life(Stage(stage.study, tmp_path / "home"))


@pytest.mark.parametrize("points", few_in_ci(LIVES, "databases", "units"))
def test_killed_at_one_point_after_the_other(points, life, undisturbed):
    for name, point in LIVES[points].items():
        code, said = life.live(point=point)
        assert code == -signal.SIGKILL, f"it never got to where {name}: {said}"
    life.end()
    is_as_if_it_had_never_died(life, undisturbed)


@pytest.mark.parametrize("seed", few_in_ci(range(4), 0))
def test_killed_at_five_random_moments(seed, life, undisturbed):
    draws = random.Random(seed)
    for _ in range(5):
        life.live(after=draws.uniform(0.02, 1.0) * undisturbed.seconds)
    life.end()
    is_as_if_it_had_never_died(life, undisturbed)
