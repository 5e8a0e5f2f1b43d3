"""`mpt registry` on a real local store of MLflow: what is listed, and going back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import requires, version
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from mlflow_server import answers
from packaging.requirements import Requirement
from terminal import contents, mpt, study_file

pytestmark = pytest.mark.slow

FINAL = {"settings": ["R->R"], "seeds": [13, 21], "lrs": [0.5]}
MODEL = "mpt-small"
PATIENCE = 120
"""Seconds that a server of a model may take."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which two trials were promoted, one after the other."""
    folder = tmp_path_factory.mktemp("registry")
    study = study_file(folder / "study.yaml", {"trials": 2, "final": FINAL})
    assert mpt("sweep", "--study", study, home=folder / "home").code == 0
    for number in ("0", "1"):
        said = mpt("promote", number, "--force", home=folder / "home")
        assert said.code == 0, said.err
    return folder / "home"


def listed(home: Path) -> list[dict]:
    return json.loads(mpt("registry", "list", "--json", home=home).out)["versions"]


def champion(home: Path) -> str:
    """As MLflow says it."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    return client.get_model_version_by_alias(MODEL, "champion").version


def test_versions_are_listed_with_their_digests_and_the_champion(home):
    first, second = listed(home)
    assert (first["number"], second["number"]) == (1, 2)
    assert first["digest"] != second["digest"]
    assert (first["is_champion"], second["is_champion"]) == (False, True)
    lines = mpt("registry", "list", home=home).out.splitlines()
    assert [line.endswith("champion") for line in lines] == [False, True]
    assert all(line.startswith(f"{MODEL}  version ") for line in lines)


def test_going_back_moves_the_alias_and_deletes_nothing(home):
    said = mpt("registry", "rollback", MODEL, home=home)
    assert said.code == 0, said.err
    first = listed(home)[0]
    assert said.out == f"models:/{MODEL}@champion: version 2 -> version 1 ({first['digest']})\n"
    assert int(champion(home)) == 1
    assert len(listed(home)) == 2
    # what mpt itself answers with follows
    shown = mpt("predict", MODEL, "the cat sat on the mat", home=home)
    assert shown.code == 0, shown.err
    before = contents(home)
    none_left = mpt("registry", "rollback", MODEL, home=home)
    assert none_left.code == 2
    assert (
        "is version 1, and there is none before it; name another one with --to" in none_left.error
    )
    assert contents(home) == before
    told = json.loads(mpt("registry", "rollback", MODEL, "--to", "2", "--json", home=home).out)
    assert (told["was"]["number"], told["champion"]["number"]) == (1, 2)
    assert int(champion(home)) == 2


def test_what_is_promoted_again_is_the_champion_again_only_if_better_or_forced(home):
    assert mpt("registry", "rollback", MODEL, home=home).code == 0
    first, second = listed(home)
    again = mpt("promote", "1", home=home)
    assert "nothing to compute" in again.err
    said = again.out.splitlines()[-1]
    if int(champion(home)) == 1:
        assert said.startswith(f"Champion: stays version 1 ({first['digest']}): the new prompt is")
        assert said.endswith(f"; --force replaces it by {second['digest']}")
    else:
        assert f"better than version 1 ({first['digest']}) by +" in said
    forced = mpt("promote", "1", "--force", home=home)
    assert int(champion(home)) == 2
    assert len(listed(home)) == 2
    assert forced.code == 0
    assert forced.out.splitlines()[-1].startswith(f"Champion: models:/{MODEL}@champion")


def test_a_version_tells_its_arg_its_data_and_how_to_use_it(home):
    from mlflow import MlflowClient

    version = MlflowClient(f"sqlite:///{home / 'mlflow.db'}").get_model_version(MODEL, "1")
    wanted = {"mpt.setting", "mpt.method", "mpt.data.sources", "mpt.data.targets", "mpt.arg"}
    assert wanted <= set(version.tags)
    assert f"`mpt predict {version.tags['mpt.digest']}`" in version.description
    run = MlflowClient(f"sqlite:///{home / 'mlflow.db'}").get_run(version.run_id)
    contexts = {tag.value for one in run.inputs.dataset_inputs for tag in one.tags}
    assert contexts == {"meta-training", "evaluation"}


REFUSED = {
    "no such model": (["mpt-smal"], "unknown model 'mpt-smal' - did you mean 'mpt-small'?"),
    "no such version": ([MODEL, "--to", "7"], "unknown version '7'. Known: 1, 2."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_registered_is_one_line(case, home):
    words, line = REFUSED[case]
    before = contents(home)
    refused = mpt("registry", "rollback", *words, home=home)
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.error
    assert contents(home) == before


def test_without_a_store_there_is_nothing_and_none_is_made(tmp_path):
    home = tmp_path / "home"
    said = mpt("registry", "list", home=home)
    assert (said.code, said.out) == (0, "")
    assert said.err == "no prompt is registered yet; `mpt promote best` registers one\n"
    assert mpt("registry", "rollback", MODEL, home=home).code == 2
    assert not home.exists()


def test_a_server_that_does_not_answer_is_one_line(home):
    refused = mpt("registry", "list", "--tracking-uri", "http://127.0.0.1:9", home=home)
    assert refused.code == 2
    assert "the registry http://127.0.0.1:9 cannot be used (" in refused.error


PROGRAM = """
import importlib.util
import sys
from importlib.abc import MetaPathFinder

