"""Where state lives: one folder and three databases, which must not be the same one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpt.errors import StoreError
from mpt.store.address import from_home, is_ambiguous, place, sqlite_url

EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
"""Environment variable that names the MLflow experiment of the runs."""

TRACKING = ("MPT_TRACKING_URI", "MLFLOW_TRACKING_URI")
"""Environment variables that say where runs are tracked; the first one that is set counts."""


def tracking_variable(environment: Mapping[str, str] = os.environ) -> str:
    """Return the variable that says where runs are tracked, or the one to set if none does."""
    return next((name for name in TRACKING if environment.get(name)), TRACKING[0])


@dataclass(frozen=True)
class Home:
    """Name the folder that holds everything mpt records, and the URLs of its three stores.

    Attributes:
        root: absolute; ``MPT_HOME``, else ``mlruns`` in the working directory.
        ledger_url: the ledger of finished units of work; ``MPT_LEDGER_URL``.
        studies_url: Optuna's studies; ``MPT_STUDIES_URL``.
        tracking_uri: MLflow's store or server; ``MPT_TRACKING_URI``, else
            ``MLFLOW_TRACKING_URI``.
        experiment: the MLflow experiment of the runs; ``MLFLOW_EXPERIMENT_NAME``.
    """

    root: Path
    ledger_url: str
    studies_url: str
    tracking_uri: str
    experiment: str = "mpt"

    def __post_init__(self) -> None:
        for url in (self.ledger_url, self.studies_url, self.tracking_uri):
            if is_ambiguous(url):
                raise StoreError(
                    f"the address {self.shown(url)!r} can be read in two ways",
                    fix=(
                        "percent-encode its "
                        "password: @ as %40, / as %2F, ? as %3F, # as %23, % as %25"
                    ),
                )

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> Home:
        """Return the home that the environment names; write nothing.

        Raises:
            StoreError: the folder has no path on this machine, or none that is UTF-8; the password
                of an address holds characters that end a part of a URL.
        """
        folder = environment.get("MPT_HOME") or "mlruns"
        try:
            root = Path(folder).expanduser().absolute()
            str(root).encode()
        except (RuntimeError, OSError) as error:
            raise StoreError(
                f"the home folder {folder!r} has no path on this machine ({error})",
                fix="set MPT_HOME to an absolute path",
            ) from None
        except UnicodeEncodeError:
            raise StoreError(
                f"the name of the home folder {folder!r} is not UTF-8",
                fix="set MPT_HOME to another one",
            ) from None
        return cls(
            root,
            from_home(environment.get("MPT_LEDGER_URL") or sqlite_url(root / "ledger.db")),
            from_home(environment.get("MPT_STUDIES_URL") or sqlite_url(root / "studies.db")),
            from_home(
                environment.get(tracking_variable(environment)) or sqlite_url(root / "mlflow.db")
            ),
            environment.get(EXPERIMENT) or cls.experiment,
        )

    def open(self) -> Home:
        """Make the folders of the home and return it.

        Raises:
            StoreError: two stores are the same database, or the folder cannot be written.
        """
        self.refuse_shared()
        try:
            for folder in (
                self.outbox,
                self.checkpoints,
                self.prompts,
                self.tokens,
                self.artifacts,
                self.reports,
            ):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the home folder {self.root} cannot be written ({error.strerror})",
                fix="set MPT_HOME to a folder that can",
            ) from None
        if not os.access(self.root, os.W_OK):
            raise StoreError(
                f"the home folder {self.root} cannot be written",
                fix="set MPT_HOME to a folder that can",
            )
        return self

    @property
    def outbox(self) -> Path:
        """Folder of tracking records that have not been sent yet."""
        return self.root / "outbox"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints of unfinished meta-trainings."""
        return self.root / "checkpoints"

    @property
    def tokens(self) -> Path:
        """Folder of token ids of task splits, ``<key>.i32``; rebuilt where they are missing."""
        return self.root / "tokens"

    @property
    def prompts(self) -> Path:
        """Folder of soft prompts, ``<digest>.safetensors``."""
        return self.root / "prompts"

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow's files, when its store is local."""
        return self.root / "artifacts"

    @property
    def reports(self) -> Path:
        """Folder of the pages and tables of promotions."""
        return self.root / "reports"

    @staticmethod
    def shown(url: str) -> str:
        """Return a URL, or a text that quotes one, with every password replaced by ``***``."""
        url = re.sub(r"(://[^:/?#@]*):.*@", r"\1:***@", url)
        # an address of a Ray cluster needs no scheme
        url = re.sub(r"^([^\s:/?#@]*):(?!//)\S*@", r"\1:***@", url)
        return re.sub(
            r"(?i)([?&][^=&]*(?:pass|pwd|token|secret|odbc_connect)[^=&]*=)[^&\s]*", r"\1***", url
        )

    def refuse_shared(self) -> None:
        """Raise ``StoreError`` when two stores are the same database; write nothing."""
        stores = {
            "ledger": ("MPT_LEDGER_URL", self.ledger_url),
            "studies": ("MPT_STUDIES_URL", self.studies_url),
            "tracking": ("MPT_TRACKING_URI", self.tracking_uri),
        }
        seen: dict[tuple[str, ...], str] = {}
        for name, (variable, url) in stores.items():
            where = place(url)
            if where is None:
                continue
            other = seen.setdefault(where, name)
            if other != name:
                raise StoreError(
                    f"the {other} and {name} stores are the same database, {self.shown(url)}: "
                    "their tables would overwrite each other's schema version",
                    fix=f"give {variable} a database of its own",
                )
