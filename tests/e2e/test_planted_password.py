"""A password planted in every address is found nowhere in what is written, said or listed."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from forked import Forked
from terminal import study_file

PLANTED = "hunter2%41@plan:ted/x"
"""Signs that part a URL, or would be read as another sign."""

WRITTEN = quote(PLANTED, safe="")
WRONG = "hunter3-planted"
SECRETS = (PLANTED, WRITTEN, WRONG, "hunter")
NAMES = ("ledger", "studies", "mlflow")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Watched:
    """What a command said, and how it ended."""

    words: tuple[str, ...]
    text: str
    code: int

    def is_clean(self) -> Watched:
        assert self.text
        assert "Traceback" not in self.text, self.text
        assert not [one for one in SECRETS if one in self.text], (self.words, self.text)
        return self


@pytest.fixture
def ask(tmp_path):
    """Run a command whose environment is full of passwords; look at every process meanwhile."""
    secret = {
        "MLFLOW_TRACKING_PASSWORD": PLANTED,
        "PGPASSWORD": PLANTED,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": PLANTED,
        "RAY_AUTH_TOKEN": PLANTED,
    }

    def run(*words: str, **changes: str) -> Watched:
        process = Forked(words, {**secret, "MPT_HOME": str(tmp_path / "home"), **changes})
        while (code := process.poll()) is None:
            expect_no_arguments()
            time.sleep(0.05)
        return Watched(words, "".join(process.communicate()), code).is_clean()

    return run


def expect_no_arguments() -> None:
    """No process's words hold a password: every user of the machine sees them."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            seen = path.read_bytes()
            assert not [one for one in SECRETS if one.encode() in seen], seen


def expect_no_files(folder: Path) -> list[Path]:
    """No file holds a password; the files."""
    written = [path for path in folder.rglob("*") if path.is_file()]
    for path in written:
        data = path.read_bytes()
        assert not [one for one in SECRETS if one.encode() in data], path
    return written


@pytest.fixture
def stores(postgres):
    """Addresses of three databases of a user who has the planted password."""
    postgres.make(*NAMES)
    engine = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        if db.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = 'planted'")).first() is None:
            db.execute(sa.text(f"CREATE ROLE planted SUPERUSER LOGIN PASSWORD '{PLANTED}'"))
    engine.dispose()
    start = f"postgresql+psycopg://planted:{WRITTEN}@127.0.0.1:{postgres.port}"
    variables = ("MPT_LEDGER_URL", "MPT_STUDIES_URL", "MPT_TRACKING_URI")
    return {key: f"{start}/{name}" for key, name in zip(variables, NAMES, strict=True)}


def expect_no_rows(postgres) -> str:
    """No table of the three databases holds a password; what they hold, as one text."""
    dumps = ""
    for name in NAMES:
        dumps += subprocess.run(
            [postgres.programs / "pg_dump", postgres.url(name).replace("+psycopg", "")],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    assert not [one for one in SECRETS if one in dumps]
    return dumps


def test_a_planted_password_is_found_nowhere(postgres, stores, ask, tmp_path):
    study = str(study_file(tmp_path / "study.yaml", {"trials": 1, "outer": {"steps": 1}}))
    assert ask("sweep", "--study", study, **stores).code == 0
    assert ask("promote", "best", "--study", "small", **stores).code == 0
    for words in (("studies", "list"), ("doctor",), ("doctor", "--json"), ("registry", "list")):
        assert "***" in ask(*words, **stores).text or words[0] != "doctor"
    dumps = expect_no_rows(postgres)
    assert all(sign in dumps for sign in ("mpt.digest", "mpt_units", "study_user_attributes"))
    kinds = {path.suffix for path in expect_no_files(tmp_path)}
    assert kinds >= {".md", ".html", ".csv", ".tex"}


def test_nor_where_a_server_is_away_or_the_password_is_wrong(stores, ask, tmp_path):
    study = str(study_file(tmp_path / "study.yaml", {"trials": 1, "outer": {"steps": 1}}))
    away = f"http://user:{WRITTEN}@127.0.0.1:9"
    assert ask("sweep", "--study", study, MPT_TRACKING_URI=away).code == 0
    assert "***" in ask("sync", MPT_TRACKING_URI=away).text
    assert ask("ui", MPT_TRACKING_URI=away).code == 2
    assert any("outbox" in path.parts for path in expect_no_files(tmp_path)), "runs wait for it"
    wrong = {name: url.replace(WRITTEN, WRONG) for name, url in stores.items()}
    assert ask("doctor", RAY_ADDRESS=f"ray://user:{WRITTEN}@127.0.0.1:9", **wrong).code == 1
    for words in (("studies", "list"), ("registry", "list"), ("sweep", "--study", study)):
        assert ask(*words, **wrong).code == 2
    assert "$" in ask("up", "--print").text


@pytest.mark.nightly
def test_nor_on_a_cluster(stores, ask, tmp_path):
    pytest.importorskip("ray", reason="needs pip install '.[ray]'")
    study = str(study_file(tmp_path / "study.yaml", {"trials": 1, "outer": {"steps": 1}}))
    # sockets have short paths
    cluster = Path("/tmp") / f"mpt-planted-{os.getpid()}"
    given = {**stores, "RAY_AUTH_TOKEN": "", "RAY_TMPDIR": str(cluster)}
    assert ask("sweep", "--study", study, "--ray", "local", **given).code == 0
    assert expect_no_files(cluster), "Ray keeps its logs there"
