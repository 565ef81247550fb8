"""`init`, `db`, `doctor`: the workspace itself."""

from __future__ import annotations

from pathlib import Path

import click

from headstart.cli.output import Call, Result, command, table, text, with_options
from headstart.cli.workspace.database import FILE, NAMESPACE, is_in_environment


def register(cli: click.Group) -> None:
    command(cli, "init")(
        with_options(
            _init,
            click.option(
                "--database-url", help="A shared database, such as postgresql+psycopg://…"
            ),
            FILE,
            NAMESPACE,
            click.option(
                "--store",
                metavar="URL",
                help="Keep shards, models, manifests and heads in a bucket: s3://BUCKET/PREFIX, "
                "gs://, az://, file:///FOLDER (extra cloud).",
            ),
            click.option("--shared", is_flag=True, help="Let the folder's group read and write."),
        )
    )
    command(cli, "doctor")(_doctor)
    command(cli, "glossary")(click.argument("term", required=False)(_glossary))
    db = click.Group("db", help="The registry's database.")
    no_copy = click.option("--no-copy", is_flag=True, help="Do not copy the database first.")
    command(db, "upgrade")(no_copy(_upgrade))
    command(db, "current")(_current)
    cli.add_command(db)


def _init(
    call: Call,
    database_url: str | None,
    database_url_file: Path | None,
    namespace: str | None,
    store: str | None,
    shared: bool,
) -> Result:
    """Make a workspace, or bring an existing one up to date.

    Other users of the machine can see the command line, so put a password into ~/.pgpass, a
    file or $HEADSTART_DATABASE_URL. Credentials, region and endpoint of a store are read from
    the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …) and never stored.
    """
    from headstart.workspace import init

    made = init(
        call.root,
        database_url,
        database_url_file=database_url_file,
        from_environment=is_in_environment(database_url, database_url_file),
        shared=shared,
        namespace=namespace,
        store=store,
    )
    line = f"The workspace {made.config.root} is ready."
    return Result(made, lambda out: out.print(text(line), soft_wrap=True))


def _upgrade(call: Call, no_copy: bool) -> Result:
    """Bring the database to this code's schema. It is copied first: an SQLite file in its own
    folder, a server's database by pg_dump, if that is on PATH, in the workspace's folder."""
    from headstart.jobs import database

    done = database.upgrade(call.config, copy=not no_copy)
    was = "" if done.before == done.after else f"; it was at {done.before or 'none'}"
    kept = "" if done.copy is None else f" As it was it is in {done.copy}."
    line = text(f"The database is at schema {done.after}{was}.{kept}")
    return Result(done, lambda out: out.print(line))


def _current(call: Call) -> Result:
    """Show the schema of the database, and the one that this code needs."""
    from headstart.jobs import database

    found = database.current(call.config)
    line = f"The database is at schema {found.current or 'none'}; this code needs {found.needed}."
    return Result(found, lambda out: out.print(line))


def _doctor(call: Call) -> Result:
    """Check the installation and the workspace."""
    from headstart.jobs import doctor

    checks = doctor.examine(call.root)
    rows = [("ok" if check.ok else "WRONG", check.what, check.found) for check in checks]
    return Result(
        checks,
        lambda out: out.print(table(None, ("=", "what", "found"), rows)),
        failed=doctor.verdict(checks, call.root),
    )


def _glossary(call: Call, term: str | None) -> Result:
    """Explain TERM, or all words used in tables, messages and options."""
    from headstart.glossary import find_terms

    del call
    found = find_terms(term)
    rows = [(one.name, one.text) for one in found]
    return Result(found, lambda out: out.print(table(None, ("~term", "what it means"), rows)))
