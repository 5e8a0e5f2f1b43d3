"""`--ray` and `--gpus-per-pack` where there is no cluster: one line, nothing written."""

from __future__ import annotations

import socket
import sys

import pytest
from terminal import mpt, study_file

from mpt.compute import ray_cluster
from mpt.compute.ray_cluster import share
from mpt.errors import ConfigError


@pytest.fixture
def refused(tmp_path):
    """What a sweep says that is refused."""
    study, home = study_file(tmp_path / "study.yaml"), tmp_path / "home"

    def refuse(*words, **variables):
        said = mpt("sweep", "--study", study, *words, home=home, **variables)
        assert said.code == 2
        assert not home.exists()
        return said.error

    return refuse


def test_without_ray_it_is_said_how_to_get_it(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refused("--ray", "local") == ("error: could not import ray; pip install -e '.[ray]'")


def test_options_that_do_not_go_together(refused):
    assert refused("--gpus-per-pack", "0.5") == (
        "error: --gpus-per-pack is for packs on a Ray cluster; give --ray too"
    )


@pytest.mark.parametrize("gpus", [0, -1, 1.5, float("nan"), float("inf")])
def test_a_share_that_ray_cannot_give(gpus):
    with pytest.raises(ConfigError, match="give a fraction of one GPU such as"):
        share(gpus, None)


class TestWithRay:
    """What is said where Ray is installed and no cluster answers."""

    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")

    @pytest.fixture
    def closed(self):
        """An address at which nothing listens."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        return f"127.0.0.1:{port}"

    def test_nothing_listens(self, refused, closed):
        assert refused("--ray", closed) == (
            f"error: no Ray cluster answers at {closed} (Connection refused); give the address "
            "that `ray start --head` printed, or --ray local"
        )

    def test_auto_means_the_address_in_the_environment(self, refused, closed):
        assert f"answers at {closed}" in refused("--ray", "auto", RAY_ADDRESS=closed)

    @pytest.fixture
    def alone(self, monkeypatch):
        """A machine without Ray's daemon, whatever other tests have started."""
        monkeypatch.setattr(ray_cluster, "_is_member", lambda: False)

    def test_auto_without_a_cluster(self, refused, alone, monkeypatch):
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        assert refused("--ray", "auto") == (
            "error: --ray auto finds no Ray cluster on this machine; set RAY_ADDRESS, start one "
            "with `ray start --head`, or give --ray local"
        )

    def test_a_machine_outside_of_the_cluster_is_not_let_in(self, refused, alone):
        with socket.create_server(("127.0.0.1", 0)) as head:
            address = f"127.0.0.1:{head.getsockname()[1]}"
            assert refused("--ray", address) == (
                f"error: cannot join the Ray cluster at {address!r} (this machine is not part of a "
                "cluster); give HOST:PORT of its head and, if it has one, its token "
                "(RAY_AUTH_MODE=token, RAY_AUTH_TOKEN), and run mpt on a machine of the cluster: "
                "`ray start --address HOST:PORT --num-cpus 0` makes this one a member that "
                "computes nothing"
            )

    def test_what_is_no_address(self, refused, monkeypatch):
        monkeypatch.setattr(ray_cluster, "_is_member", lambda: True)
        assert "at 'somewhere' (not the address of a head); give" in refused("--ray", "somewhere")
