"""docker/compose.yaml and `mpt up --print`: the same services, loopback only, no written secret."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from terminal import mpt

from mpt.compute import services
from mpt.compute.ray_cluster import LOOPBACK
from mpt.store.home import Home

FOLDER = Path(__file__).resolve().parent.parent / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
CLIENTS = ("ray", "gpu-worker", "sweep")
ROOT = Path("/runs")


def here(text: str) -> str:
    """What stands in the compose file, as it would be on one machine without containers."""
    text = text.replace("/etc/mlflow/auth.ini", "/runs/auth.ini").replace("${", "$")
    text = re.sub(r"(?::\?set \w+)?\}", "", text)
    text = re.sub(r"//(mpt@)?(postgres|mlflow):", r"//\g<1>127.0.0.1:", text)
    return text.replace("0.0.0.0", "127.0.0.1").replace("mlflow:5000,", "")


def test_every_store_has_a_database_that_is_made(tmp_path):
    client, mlflow = SERVICES["sweep"]["environment"], SERVICES["mlflow"]["environment"]
    stores = {name: client[name] for name in ("MPT_LEDGER_URL", "MPT_STUDIES_URL")}
    backend = mlflow["MLFLOW_BACKEND_STORE_URI"]
    Home.find({"MPT_HOME": str(tmp_path), **stores, "MPT_TRACKING_URI": backend}).refuse_shared()
    made = re.findall(r"CREATE DATABASE (\w+);", (FOLDER / "databases.sql").read_text())
    made.append(SERVICES["postgres"]["environment"]["POSTGRES_DB"])
    used = {url.rpartition("/")[2] for url in (*stores.values(), backend)}
    assert set(made) == used == set(services.DATABASES)


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


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_meet_on_a_network_that_nobody_else_reaches(name):
    assert "inside" in SERVICES[name]["networks"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert "network_mode" not in SERVICES[name]


def test_postgres_is_on_no_other_network_and_only_mlflow_has_a_port():
    assert SERVICES["postgres"]["networks"] == ["inside"]
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["mlflow"]


@pytest.mark.parametrize("name", ["ray", "gpu-worker"])
def test_a_cluster_wants_its_token(name):
    environment = SERVICES[name]["environment"]
    assert environment["RAY_AUTH_MODE"] == services.ray_environment()["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN"] == "${RAY_AUTH_TOKEN:?set RAY_AUTH_TOKEN}"


@pytest.mark.parametrize("exists", [False, True])
def test_the_file_of_who_may_log_in_is_open_to_its_owner_alone(exists, tmp_path):
    file = tmp_path / "basic_auth.db"
    if exists:
        file.write_bytes(b"users")
        file.chmod(0o644)
    words = [word.replace("/runs", str(tmp_path)) for word in SERVICES["mlflow"]["entrypoint"]]
    line = words[2].replace("$$", "$")
    made = subprocess.run(
        [*words[:2], line, words[3], "sh", "-c", "umask; : > $0", tmp_path / "made"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == "0077\n"
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE((tmp_path / "made").stat().st_mode)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == (b"users" if exists else b"")


def test_secrets_come_from_outside_and_never_stand_in_a_command_or_an_address():
    for service in SERVICES.values():
        words = [*service.get("command", []), *service.get("entrypoint", [])]
        assert not re.search("PASSWORD|SECRET|TOKEN", str(words))
        for key, value in service["environment"].items():
            assert not re.search(r"://[^/]*:[^/]*@", value), "a password in an address"
            if re.search("PASSWORD|SECRET|TOKEN", key):
                assert re.fullmatch(r"\$\{\w+(:\?set \w+)?\}|/run/secrets/postgres", value), key
    assert COMPOSE["secrets"] == {"postgres": {"environment": "PGPASSWORD"}}
    wanted = re.findall(r"\$\{(\w+):\?set", (FOLDER / "compose.yaml").read_text())
    assert set(wanted) == set(services.SECRETS)


def test_the_server_answers_to_the_names_it_is_called_by():
    (allowed,) = [w for w in SERVICES["mlflow"]["command"] if w.startswith("--allowed-hosts=")]
    called = SERVICES["sweep"]["environment"]["MPT_TRACKING_URI"].removeprefix("http://")
    assert {called, "127.0.0.1:5000"} <= set(allowed.partition("=")[2].split(","))


def test_a_gpu_is_asked_for_where_it_is_used_and_all_machines_of_a_cluster_run_one_image():
    devices = SERVICES["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert "--num-gpus=1" in SERVICES["gpu-worker"]["command"]
    assert SERVICES["gpu-worker"]["image"] == SERVICES["ray"]["image"]
    assert "ray" in (FOLDER / "Dockerfile").read_text()


def test_the_plain_commands_start_the_same_server():
    mlflow = SERVICES["mlflow"]
    *shell, line, end, program, what = mlflow["entrypoint"]
    assert (*shell, end) == ("sh", "-c", "--")
    assert line.endswith('&& exec "$$@"')
    words = [program, what, *map(here, mlflow["command"])]
    assert words == services.server_words(ROOT)
    told = {key: here(value) for key, value in mlflow["environment"].items()}
    printed = services.server_environment(ROOT)
    assert told == {**printed, **{name: f"${name}" for name in set(told) - set(printed)}}
    assert set(told) - set(printed) <= set(services.SECRETS)
    assert (FOLDER / "auth.ini").read_text() == services.auth("/runs")


def test_the_plain_commands_name_the_same_stores_and_cluster():
    told = {key: here(value) for key, value in SERVICES["ray"]["environment"].items()}
    secrets = {name: f"${name}" for name in set(told) & set(services.SECRETS)}
    # the containers of a cluster must reach one another: theirs is a network of its own
    client = services.client_environment()
    assert {name: client.pop(name) for name in LOOPBACK} == LOOPBACK
    assert told == {**client, **secrets}
    script = services.script(ROOT)
    for word in SERVICES["ray"]["command"]:
        assert f" {word}" in script


def test_the_plain_commands_hold_no_secret_and_open_nothing_to_others(tmp_path):
    planted = dict.fromkeys(services.SECRETS, "hunter2-planted")
    said = mpt("up", "--print", home=tmp_path / "a home", **planted)
    assert said.code == 0
    assert "hunter2" not in said.out + said.err
    assert "0.0.0.0" not in said.out
    assert not (tmp_path / "a home").exists()
    words = shlex.split(said.out, comments=True)
    assert f"--pgdata={tmp_path}/a home/services/postgres" in words
    assert [w for w in words if w.startswith("--host=")] == ["--host=127.0.0.1"] * 4


@pytest.mark.parametrize("missing", services.SECRETS)
def test_a_secret_that_is_not_set_is_asked_for(missing, tmp_path):
    given = {**dict.fromkeys(services.SECRETS, "x"), missing: "", "PATH": str(tmp_path)}
    (tmp_path / "docker").touch(mode=0o755)
    said = mpt("up", home=tmp_path / "home", **given)
    assert said.code == 2
    assert f"set {missing} first" in said.error


def test_without_docker_the_plain_commands_are_named(tmp_path):
    said = mpt("up", home=tmp_path / "home", PATH=str(tmp_path))
    assert said.code == 2
    assert "docker is not on PATH; `mpt up --print` prints the same" in said.error


@pytest.mark.parametrize("name", ["100%", "50%25", "what?", "a#b", "a b", "a;b", "%(here)s", "ü"])
def test_who_may_log_in_is_kept_in_the_folder_of_any_name(name):
    from configparser import ConfigParser

    from sqlalchemy import make_url

    read = ConfigParser()
    read.read_string(services.auth(f"/srv/{name}"))
    kept = make_url(read["mlflow"]["database_uri"]).database
    assert kept == f"/srv/{name}/basic_auth.db"
