"""MLflow's pages over the local store, and where they show a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpt.store.home import Home
from mpt.tracking.address import tracked_home

if TYPE_CHECKING:
    from mpt.tracking.links import StudyLinks


@dataclass(frozen=True)
class Pages:
    """MLflow's pages, not served yet.

    Attributes:
        base: their address.
        links: of a study; None where there is none yet.
    """

    home: Home
    host: str
    port: int
    base: str
    links: StudyLinks | None

    def serve(self, allowed_hosts: Sequence[str] = ()) -> int:
        """Serve the pages until the server is interrupted; return its exit code.

        Args:
            allowed_hosts: further host names to answer to, NAME:PORT.
        """
        from mpt.tracking.mlflow_tracker import serve_ui

        return serve_ui(self.home, self.host, self.port, list(allowed_hosts))


def mlflow_pages(
    host: str = "127.0.0.1",
    port: int = 5000,
    *,
    study: str | None = None,
    experiment: str | None = None,
) -> Pages:
    """Prepare MLflow's pages over the local store.

    Args:
        host, port: to listen on.
        study: the one that the links open; by default the study begun last.
        experiment: see ``Compute``.

    Raises:
        UnknownName: no such study.
        InputError: the address cannot be listened on.
    """
    from mpt.tracking.links import study_links
    from mpt.tracking.mlflow_tracker import expect_free, ui_environment

    home = tracked_home(experiment=experiment)
    ui_environment(home)
    expect_free(host, port)
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return Pages(home, host, port, base, study_links(home, base, study))
