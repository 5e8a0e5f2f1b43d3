"""The services of a team: PostgreSQL, MLflow and Ray."""

from __future__ import annotations

from typing import NoReturn

from mpt.store.home import Home


def start_services() -> NoReturn:
    """Replace this process by PostgreSQL, MLflow and Ray for a team, in Docker.

    Raises:
        InputError: there is no clone, no Docker, or a secret is not set.
    """
    from mpt.compute.services import compose

    compose()


def services_script() -> str:
    """Return the bash commands that start the same services without Docker; nothing is run."""
    from mpt.compute.services import script

    return script(Home.find().root / "services")
