"""The authors' protocol, from study to score: every habit that it takes over, by its numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import synthetic
import torch
from synthetic import write_gym
from tiny import TINY, tiny_t5

from mpt.backbone.batch import collate
from mpt.compute import worker as working
from mpt.compute.prompt_starts import start_of
from mpt.compute.worker import Worker
from mpt.config import (
    FINE_TUNING,
    VOCABULARY,
    BackboneConfig,
    CellConfig,
    FineTuneConfig,
    FineTuning,
    Habits,
    InnerLoop,
    OuterLoop,
    PausedRun,
    RunConfig,
    Tuning,
)
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.learn import MetaTrained, learn
from mpt.engine.pack import MetaJob
from mpt.errors import Diverged
from mpt.gym.source import open_gym
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit
from mpt.lab.run import EvalProtocol, EvalTarget, Lab
from mpt.methods import METHODS
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import make_study


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder, tiny = tmp_path_factory.mktemp("model"), TINY["t5"](dtype=torch.float32)
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    return str(folder)


def study(model, method="maml", *, max_target=4, **changes: Any):
    size = {"name": model, "prompt_tokens": 3, "max_input": 16, "max_target": max_target}
    given = {"protocol": "authors", "method": method, "backbone": size, **changes}
    return make_study(given)


@pytest.fixture
def at_work(tmp_path, model, monkeypatch):
    """A worker on tasks of 32 training rows."""
    monkeypatch.setitem(synthetic.SIZES, "train", 32)
    write_gym(tmp_path / "gym", ("glue-mrpc", "trec"))
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()

    def begin(chosen) -> Worker:
        return Worker(open_gym(str(tmp_path / "gym")), chosen.backbone, home, "cpu")

    return begin


def test_a_cell_reads_task_names_and_begins_with_them(at_work, model):
    chosen = study(model, tuning={"steps": 2, "batch": 2, "num_evals": 1})
    worker = at_work(chosen)
    assert worker.backbone.place == "after"
    assert worker.tokens("glue-mrpc", 13).before == " [glue-mrpc] "
    config = CellConfig(
        backbone=chosen.backbone,
        weights=worker.backbone.weights,
        task="glue-mrpc",
        data_seed=13,
        data=worker.split_digest("glue-mrpc", 13),
        start=VOCABULARY,
        lr=0.1,
        tuning=chosen.tuning.for_rows(32),
    )
    start = start_of(config, worker.backbone, worker.home)
    (name,) = worker.backbone.words(["glue mrpc"])
    torch.testing.assert_close(start[0], name.mean(0))
    (unit,) = worker.tune([config], lambda rows: None)
    assert unit.state == "done"
    assert 0 <= unit.result.test <= 1


def test_batch_and_steps_are_theirs_for_tasks_of_each_size(model):
    """32, 48 and 96 training rows: 2,000 and 3,000 updates of 16; fine-tuning 600, 900, 1,000."""
    chosen = study(model, tuning={"steps": 3000, "num_evals": 60})
    assert (chosen.tuning.batch, chosen.tuning.num_beams) == (16, 4)
    found = [chosen.tuning.for_rows(rows) for rows in (32, 48, 96)]
    assert [(one.steps, one.num_evals, one.epochs) for one in found] == [
        (2000, 40, None),
        (3000, 60, None),
        (3000, 60, None),
    ]
    full = [chosen.fine_tuning.for_rows(rows) for rows in (32, 48, 96)]
    assert [(one.steps, one.num_evals, one.batch) for one in full] == [
        (600, 12, 16),
        (900, 18, 16),
        (1000, 20, 16),
    ]
    assert (
        make_study({"tuning": {"steps": 3000, "num_evals": 60}}).tuning.for_rows(32).steps == 3000
    )


def test_a_file_overrides_a_habit_and_keeps_those_beside_it(model):
    chosen = study(model, final={"seeds": [13], "fine_tuning": {"lrs": [1e-4], "steps": 500}})
    assert chosen.final.fine_tuning.model_dump(exclude={"lrs"}, by_alias=False) == {
        "steps": 500,
        "batch": 16,
        "num_evals": 20,
        "epochs": 300,
    }
    assert study(model, tuning={"epochs": None}).tuning.for_rows(32).steps == 40


def test_cells_of_small_tasks_stop_early_and_are_looked_at_as_often(at_work, model, tmp_path):
    """32 rows in batches of 16, three passes at most: 6 of 10 updates, a look after every 2."""
    few = {"steps": 10, "batch": 16, "num_evals": 5, "epochs": 3}
    chosen = study(model, tuning=few, final={"fine_tuning": few})
    worker = at_work(chosen)
    eval_protocol = EvalProtocol(
        *((13,), (0.3,), chosen.tuning), full_lrs=(1e-4,), fine_tuning=chosen.fine_tuning
    )
    starts = {"PT": VOCABULARY, "FT": FINE_TUNING}
    eval_targets = [EvalTarget("x", name, start, ("glue-mrpc",)) for name, start in starts.items()]
    with Ledger(worker.home.ledger_url) as ledger:
        evaluated = Lab(worker, ledger).evaluate_cells(
            eval_targets, eval_protocol, title="x", pack=2
        )
    for one in evaluated:
        assert [step for step, _ in one.unit.result.dev_evals] == [2, 4, 6]
        assert len(one.unit.curve) == 6
        assert one.cell.tuning.epochs is None, "what is computed is what the digest is of"


@pytest.mark.parametrize(("method", "kept"), [("maml", 64), ("reptile", 64), ("mtl", 101)])
def test_targets_are_cut_for_meta_methods_alone(
    at_work, model, tmp_path, monkeypatch, method, kept
):
    chosen = study(model, method, max_target=128, outer={"steps": 1, "episodes": 1, "batch": 2})
    worker, jobs = at_work(chosen), []
    for path in (tmp_path / "gym").glob("*/*_train.tsv"):
        path.write_text("the cat\t" + "yes " * 100 + "\n", encoding="utf-8")

    def seen(given, *rest, **ways):
        jobs.extend(given)
        return [Diverged(one.config.digest, 1, "its loss") for one in given]

    monkeypatch.setattr(working, "learn", seen)
    sources = ("glue-mrpc",)
    run = chosen.run({}, sources=sources, weights="w", data="d")
    worker.learn([run], lambda rows: None)
    lengths = {len(row) for unit in jobs[0].units for e in unit.train for row in e.targets}
    assert lengths == {kept}, "100 words and their end, or 64 tokens"
    (target,) = worker.tokens("glue-mrpc", 13).train[0].targets
    assert len(target) == 101, "downstream they are whole"


def test_targets_that_are_short_anyway_make_no_other_run(model):
    assert study(model, max_target=64).habits == Habits(meta_batch="sum")
    assert study(model, max_target=65).habits == Habits(max_target=64, meta_batch="sum")
    assert make_study({"method": "maml"}).habits is None


def meta_job(backbone, method: str, habits: Habits | None, rows: int = 6, **outer: Any) -> MetaJob:
    """A run on two units of ``rows`` training and dev rows each."""
    config = RunConfig(
        backbone=BackboneConfig(name="tiny", prompt_tokens=3, max_input=12, max_target=4),
        weights=backbone.weights,
        method=method,  # type: ignore[arg-type]
        inner=InnerLoop(lr=0.1, steps=10, batch=4) if method == "reptile" else InnerLoop(lr=0.1),
        outer=OuterLoop(
            **{"optimiser": "sgd", "lr": 0.1, "steps": 2, "episodes": 2, "batch": 3, **outer}
        ),
        sources=("the", "a"),
        data_seeds=(13,),
        data="x",
        habits=habits,
    )
    units = []
    for task in config.sources:
        words = [f"{task} {'cat ' * (i + 1)}" for i in range(2 * rows)]
        made = tuple(Example(w, ("yes" if i % 2 else "no",)) for i, w in enumerate(words))
        few = FewShotSplit(task, "ACC", 13, made[:rows], made[rows:], made)
        units.append(TokenSplit(few, backbone.encode, 100, 4))
    return MetaJob(config, tuple(units), backbone.vocabulary_prompt(3, "run"))


def names(rows) -> list[tuple[int, ...]]:
    return [tuple(map(int, row.input)) for row in rows]


@pytest.fixture(scope="module")
def backbone():
    return tiny_t5(spread=1.0)


def test_reptile_s_rows_come_back_by_chance_where_a_unit_has_too_few(backbone):
    theirs = meta_job(backbone, "reptile", Habits(draws="replacement"), rows=32).episodes
    ours = meta_job(backbone, "reptile", None, rows=32).episodes
    seen = []
    for n in range(40):
        drawn = Counter(names(row for batch in theirs[n].support for row in batch))
        own = Counter(names(row for batch in ours[n].support for row in batch))
        assert sum(drawn.values()) == sum(own.values()) == 40
        assert set(own.values()) == {1, 2}, "40 of 32: all once, eight of them twice"
        seen.append(len(drawn))
    # 32 (1 - (31/32)^40) = 23.0 different ones are expected of 40 draws
    assert 22.0 < sum(seen) / len(seen) < 24.0
    enough = [
        meta_job(backbone, "reptile", habits, rows=40).episodes[3].support
        for habits in (Habits(draws="replacement"), None)
    ]
    for episode in enough:
        assert len(set(names(row for batch in episode for row in batch))) == 40


def test_mtl_s_epochs_see_every_row_once_in_one_order(backbone):
    """24 pooled rows in batches of 5: five batches, the last one of 4."""
    job = meta_job(backbone, "mtl", Habits(pooled="epochs"), episodes=1, batch=5)
    epochs = [[names(job.episodes[5 * e + n].query) for n in range(5)] for e in range(3)]
    assert [len(batch) for batch in epochs[0]] == [5, 5, 5, 5, 4]
    pool = names(e.row() for unit in job.units for e in (*unit.train, *unit.dev))
    assert len(pool) == 24
    assert sorted(row for batch in epochs[0] for row in batch) == sorted(pool)
    assert epochs[0] == epochs[1] == epochs[2]
    assert [row for batch in epochs[0] for row in batch] != pool, "shuffled once"
    own = meta_job(backbone, "mtl", None, episodes=1, batch=5).episodes
    assert sorted(row for n in range(5) for row in names(own[n].query)) != sorted(pool)


@pytest.mark.parametrize(
    ("method", "habits", "factor"),
    [
        ("maml", Habits(meta_batch="sum"), 2),
        ("fomaml", Habits(meta_batch="sum"), 2),
        ("reptile", Habits(draws="replacement"), 1),
        ("mtl", Habits(pooled="epochs"), 1),
    ],
)
def test_the_engine_adds_up_what_the_authors_add_up(backbone, tmp_path, method, habits, factor):
    """Two updates of SGD on two episodes each, by hand and by the engine, alone and in a pack."""
    job = meta_job(backbone, method, habits)
    other = meta_job(backbone, method, habits, lr=0.02)
    together = learn([job, other], backbone, checkpoints=Checkpoints(tmp_path, every=1e9))
    for one, packed in zip((job, other), together, strict=True):
        theta = one.start
        for step in range(2):
            found = [_direction(method, backbone, one, theta, n) for n in (2 * step, 2 * step + 1)]
            theta = theta - one.config.outer.lr * factor * torch.stack(found).mean(0)
        assert isinstance(packed, MetaTrained)
        torch.testing.assert_close(packed.prompt, theta, rtol=0, atol=1e-9)


def _direction(method: str, backbone, job: MetaJob, theta, n: int):
    episode, rate = job.episodes[n], theta.new_full((1, 1, 1), job.config.inner.lr)
    support = [collate([rows]) for rows in episode.support]
    query = collate([episode.query]) if episode.query else None
    given = (theta[None], support, query, backbone.losses_twice_differentiable, rate)
    return METHODS[method].gradient(*given).direction[0]


def test_each_method_has_its_own_habits_and_they_are_seen_in_the_digest(model):
    theirs = [name for name, known in METHODS.items() if known.habits]
    found = {m: study(model, m, max_target=128) for m in theirs}
    assert {m: one.habits for m, one in found.items()} == {
        "maml": Habits(max_target=64, meta_batch="sum"),
        "fomaml": Habits(max_target=64, meta_batch="sum"),
        "reptile": Habits(max_target=64, draws="replacement"),
        "mtl": Habits(pooled="epochs"),
    }
    for one in found.values():
        run = one.run({}, sources=("a",), weights="w", data="d")
        assert run.habits is not None
        assert run.habits == one.habits
        plain = RunConfig(**{**run.model_dump(), "habits": None})
        assert plain.digest != run.digest
        assert one.definition["habits"] == run.habits.model_dump(exclude_none=True)
    assert "habits" not in make_study({}).definition


def test_no_digest_of_the_paper_s_protocol_has_changed():
    """As they were before there were habits and revisions."""
    backbone = BackboneConfig()
    run = RunConfig(
        backbone=backbone,
        weights="w",
        method="maml",
        inner=InnerLoop(),
        outer=OuterLoop(),
        sources=("a",),
        data_seeds=(13,),
        data="d",
    )
    place: Any = {"backbone": backbone, "weights": "w", "task": "t", "data_seed": 13, "data": "d"}
    cell = CellConfig(**place, start="vocabulary", lr=0.3, tuning=Tuning().for_rows(32))
    full = FineTuneConfig(**place, lr=1e-4, tuning=FineTuning().for_rows(32))
    found = [one.digest for one in (run, PausedRun.of(run, 3), cell, full)]
    assert found == ["ab4cf7f59c00", "f7bf96136f7a", "ba4c53f29af2", "3fef5802f6e3"]
