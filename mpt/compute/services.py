"""The services of a team's sweeps as plain commands: PostgreSQL, an MLflow server, a Ray head.

docker/compose.yaml describes the same services for machines with Docker; a test compares the two.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from shlex import quote
from typing import NoReturn

from mpt.compute.ray_cluster import LOOPBACK
from mpt.errors import InputError
from mpt.store.address import sqlite_url

HOST = "127.0.0.1"
POSTGRES, MLFLOW, RAY = 5432, 5000, 6379
DATABASES = ("studies", "ledger", "mlflow")
"""For Optuna, the ledger and MLflow, each of which needs a database of its own."""

SECRETS = (
    "PGPASSWORD",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "RAY_AUTH_TOKEN",
)
"""Environment variables that the commands refer to; their values are never printed."""

_SCRIPT = """\
# PostgreSQL, MLflow and Ray on this machine, open to this machine alone. Set four secrets first, in
# the same bash: {secrets}
# (MLflow wants passwords of 12 characters or more). All of this may be run again.
export {names}
: {wanted}
start() {{ pg_ctl --pgdata={data} --log={root}/postgres.log --wait start \\
    --options="-c listen_addresses={host} -c port={postgres} -c unix_socket_directories=''"; }}

# the first time: the databases, and where MLflow keeps who may log in
mkdir -p {root}
chmod 700 {root}
if [ ! -d {data} ]; then
initdb --pgdata={data} --username=mpt --encoding=UTF8 --auth=scram-sha-256 \\
    --pwfile=<(printenv PGPASSWORD)
start
{createdb}
cat > {root}/auth.ini <<'END'
{auth}END
fi
touch {root}/basic_auth.db
chmod 600 {root}/basic_auth.db

# the servers
pg_ctl --pgdata={data} status > /dev/null || start
{server} \\
    {mlflow_words} > {root}/mlflow.log 2>&1 &
{ray_settings} \\
    ray start --head --node-ip-address={host} --port={ray} --include-dashboard=false \\
    --disable-usage-stats

# where mpt finds them; `mpt doctor` says whether it does
{client}

# to stop them: kill %1; ray stop; pg_ctl --pgdata={data} stop
"""


COMPOSE = Path(__file__).resolve().parents[2] / "docker" / "compose.yaml"


def compose() -> NoReturn:
    """Replace this process by `docker compose up` for the services.

    Raises:
        InputError: there is no clone, no Docker, or a secret is not set.
    """
    instead = "`mpt up --print` prints the same services as plain commands"
    if not COMPOSE.is_file():
        raise InputError(
            f"mpt is not run from a clone, so there is no {COMPOSE}",
            fix=f"{instead}",
        )
    if shutil.which("docker") is None:
        raise InputError(
            "docker is not on PATH",
            fix=f"{instead}",
        )
    if missing := [name for name in SECRETS if not os.environ.get(name)]:
        raise InputError(
            f"set {' and '.join(missing)} first, each to a secret of 12 characters or more",
            fix=f"or call `docker compose -f {COMPOSE} up`, which also reads docker/.env",
        )
    sys.stdout.flush()
    words = ["docker", "compose", "--file", str(COMPOSE), "up", "--detach", "--wait"]
    os.execvp(words[0], words)


def server_environment(root: Path) -> dict[str, str]:
    """Return the MLflow server's environment; a value that begins with ``$`` names a secret."""
    return {
        "MLFLOW_BACKEND_STORE_URI": database_url("mlflow"),
        "MLFLOW_AUTH_CONFIG_PATH": str(root / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": "$MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def server_words(root: Path) -> list[str]:
    """Build the MLflow server's command: authentication, address, allowed hosts, file store."""
    return [
        *("mlflow", "server", f"--host={HOST}", f"--port={MLFLOW}", "--app-name=basic-auth"),
        f"--allowed-hosts=localhost:{MLFLOW},{HOST}:{MLFLOW}",
        *(f"--artifacts-destination={root / 'artifacts'}", "--serve-artifacts"),
    ]


def client_environment() -> dict[str, str]:
    """Return the environment that points mpt at the services, without the secrets."""
    return {
        "MPT_STUDIES_URL": database_url("studies"),
        "MPT_LEDGER_URL": database_url("ledger"),
        "MPT_TRACKING_URI": f"http://{HOST}:{MLFLOW}",
        "MLFLOW_TRACKING_USERNAME": "admin",
        "RAY_ADDRESS": f"{HOST}:{RAY}",
        **ray_environment(),
    }


def ray_environment() -> dict[str, str]:
    """Return the environment that limits a Ray cluster to this machine and to its token."""
    return {**LOOPBACK, "RAY_AUTH_MODE": "token"}


def database_url(name: str) -> str:
    """Return a database's URL, without the password: the driver reads ``PGPASSWORD``."""
    return f"postgresql+psycopg://mpt@{HOST}:{POSTGRES}/{name}"


def auth(root: str) -> str:
    """Return MLflow's permissions as an INI file; its first start creates the user ``admin``."""
    # a % begins a reference in an INI file, and percent-encoded URLs hold some
    database = sqlite_url(Path(root) / "basic_auth.db").replace("%", "%%")
    return (
        "# Holds no secret: the password of the first start is MLFLOW_AUTH_ADMIN_PASSWORD.\n"
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = {database}\n"
        "admin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )


def script(root: Path) -> str:
    """Write the bash commands that create, start and name the services.

    Args:
        root: the folder of their data.
    """
    settings = (f"{k}={_value(v)}" for k, v in server_environment(root).items())
    return _SCRIPT.format(
        host=HOST,
        postgres=POSTGRES,
        ray=RAY,
        ray_settings=" ".join(f"{k}={_value(v)}" for k, v in ray_environment().items()),
        root=quote(str(root)),
        data=quote(str(root / "postgres")),
        names=" ".join(SECRETS),
        secrets=", ".join(SECRETS),
        wanted=" ".join(f'"${{{name}:?set it first}}"' for name in SECRETS),
        createdb="\n".join(
            f"createdb --host={HOST} --port={POSTGRES} --username=mpt {name}" for name in DATABASES
        ),
        auth=auth(str(root)),
        server=" \\\n    ".join(settings),
        mlflow_words=" ".join(quote(word) for word in server_words(root)[:2])
        + "".join(f" \\\n    {quote(word)}" for word in server_words(root)[2:]),
        client="\n".join(f"export {k}={_value(v)}" for k, v in client_environment().items()),
    )


def _value(text: str) -> str:
    return f'"{text}"' if text.startswith("$") else quote(text)
