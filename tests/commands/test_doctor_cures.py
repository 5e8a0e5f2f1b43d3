"""What `mpt doctor` says to do about servers and databases is done here, and then it is well."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import ssl
import subprocess
import sys
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from shutil import which
from threading import Thread

import pytest
from terminal import mpt, study_file

from mpt.store.schema import MLFLOW, OPTUNA, _revisions, schema_fault
from mpt.tracking.client import connect, disconnect

# what a user who leaves the certificate out is told by MLflow's client
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

OLD_OPTUNA = Path(__file__).parent.parent / "fixtures" / "optuna-3.1.sql"


def finding(name, *words, home, **variables):
    """One finding of the doctor, whose gym and backbone are left out for speed."""
    said = mpt("doctor", "--json", *words, home=home, **variables)
    return next(one for one in json.loads(said.out) if one["name"] == name)


@pytest.fixture(autouse=True)
def _no_machine(monkeypatch):
    monkeypatch.setattr("mpt.doctor.machine.machine", lambda *_: iter(()))


@contextmanager
def answering(context: ssl.SSLContext | None = None):
    """A server that answers as an MLflow without experiments, over TLS if a context is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    class Quiet(HTTPServer):
        def handle_error(self, *_):
            pass

    with Quiet(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def certified(folder: Path, names: str = ""):
    """A server with a self-signed certificate for some names; its port and certificate."""
    if not (openssl := which("openssl")):
        pytest.skip("needs openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    words += ["-addext", f"subjectAltName={names}"] if names else []
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(context) as port:
        yield port, str(certificate)


CERTIFICATE, UNCHECKED = "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_INSECURE_TLS"


def test_both_cures_of_a_self_signed_certificate_work(tmp_path):
    home = tmp_path / "home"
    with certified(tmp_path, "DNS:localhost,IP:127.0.0.1") as (port, certificate):
        words = ("--tracking-uri", f"https://127.0.0.1:{port}")
        ill = finding("tracking", *words, home=home)
        assert ill["state"] == "fail"
        assert ill["what"].endswith(": self-signed certificate")
        assert ill["fix"].startswith(f"set {CERTIFICATE} to the file (PEM)")
        assert f"set {UNCHECKED}=true" in ill["fix"]
        for cure in ({CERTIFICATE: certificate}, {UNCHECKED: "true"}):
            well = finding("tracking", *words, home=home, **cure)
            assert well["state"] == "ok", well
        both = {CERTIFICATE: certificate, UNCHECKED: "true"}
        ill = finding("tracking", *words, home=home, **both)
        assert ill["fix"] == f"unset {CERTIFICATE} or {UNCHECKED}"
        ill = finding("tracking", *words, home=home, **{CERTIFICATE: "/nowhere.pem"})
        assert f"let {CERTIFICATE} (or REQUESTS_CA_BUNDLE) name the file" in ill["fix"]


def test_a_certificate_of_another_name_is_cured_by_that_name_or_not_looked_at(tmp_path):
    with certified(tmp_path, "DNS:localhost") as (port, certificate):
        trusted = {CERTIFICATE: certificate}
        words = ("--tracking-uri", f"https://127.0.0.1:{port}")
        ill = finding("tracking", *words, home=tmp_path / "home", **trusted)
        assert ill["fix"].startswith("call the server by a name that stands in its certificate")
        named = ("--tracking-uri", f"https://localhost:{port}")
        assert finding("tracking", *named, home=tmp_path / "home", **trusted)["state"] == "ok"
        well = finding("tracking", *words, home=tmp_path / "home", **{UNCHECKED: "true"})
        assert well["state"] == "ok"


def test_a_server_without_tls_is_called_by_http(tmp_path):
    with answering() as port:
        words = ("--tracking-uri", f"https://127.0.0.1:{port}")
        ill = finding("tracking", *words, home=tmp_path / "home")
        assert "give its address with http://" in ill["fix"]
        words = ("--tracking-uri", f"http://127.0.0.1:{port}")
        assert finding("tracking", *words, home=tmp_path / "home")["state"] == "ok"


def test_mlflow_s_own_variable_is_honoured_behind_mpt_s(tmp_path):
    home, dead = tmp_path / "home", "http://127.0.0.1:9"
    ill = finding("tracking", home=home, MLFLOW_TRACKING_URI=dead)
    assert (ill["state"], dead in ill["what"]) == ("fail", True)
    with answering() as port:
        alive = f"http://127.0.0.1:{port}"
        both = {"MPT_TRACKING_URI": alive, "MLFLOW_TRACKING_URI": dead}
        assert alive in finding("tracking", home=home, **both)["what"]
    # what the sweep uses is what the doctor looked at
    refused = mpt("registry", "list", home=home, MLFLOW_TRACKING_URI=dead)
    assert refused.code == 2
    assert dead in refused.error
    refused = mpt("ui", home=home, MLFLOW_TRACKING_URI=dead)
    assert "unset MLFLOW_TRACKING_URI to see the local store" in refused.error
    for odd in ("databricks", "file:///tmp/mlruns", "mlruns"):
        refused = mpt("sync", home=home, MLFLOW_TRACKING_URI=odd)
        assert refused.code == 2
        assert "MLFLOW_TRACKING_URI says so, and MPT_TRACKING_URI goes before it" in refused.error
        own = f"sqlite:///{home / 'mlflow.db'}"
        cured = {"MLFLOW_TRACKING_URI": odd, "MPT_TRACKING_URI": own}
        assert mpt("sync", home=home, **cured).code == 0


def old_optuna(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(file)) as made:
        made.executescript(OLD_OPTUNA.read_text())


def do(text: str) -> None:
    """Run the commands in backticks that a cure names, in their order."""
    scripts = Path(sys.executable).parent
    for command in text.split("`")[1::2]:
        words = shlex.split(command)
        own = scripts / words[0]
        subprocess.run([str(own) if own.exists() else words[0], *words[1:]], check=True)


OPENING = [
    ("studies", "list"),
    ("studies", "show", "x"),
    ("sweep", "--study", "small.yaml"),
    ("promote", "best", "--dry-run"),
    ("report", "--study", "x", "--out", "page"),
    ("similarity",),
]


@pytest.mark.parametrize("name", ["home", "100% of 'it' #1?"])
def test_an_older_optuna_s_studies_are_brought_up_to_date_by_the_cure(name, tmp_path):
    home = tmp_path / name
    old_optuna(home / "studies.db")
    ill = finding("studies", home=home)
    assert ill["state"] == "fail"
    assert "of Optuna's earlier schema v3.0.0.d" in ill["what"]
    assert ill["fix"].startswith("copy it first (`cp ")
    do(ill["fix"])
    assert (home / "studies.db.bak").is_file()
    assert finding("studies", home=home)["state"] == "ok"
    assert mpt("studies", "list", home=home).code == 0


@pytest.mark.parametrize("words", OPENING, ids=" ".join)
def test_every_command_that_opens_studies_says_the_same_of_an_old_one(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    old_optuna(tmp_path / "home" / "studies.db")
    study_file(tmp_path / "small.yaml")
    refused = mpt(*words, home=tmp_path / "home")
    assert refused.code == 2
    assert "`optuna storage upgrade --storage sqlite:///" in refused.error
    assert "copy it first" in refused.error


def test_a_newer_optuna_s_studies_are_left_to_it(tmp_path):
    home = tmp_path / "home"
    old_optuna(home / "studies.db")
    with closing(sqlite3.connect(home / "studies.db")) as made, made:
        made.execute("UPDATE alembic_version SET version_num = 'v9.9.9.z'")
    ill = finding("studies", home=home)
    assert "schema v9.9.9.z, which this Optuna does not know" in ill["what"]
    assert "set MPT_STUDIES_URL to another database" in ill["fix"]
    assert "v9.9.9.z" in mpt("studies", "list", home=home).error
    cure = {"MPT_STUDIES_URL": f"sqlite:///{home / 'other.db'}"}
    assert finding("studies", home=home, **cure)["state"] == "ok"
    assert mpt("studies", "list", home=home, **cure).code == 0


def test_another_tool_s_database_is_no_studies_store(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with closing(sqlite3.connect(home / "studies.db")) as made, made:
        made.execute("CREATE TABLE notes (text TEXT)")
    assert "holds the tables of another tool" in finding("studies", home=home)["what"]
    study = study_file(tmp_path / "small.yaml")
    for words in (("studies", "list"), ("sweep", "--study", study)):
        refused = mpt(*words, home=home)
        assert refused.code == 2
        assert "it holds the table 'notes' of another tool" in refused.error
        assert "set MPT_STUDIES_URL" in refused.error


@pytest.mark.slow
def test_an_older_or_newer_mlflow_s_runs_say_what_to_do(tmp_path):
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    home = tmp_path / "home"
    home.mkdir()
    # under another name, as MLflow remembers in a process which databases it has looked at
    made = f"sqlite:///{home / 'made.db'}"
    disconnect(connect(made))
    command.downgrade(_get_alembic_config(made), "-1")
    (home / "made.db").rename(home / "mlflow.db")
    ill = finding("tracking", home=home)
    assert ill["state"] == "fail"
    assert "of MLflow's earlier schema" in ill["what"]
    for words in (("registry", "list"), ("ui",)):
        refused = mpt(*words, home=home)
        assert refused.code == 2
        assert "`mlflow db upgrade sqlite:///" in refused.error
    do(ill["fix"])
    assert finding("tracking", home=home)["state"] == "ok"
    assert mpt("registry", "list", home=home).code == 0
    newer = tmp_path / "newer"
    newer.mkdir()
    shutil.copy(home / "mlflow.db", newer / "mlflow.db")
    with closing(sqlite3.connect(newer / "mlflow.db")) as made, made:
        made.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert "which this MLflow does not know" in finding("tracking", home=newer)["what"]
    assert "set MPT_TRACKING_URI to another" in mpt("registry", "list", home=newer).error
    cure = {"MPT_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}"}
    assert mpt("registry", "list", home=newer, **cure).code == 0


def test_the_newest_revision_is_the_one_that_alembic_finds():
    """Read off the scripts, which Alembic would import."""
    from alembic.script import ScriptDirectory
    from optuna.storages import _rdb

    scripts = ScriptDirectory(str(Path(_rdb.__path__[0]) / "alembic"))
    newest, known = _revisions(OPTUNA)
    assert newest == scripts.get_current_head()
    assert known == {one.revision for one in scripts.walk_revisions()}
    assert len(_revisions(MLFLOW)[1]) > 50


def test_a_server_s_password_stands_in_no_cure():
    url = "postgresql+psycopg://u:s3cret@host/d"
    for owner, old, variable in (
        (OPTUNA, "v3.0.0.d", "MPT_STUDIES_URL"),
        (MLFLOW, "451aebb31d03", "MPT_TRACKING_URI"),
    ):
        fault = schema_fault(url, variable, owner, old)
        assert fault is not None
        assert f'{owner.upgrade} "${variable}"`' in fault.fix
        assert "s3cret" not in str(fault)


def test_a_file_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    home = tmp_path / "home"
    mpt("studies", "list", home=home)
    home.mkdir(exist_ok=True)
    file = home / "ledger.db"
    with closing(sqlite3.connect(file)) as made, made:
        made.execute("CREATE TABLE mpt_schema (name TEXT)")
    monkeypatch.setattr("mpt.doctor.stores.os.access", lambda path, _: path != file)
    ill = finding("ledger", home=home)
    assert (ill["state"], "cannot be written" in ill["what"]) == ("fail", True)
    assert f"`chmod u+w {file}`" in ill["fix"]