ALLOWED, OURS = set(sys.argv[2].split(",")), set(sys.argv[3].split(","))

def is_absent(name):
    top = name.partition(".")[0]
    return top in OURS and top not in ALLOWED

class Absent(MetaPathFinder):
    '''Makes what is installed here but not asked for by the model look absent.'''

    def find_spec(self, name, path=None, target=None):
        if is_absent(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
# a library that asks whether there is an optional package is answered, and nothing is raised
usual = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if is_absent(name) else usual(name, package)
)
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/mpt-small@champion")
import mpt

assert mpt.__file__.endswith("/code/mpt/__init__.py"), mpt.__file__
print(model.predict(["the cat sat on the mat", "a dog ran"]))
"""


@pytest.mark.slow
def test_the_model_predicts_with_only_the_dependencies_that_it_documents(home, tmp_path):
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    run = client.get_model_version_by_alias(MODEL, "champion").run_id
    place = download_artifacts(
        run_id=run, artifact_path="model", tracking_uri=f"sqlite:///{home / 'mlflow.db'}"
    )
    documented = [
        Requirement(line)
        for line in (Path(place) / "requirements.txt").read_text().splitlines()
        if line.strip()
    ]
    model = Model.load(place)
    assert [column.type.name for column in model.get_input_schema().inputs] == ["string"]
    assert [column.type.name for column in model.get_output_schema().inputs] == ["string"]
    assert model.load_input_example(place) == ["the cat sat on the mat"]
    for wanted in documented:
        assert "+" not in str(wanted.specifier), "indexes have no local versions"
        assert wanted.specifier.contains(version(wanted.name), prereleases=True), wanted
    # of mpt's own dependencies only these, and what they need themselves, can be imported
    direct = {Requirement(line).name for line in requires("mpt") or () if "extra ==" not in line}
    allowed = closure(wanted.name for wanted in documented)
    modules = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
    ours = {modules.get(name.lower(), name.lower()) for name in direct}
    may = {modules.get(name, name) for name in allowed} | {"mpt"}
    assert {"optuna", "datasets", "higher", "typer"} & (ours - may), "nothing is forbidden"
    lists = (",".join(sorted(may)), ",".join(sorted(ours)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"sqlite:///{home / 'mlflow.db'}", *lists],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert len(answers) == 2
    assert set(answers) <= {"yes", "no"}


def closure(names) -> set[str]:
    """The packages and everything that they need, without extras."""
    found, waiting = set(), [name.lower() for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(line) for line in requires(name) or ()]
        except ModuleNotFoundError:
            continue
        waiting += [
            one.name.lower()
            for one in needed
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return found


@pytest.mark.slow
def test_mlflow_serves_the_model_which_answers_as_mpt_does(home, tmp_path):
    """As docs/mlflow.md says, in an environment that has what the model needs."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "-m", f"models:/{MODEL}@champion", "--port", str(port)]
    # MLflow starts uvicorn by its name, as in an environment that is activated
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "PYTHONPATH": "", "MLFLOW_TRACKING_URI": uri}
    log = tmp_path / "serve.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", *words, "--env-manager", "local"],
            cwd=tmp_path,
            env=environment,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        texts = ["the cat sat on the mat", "a dog ran"]
        request = Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"inputs": texts}).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=PATIENCE) as response:
            served = json.load(response)["predictions"]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
    assert served == mpt("predict", MODEL, *texts, home=home).out.splitlines()
