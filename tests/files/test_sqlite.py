import shutil
import sqlite3
from contextlib import closing

import pytest

from mpt.files.sqlite import open_read_only
from mpt.store.address import sqlite_url
from mpt.store.database import survey

COUNT = "SELECT count(*) FROM rows WHERE text LIKE 'new%'"


@pytest.fixture
def cut_off(tmp_path):
    """A database of which a transaction was written in part when its process died."""
    file, copy = tmp_path / "written.db", tmp_path / "left.db"
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("CREATE TABLE rows (text)")
        writer.executemany("INSERT INTO rows VALUES (?)", [("old" * 200,)] * 2000)
        writer.commit()
        # a cache too small for the transaction spills its pages into the file
        writer.execute("PRAGMA cache_size=2")
        writer.execute("UPDATE rows SET text = 'new' || text")
        shutil.copy(file, copy)
        shutil.copy(f"{file}-journal", f"{copy}-journal")
    return copy


def test_a_transaction_that_a_killed_process_left_is_undone_before_reading(cut_off):
    plain = sqlite3.connect(f"{cut_off.as_uri()}?mode=ro", uri=True)
    with closing(plain), pytest.raises(sqlite3.OperationalError, match="readonly"):
        plain.execute(COUNT)
    with closing(open_read_only(cut_off)) as database:
        assert database.execute(COUNT).fetchone() == (0,)


def test_a_store_with_such_a_transaction_can_be_inspected(cut_off):
    assert survey(sqlite_url(cut_off), "studies store", "MPT_STUDIES_URL", 5.0).tables == {"rows"}


def test_nothing_can_be_written(cut_off):
    database = open_read_only(cut_off)
    with closing(database), pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.execute("DELETE FROM rows")


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_read_only(tmp_path / "none.db").execute(COUNT)
    assert list(tmp_path.iterdir()) == []
