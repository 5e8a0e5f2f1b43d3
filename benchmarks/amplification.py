"""How far rounding grows in meta-training: starts moved by 1e-7, beside other seeds.

``OMP_NUM_THREADS=1 python benchmarks/amplification.py FILE [METHOD ...]`` trains, at the centre and
the corners of the rates that ``mpt sweep`` searches by default and at two rates below them, one
pack of four: a run, the same run begun from a prompt whose numbers are moved by one part in ten
million, and the run under two other meta-seeds. All four prompts are then tuned on the validation
tasks. FILE keeps a line of JSON for every place in the space; what stands there is not computed
again, so it can be stopped and continued. The table at the end says, of the moved run against the
run:

* ``loss 1, 6, last``: relative difference of the meta-training loss after so many updates;
* ``prompt``: distance of the two learned prompts over the way from the start to the first;
* ``score``: difference of the mean validation score, beside ``seeds``, its standard deviation over
  the three meta-seeds;
* ``answers``: share of test answers that differ, beside that between two meta-seeds.

The method ``plain`` is no meta-training: the four starts themselves are tuned, which shows how much
of the last three comes of tuning alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from math import inf, sqrt
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from mpt.compute.prompt_starts import start_of
from mpt.compute.worker import Worker
from mpt.config import CellConfig, RunConfig
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.evaluate import answer
from mpt.engine.learn import Learned, learn
from mpt.engine.pack import CellJob, MetaJob
from mpt.engine.tune import Tuned, tune
from mpt.errors import Diverged
from mpt.gym.source import open_gym
from mpt.lab.plan import SweepPlan, plan
from mpt.methods import METHODS
from mpt.seeding import torch_stream
from mpt.store.home import Home
from mpt.study.space import LogRange
from mpt.study.study_file import resolve

MOVED = 1e-7
SEEDS = (0, 1, 2)
WAYS = (
    ("middle", "middle"), ("high", "high"), ("low", "low"), ("high", "low"), ("low", "high"),
    ("", "tenth"), ("", "hundredth"),
)  # fmt: skip
DATA_SEED = 13


def places(concrete: SweepPlan) -> Iterator[dict[str, float]]:
    """The centre of the space, its highest and lowest rates, the two other corners, and rates below
    the lowest: a tenth and a hundredth of the outer one, with the inner one at its lowest.

    Steps are the fewest of the space: what grows in them grows further in more.
    """
    study = concrete.study
    chosen = study.space.dimensions(study.method)
    rates = {name: one for name, one in chosen.items() if isinstance(one, LogRange)}
    steps = {name: min(one) for name, one in chosen.items() if not isinstance(one, LogRange)}
    levels = {
        name: {
            "middle": sqrt(one.low * one.high),
            "high": one.high,
            "low": one.low,
            "tenth": one.low / 10,
            "hundredth": one.low / 100,
        }
        for name, one in rates.items()
    }
    for inner, outer in WAYS:
        if len(rates) == 2 or inner == outer or inner == "":
            at = {"inner_lr": inner or "low", "outer_lr": outer}
            yield {name: levels[name][at[name]] for name in rates} | steps


def jobs_at(params: dict[str, float], concrete: SweepPlan, worker: Worker) -> list[MetaJob]:
    """The run, its moved twin, and the run under the other meta-seeds."""
    found = []
    for seed in SEEDS:
        config = concrete.study.run(
            params,
            sources=concrete.sources,
            weights=concrete.weights,
            data=concrete.data,
            meta_seed=seed,
        )
        pairs = [(task, own) for task in config.sources for own in config.data_seeds]
        units = tuple(worker.tokens(*pair, config.shots) for pair in pairs)
        found.append(MetaJob(config, units, start_of(config, worker.backbone, worker.home)))
    first = found[0]
    noise = torch.randn(first.start.shape, generator=torch_stream("amplification"))
    twin = MetaJob(first.config, first.units, first.start * (1 + MOVED * noise))
    return [first, twin, *found[1:]]


def evaluated(
    configs: Sequence[RunConfig], prompts: Sequence[Tensor], concrete: SweepPlan, worker: Worker
) -> list[tuple[float, list[str]]]:
    """Mean validation score and all test answers of each learned prompt, tuned as a sweep does."""
    study, backbone = concrete.study, worker.backbone
    splits = [worker.tokens(task, DATA_SEED, study.target_shots) for task in concrete.tasks]
    jobs = []
    for config, prompt in zip(configs, prompts, strict=True):
        for split, task in zip(splits, concrete.tasks, strict=True):
            cell = CellConfig(
                backbone=study.backbone,
                weights=concrete.weights,
                task=task,
                data_seed=DATA_SEED,
                data=split.split.digest,
                start=config.digest,
                lr=study.validation.lrs[0],
                tuning=study.tuning,
            )
            jobs.append(CellJob(cell, split, prompt))
    ends = tune(jobs, backbone)
    found = []
    for i in range(0, len(ends), len(splits)):
        own = [end for end in ends[i : i + len(splits)] if isinstance(end, Tuned)]
        if len(own) < len(splits):
            found.append((float("nan"), []))
            continue
        rows = [split.questions("test").rows for split in splits]
        theta = torch.stack([end.prompt for end in own])
        texts = answer(backbone, theta, rows, limit=study.backbone.max_target)
        found.append((fmean(end.test for end in own), [text for some in texts for text in some]))
    return found


def measured(params: dict[str, float], concrete: SweepPlan, worker: Worker) -> dict[str, Any]:
    """One line of the table."""
    jobs = jobs_at(params, concrete, worker)
    with TemporaryDirectory() as folder:
        ends = learn(jobs, worker.backbone, checkpoints=Checkpoints(Path(folder), every=inf))
    if lost := [str(end) for end in ends if isinstance(end, Diverged)]:
        return {"diverged": lost}
    runs = [end for end in ends if isinstance(end, Learned)]
    one, twin = runs[:2]
    apart = [abs(a - b) / abs(a) for a, b in zip(one.curve, twin.curve, strict=True)]
    way = (one.prompt - jobs[0].start).norm()
    return {
        "loss": [apart[0], apart[5], apart[-1]],
        "prompt": float((one.prompt - twin.prompt).norm() / way),
        **compared([job.config for job in jobs], [run.prompt for run in runs], concrete, worker),
    }


def compared(
    configs: Sequence[RunConfig], prompts: Sequence[Tensor], concrete: SweepPlan, worker: Worker
) -> dict[str, Any]:
    """Scores and answers of a run, its moved twin and the other meta-seeds, after tuning."""
    scores, texts = zip(*evaluated(configs, prompts, concrete, worker), strict=True)
    differ = [fmean(a != b for a, b in zip(texts[0], texts[n], strict=True)) for n in (1, 2)]
    spread = stdev((scores[0], *scores[2:]))
    return {"score": abs(scores[0] - scores[1]), "seeds": spread, "answers": differ}


def untrained(params: dict[str, float], concrete: SweepPlan, worker: Worker) -> dict[str, Any]:
    """The line of plain prompt tuning."""
    jobs = jobs_at(params, concrete, worker)
    found = compared([job.config for job in jobs], [job.start for job in jobs], concrete, worker)
    return {"loss": [], "prompt": MOVED, **found}


def line(method: str, params: dict[str, float], found: dict[str, Any]) -> str:
    """A row of the Markdown table."""
    shown = {} if method == "plain" else params
    rates = [f"{shown[name]:.3g}" if name in shown else "-" for name in ("inner_lr", "outer_lr")]
    if "diverged" in found:
        return f"| {method} | {' | '.join(rates)} | diverged: {'; '.join(found['diverged'])} |"
    cells = [
        " ".join(f"{value:.0e}" for value in found["loss"]),
        f"{found['prompt']:.1e}",
        f"{found['score']:.3f}",
        f"{found['seeds']:.3f}",
        " ".join(f"{meta_run:.1%}" for meta_run in found["answers"]),
    ]
    return f"| {method} | {' | '.join([*rates, *cells])} |"


def main() -> None:
    """Measure what the file lacks, place by place over all methods, and print the table."""
    file, methods = Path(sys.argv[1]), sys.argv[2:] or ["plain", *METHODS]
    home = Home.find()
    lines = file.read_text().splitlines() if file.exists() else []
    known = {(one["method"], json.dumps(one["at"])): one["found"] for one in map(json.loads, lines)}
    opened = {}
    for name in methods:
        study = resolve(None, {"method": "mtl" if name == "plain" else name})
        worker = Worker(open_gym(study.gym), study.backbone, home)
        opened[name] = plan(study, worker), worker
    todo = {name: list(places(concrete)) for name, (concrete, _) in opened.items()}
    if "plain" in todo:
        todo["plain"] = todo["plain"][:1]
    for number in range(max(map(len, todo.values()))):
        for name, (concrete, worker) in opened.items():
            if number >= len(todo[name]):
                continue
            at = todo[name][number]
            if (key := (name, json.dumps(at))) not in known:
                measure = untrained if name == "plain" else measured
                known[key] = measure(at, concrete, worker)
                with file.open("a") as kept:
                    kept.write(json.dumps({"method": name, "at": at, "found": known[key]}) + "\n")
                print(line(name, at, known[key]), flush=True)
    print("\n| method | inner | outer | loss 1, 6, last | prompt | score | seeds | answers |")
    print("|---|---|---|---|---|---|---|---|")
    for name, some in todo.items():
        for at in some:
            print(line(name, at, known[name, json.dumps(at)]))


if __name__ == "__main__":
    main()
