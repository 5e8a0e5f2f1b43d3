"""What MLflow's errors mean: try again later, or never."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable

from mpt.errors import StoreError
from mpt.store.home import Home
from mpt.tracking.uploader import Refused, Resisted

PATIENCE = 7
"""Times that a record is sent to a server that takes others but not this one, before it is put
aside."""

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)
"""What is wrong with the disk of a local store, and not with the record."""

_UNCHECKED = (
    "where you trust the network, set MLFLOW_TRACKING_INSECURE_TLS=true, and unset "
    "MLFLOW_TRACKING_SERVER_CERT_PATH, so that it is not looked at"
)

_CURES = {
    "certificate is not valid for|no appropriate subjectAltName|doesn't match": "call the server "
    f"by a name that stands in its certificate (subjectAltName); {_UNCHECKED}",
    "certificate has expired": f"renew the server's certificate; {_UNCHECKED}",
    "CERTIFICATE_VERIFY_FAILED": "set MLFLOW_TRACKING_SERVER_CERT_PATH to the file (PEM) of the "
    f"certificate that signed the server's, or of a self-signed one; {_UNCHECKED}",
    "wrong version number|record layer failure": "the server does not speak TLS: give its address "
    "with http://",
    "TLS CA certificate bundle": "let MLFLOW_TRACKING_SERVER_CERT_PATH (or REQUESTS_CA_BUNDLE) "
    "name the file of a certificate, or unset it",
    "ignore_tls_verification": "unset MLFLOW_TRACKING_SERVER_CERT_PATH or "
    "MLFLOW_TRACKING_INSECURE_TLS",
    "401": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    "Invalid Host": "start the server with --allowed-hosts naming this address",
    "403": "this user may not write there; see MLFLOW_TRACKING_USERNAME",
    "404": "see that the address is an MLflow server's",
    "locate revision": "give MLflow a database of its own with MPT_TRACKING_URI",
    "refused": "see that the server runs and the address is right",
    "resolve": "see that the server runs and the address is right",
    "timed out": "the server is slow or out of reach",
    "No space left": "make room",
}
"""What to do, by a sign in MLflow's message."""


class Faults:
    """Sorts the errors of one MLflow store or server; its messages show no password."""

    def __init__(self, uri: str) -> None:
        self._shown = Home.shown(uri)
        self._resisted = 0

    def clear(self) -> None:
        """A record was taken: whatever was wrong is over."""
        self._resisted = 0

    def sorted(
        self, error: Exception, about: str, takes_others: Callable[[], bool] = lambda: False
    ) -> Refused | ConnectionError:
        """``Refused`` if ``about`` can never be sent; else what is wrong for the moment.

        Args:
            error: what MLflow's client raised.
            about: the record, for people.
            takes_others: writes something else there, and says whether that was taken.

        Returns:
            ``Refused``; ``Resisted`` where the fault may be the record's; or ``ConnectionError``.
        """
        text = Home.shown(" ".join(str(error).split()))
        # not MLflow's own reply: a proxy's page, no answer at all, or settings of its client
        is_reply = not text.startswith("API request") and "ignore_tls_verification" not in text
        if is_reply and getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
            why = f"({_short(text)}); see refused.jsonl"
            return Refused(f"MLflow at {self._shown} refuses {about} {why}")
        is_of_the_disk = isinstance(error, OSError) and error.errno in _FULL_DISK
        if not is_of_the_disk and takes_others():
            return self._resistance(about, text)
        self.clear()
        if isinstance(error, StoreError):
            return ConnectionError(text)
        # whole words: the digits of a port are no status
        cures = (f"; {cure}" for sign, cure in _CURES.items() if re.search(rf"\b({sign})\b", text))
        cure = next(cures, "")
        return ConnectionError(f"MLflow at {self._shown}: {_short(text)}{cure}")

    def _resistance(self, about: str, text: str) -> Refused | Resisted:
        self._resisted += 1
        times = self._resisted
        why = f"MLflow at {self._shown} takes other records, but not {about} ({_short(text)})"
        if times < PATIENCE:
            return Resisted(why, times)
        self.clear()
        return Refused(
            f"{why}; after {times} attempts it is put aside, see refused.jsonl; when that is "
            "mended, `mpt sync --rebuild` sends what is missing"
        )


def _short(text: str) -> str:
    """The innermost cause of a failed connection, else the beginning."""
    if "Caused by" in text:
        return re.sub(r" ?\(_ssl\.c:\d+\)?", "", text.rpartition(": ")[2]).strip("'\") ")
    return text if len(text) <= 240 else f"{text[:239]}…"
