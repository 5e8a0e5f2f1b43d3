"""What MLflow's errors mean: try again later, or never."""

from __future__ import annotations

import re

from mpt.lab.home import Home
from mpt.lab.shipper import Refused

PATIENCE = 8
"""Times that a record is sent although MLflow calls it a bad request, before it is put aside."""

_CURES = {
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
        self._bad_requests = 0

    def clear(self) -> None:
        """A record was taken: whatever was wrong is over."""
        self._bad_requests = 0

    def sorted(self, error: Exception, about: str) -> Refused | ConnectionError:
        """``Refused`` if ``about`` can never be sent; else what is wrong for the moment."""
        text = Home.shown(" ".join(str(error).split()))
        code = getattr(error, "error_code", "")
        # MLflow says BAD_REQUEST of some lost database connections too
        self._bad_requests += code == "BAD_REQUEST"
        # not MLflow's own reply: a proxy's page, or no answer at all
        is_reply = not text.startswith("API request")
        is_final = code == "INVALID_PARAMETER_VALUE" or self._bad_requests >= PATIENCE
        if is_reply and is_final:
            why = f"({_short(text)}); see refused.jsonl"
            return Refused(f"MLflow at {self._shown} refuses {about} {why}")
        # whole words: the digits of a port are no status
        cures = (f"; {cure}" for sign, cure in _CURES.items() if re.search(rf"\b{sign}\b", text))
        cure = next(cures, "")
        return ConnectionError(f"MLflow at {self._shown}: {_short(text)}{cure}")


def _short(text: str) -> str:
    """The innermost cause of a failed connection, else the beginning."""
    if "Caused by" in text:
        return text.rpartition(": ")[2].strip("'\") ")
    return text if len(text) <= 240 else f"{text[:239]}…"
