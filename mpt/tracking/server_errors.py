"""What MLflow's errors mean: try again later, or never."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable

from mpt.errors import StoreError
from mpt.store.home import Home
from mpt.tracking.uploader import Refused, Resisted, Unreachable

PATIENCE = 7
"""Attempts to send a record to a server that accepts others, before it is set aside."""

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)
"""Error codes for which the disk of a local store is to blame, and not the record."""

_UNCHECKED = (
    "or, where you trust the network, set MLFLOW_TRACKING_INSECURE_TLS=true and unset "
    "MLFLOW_TRACKING_SERVER_CERT_PATH, so that it is not checked"
)

_CURES = {
    "certificate is not valid for|no appropriate subjectAltName|doesn't match": "call the server "
    f"by a name that stands in its certificate (subjectAltName), {_UNCHECKED}",
    "certificate has expired": f"renew the server's certificate, {_UNCHECKED}",
    "CERTIFICATE_VERIFY_FAILED": "set MLFLOW_TRACKING_SERVER_CERT_PATH to the file (PEM) of the "
    f"certificate that signed the server's, or of a self-signed one, {_UNCHECKED}",
    "wrong version number|record layer failure": "the server does not speak TLS: give its address "
    "with http://",
    "TLS CA certificate bundle": "let MLFLOW_TRACKING_SERVER_CERT_PATH (or REQUESTS_CA_BUNDLE) "
    "name the file of a certificate, or unset it",
    "ignore_tls_verification": "unset MLFLOW_TRACKING_SERVER_CERT_PATH or "
    "MLFLOW_TRACKING_INSECURE_TLS",
    "401": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    "Invalid Host": "start the server with --allowed-hosts naming this address",
    "403": "let MLFLOW_TRACKING_USERNAME name a user who may write there",
    "404": "see that the address is an MLflow server's",
    "locate revision": "give MLflow a database of its own with MPT_TRACKING_URI",
    "refused": "see that the server runs and the address is right",
    "resolve": "see that the server runs and the address is right",
    "timed out": "see that the server is reachable and not overloaded",
    "No space left": "make room",
}
"""What to do, by a pattern in MLflow's message."""


class Faults:
    """Classify the errors of an MLflow store or server; the messages hide passwords."""

    def __init__(self, uri: str) -> None:
        self._shown = Home.shown(uri)
        self._resisted = 0

    def clear(self) -> None:
        """Reset the count of attempts, as a record was accepted."""
        self._resisted = 0

    def sorted(
        self, error: Exception, about: str, takes_others: Callable[[], bool] = lambda: False
    ) -> Refused | Unreachable:
        """Return the exception to raise for an error of MLflow's client.

        Args:
            error: what MLflow's client raised.
            about: the record, for people.
            takes_others: writes something else there, and returns whether that was accepted.

        Returns:
            ``Refused`` if the record can never be sent, ``Resisted`` if the record itself may be
            at fault, else ``Unreachable``.
        """
        text = Home.shown(" ".join(str(error).split()))
        # otherwise a proxy's page, no answer at all, or wrong settings of the client
        is_reply = not text.startswith("API request") and "ignore_tls_verification" not in text
        if is_reply and getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
            what = f"MLflow at {self._shown} refuses {about} ({_short(text)})"
            return Refused(what, fix="see refused.jsonl")
        is_of_the_disk = isinstance(error, OSError) and error.errno in _FULL_DISK
        if not is_of_the_disk and takes_others():
            return self._resistance(about, text)
        self.clear()
        if isinstance(error, StoreError):
            return Unreachable(Home.shown(error.what), Home.shown(error.fix))
        # whole words, so that the digits of a port are not taken for a status
        cures = (cure for sign, cure in _CURES.items() if re.search(rf"\b({sign})\b", text))
        return Unreachable(f"MLflow at {self._shown}: {_short(text)}", next(cures, ""))

    def _resistance(self, about: str, text: str) -> Refused | Resisted:
        self._resisted += 1
        times = self._resisted
        why = f"MLflow at {self._shown} takes other records, but not {about} ({_short(text)})"
        if times < PATIENCE:
            return Resisted(why, times)
        self.clear()
        return Refused(
            f"{why}, and after {times} attempts it is set aside in refused.jsonl",
            fix="once that is fixed, `mpt sync --rebuild` sends what is missing",
        )


def _short(text: str) -> str:
    """Return the innermost cause of a failed connection, else the beginning of a message."""
    if "Caused by" in text:
        return re.sub(r" ?\(_ssl\.c:\d+\)?", "", text.rpartition(": ")[2]).strip("'\") ")
    return text if len(text) <= 240 else f"{text[:239]}…"
