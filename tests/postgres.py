"""A real PostgreSQL in a folder of its own; tests may stop and start it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

PASSWORD = "s3cret-of-the-test"


@dataclass(frozen=True)
class Postgres:
    """One server: where its programs and data are, on which port it listens, who runs it."""

    programs: Path
    folder: Path
    port: int
    user: int | None

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://mpt:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def restart(self) -> None:
        """As a crash would: connections are cut, nothing is said to them."""
        self.stop("immediate")
        self.start()

    def make(self, *databases: str) -> None:
        """New, empty databases; those of the same name are dropped first."""
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as db:
            for name in databases:
                db.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                db.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()

    def initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.user is not None:
            for path in (self.folder, secret):
                os.chown(path, self.user, -1)
        options = ["-U", "mpt", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        self._run("initdb", "-D", self._data, "-E", "UTF8", "--locale=C", *options)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *words: str) -> None:
        command = [str(self.programs / program), *words]
        # to a file: the server inherits a pipe and would keep it open
        with tempfile.TemporaryFile("w+") as said:
            code = subprocess.call(
                command, user=self.user, cwd=self.folder, stdout=said, stderr=said, timeout=120
            )
            said.seek(0)
            assert code == 0, said.read()


def find(folder: Path) -> Postgres:
    """A server that is not initialised yet; skips the test where PostgreSQL cannot run."""
    pytest.importorskip("psycopg", reason="needs pip install 'mpt[postgres]'")
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), shutil.which("initdb")]
    programs = [Path(path).resolve().parent for path in found if path]
    if not programs:
        pytest.skip("PostgreSQL's initdb is neither in /usr/lib/postgresql/*/bin nor on PATH")
    user = None
    if os.getuid() == 0:
        try:
            user = pwd.getpwnam("postgres").pw_uid
        except KeyError:
            pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Postgres(programs[-1], folder, port, user)
