"""Namespaces: the schema that a project has for itself in a PostgreSQL database of several.

Tables are found by `search_path` (https://www.postgresql.org/docs/current/ddl-schemas.html), so
that no statement need say whose they are, and none reaches those of another project.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, event, text

from headstart.errors import InvalidValue


def enter(engine: Engine, namespace: str) -> None:
    """Let every transaction find the tables of a namespace, and no others.

    It is said in each transaction, for that alone: a pooler between here and the server gives a
    connection to others between two of them.
    """

    @event.listens_for(engine, "begin")
    def find(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL search_path TO {_quoted(connection, namespace)}")


def ensure(connection: Connection, namespace: str) -> None:
    """Make the schema unless it is there, in the transaction that makes its tables.

    Raises:
        InvalidValue: a role has that name.
    """
    given = {"name": namespace}
    if connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), given).first():
        return  # it may be an owner's, who let this user make tables in it, and no schemas
    if connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), given).first():
        raise InvalidValue(
            f"namespace {namespace!r} is the name of a role of this server, whose own tables "
            "PostgreSQL looks for in a schema of that name",
            hint="Choose another name; nothing was changed.",
        )
    connection.exec_driver_sql(f"CREATE SCHEMA {_quoted(connection, namespace)}")


def _quoted(connection: Connection, namespace: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(namespace)
