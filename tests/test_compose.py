"""docker/compose.yaml: separate databases, health first, loopback only, no written secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mpt.lab.home import Home

FOLDER = Path(__file__).resolve().parent.parent / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def test_every_store_has_a_database_that_is_made(tmp_path):
    sweep, mlflow = SERVICES["sweep"]["environment"], SERVICES["mlflow"]["environment"]
    stores = {name: sweep[name] for name in ("MPT_LEDGER_URL", "MPT_STUDIES_URL")}
    backend = mlflow["MLFLOW_BACKEND_STORE_URI"]
    Home.find({"MPT_HOME": str(tmp_path), **stores, "MPT_TRACKING_URI": backend}).refuse_shared()
    made = re.findall(r"CREATE DATABASE (\w+);", (FOLDER / "databases.sql").read_text())
    made.append(SERVICES["postgres"]["environment"]["POSTGRES_DB"])
    assert sorted(made) == sorted(url.rpartition("/")[2] for url in (*stores.values(), backend))


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_depended_on_tells_its_health(name):
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        assert wanted == {"condition": "service_healthy"}
        assert SERVICES[other]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only_and_volumes_are_named(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    for volume in SERVICES[name]["volumes"]:
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or (FOLDER / source).is_file()


def test_passwords_come_from_the_environment_and_never_stand_in_a_command():
    def words(service):
        return [*service.get("command", []), *service.get("entrypoint", [])]

    for service in SERVICES.values():
        assert not [word for word in words(service) if "PASSWORD" in word]
        for key, value in service["environment"].items():
            if "PASSWORD" in key or "://mpt:" in value:
                assert re.search(r"\$\{POSTGRES_PASSWORD[:}]", value), key


def test_the_server_answers_to_the_names_it_is_called_by():
    (allowed,) = [w for w in SERVICES["mlflow"]["command"] if w.startswith("--allowed-hosts=")]
    called = SERVICES["sweep"]["environment"]["MPT_TRACKING_URI"].removeprefix("http://")
    assert {called, "127.0.0.1:5000"} <= set(allowed.partition("=")[2].split(","))
