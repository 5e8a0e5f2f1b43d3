"""No error line shows a password, or a part of one, whatever signs it holds."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from terminal import mpt

from mpt.store import database
from mpt.tracking import registry

pytestmark = pytest.mark.slow

PLANTED = "hunt%er@zwei:drei/four"
WRITTEN = (
    quote(PLANTED, safe=""),
    "hunter@zwei/drei",
    "hunter:zwei",
    "hunter%2zwei",
    "hunter/zwei",
)
"""As a URL wants it, and as it is typed by who does not know that."""

STORES = ("MPT_LEDGER_URL", "MPT_STUDIES_URL", "MPT_TRACKING_URI")
LOOKS = (("studies", "list"), ("registry", "list"), ("show", "12345678"))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    monkeypatch.setattr(database, "OPENING", 0.1)
    monkeypatch.setattr(registry, "TIMEOUT", 1.0)


def parts(written: str) -> set[str]:
    """The password, as written and as meant, and what is left of it where it is parted."""
    pieces = re.split(r"[@/:%]", written) + re.split(r"[@/:%]", PLANTED)
    return {written, *(piece for piece in pieces if len(piece) > 2)}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("variable", STORES)
def test_of_a_database_that_cannot_be_reached(tmp_path, written, variable):
    url = f"postgresql+psycopg://me:{written}@127.0.0.1:9/db"
    for words in LOOKS:
        said = mpt(*words, home=tmp_path, **{variable: url})
        assert not [part for part in parts(written) if part in said.out + said.err], said
        assert "Traceback" not in said.err


@pytest.mark.parametrize("written", WRITTEN)
def test_of_a_server_that_cannot_be_reached(tmp_path, written):
    uri = f"http://me:{written}@127.0.0.1:9"
    for words in (("registry", "list"), ("predict", "name", "text")):
        said = mpt(*words, home=tmp_path, MPT_TRACKING_URI=uri)
        assert said.code == 2
        assert not [part for part in parts(written) if part in said.out + said.error], said


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_of_a_cluster_that_cannot_be_reached(tmp_path, written, scheme):
    from mpt.compute.ray_cluster import joined
    from mpt.doctor.cluster import ray
    from mpt.errors import InputError

    address = f"{scheme}me:{written}@127.0.0.1:9"
    finding = ray({"RAY_ADDRESS": address})
    with pytest.raises(InputError) as error, joined(address):
        pass
    for text in (str(error.value), f"{finding.what} {finding.fix}"):
        assert "me:***@127.0.0.1:9" in text
        assert not [part for part in parts(written) if part in text], text
