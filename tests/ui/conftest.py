"""One workspace for all tests that change nothing in it, and copies of it."""

import sqlite3
from contextlib import closing

import pytest

import page_workspace as made

LOOKED_AT = ("leases", "claims", "holds")
"""Tables that whoever reads may write into."""
SEALED = """
CREATE TRIGGER only_read_{verb}_{table} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'page_workspace is only to be read: take own_workspace'); END
"""


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory):
    """With the workspace `zoo` and its pictures; only to be copied."""
    folder = tmp_path_factory.mktemp("page")
    made.make(folder).database.close()
    return folder


@pytest.fixture(scope="session")
def page_workspace(page_folder):
    """Only to be read: of what is written into it by one test, others would find more or less,
    depending on which come first."""
    place = page_folder / "read" / "zoo"
    place.parent.mkdir()
    workspace = made.copied(page_folder / "zoo", place)
    with closing(sqlite3.connect(place / "headstart.db")) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for table in {name for (name,) in found} - {*LOOKED_AT}:
            if not table.startswith("sqlite_"):
                for verb in ("INSERT", "UPDATE", "DELETE"):
                    connection.execute(SEALED.format(verb=verb, table=table))
    return workspace


@pytest.fixture
def own_workspace(page_folder, tmp_path):
    """A copy, whose pictures are the same files."""
    return made.copied(page_folder / "zoo", tmp_path / "zoo")
