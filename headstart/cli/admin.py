"""`init`, `db`, `doctor`: the workspace itself."""

from __future__ import annotations

import click

from headstart.cli.output import Call, Result, command, table, text


def register(cli: click.Group) -> None:
    command(cli, "init")(
        click.option("--database-url", help="A shared database, such as postgresql+psycopg://…")(
            _init
        )
    )
    command(cli, "doctor")(_doctor)
    db = click.Group("db", help="The registry's database.")
    command(db, "upgrade")(_upgrade)
    command(db, "current")(_current)
    cli.add_command(db)


def _init(call: Call, database_url: str | None) -> Result:
    """Make a workspace, or bring an existing one up to date."""
    from headstart.workspace import init

    config = init(call.root, database_url).config
    return Result(
        {"workspace": str(config.root)},
        lambda out: out.print(text(f"The workspace {config.root} is ready."), soft_wrap=True),
    )


def _upgrade(call: Call) -> Result:
    """Bring the database to this code's schema."""
    from headstart.registry import schema

    before = schema.current(call.config)
    after = schema.upgrade(call.config)
    return Result(
        {"before": before, "after": after},
        lambda out: out.print(
            f"The database is at schema {after}"
            + ("." if before == after else f"; it was at {before or 'none'}.")
        ),
    )


def _current(call: Call) -> Result:
    """Say at which schema the database is, and which one this code needs."""
    from headstart.registry import schema

    current = schema.current(call.config)
    return Result(
        {"current": current, "needed": schema.HEAD},
        lambda out: out.print(
            f"The database is at schema {current or 'none'}; this code needs {schema.HEAD}."
        ),
    )


def _doctor(call: Call) -> Result:
    """Look at the installation and the workspace, and say what is wrong."""
    from headstart import doctor

    checks = doctor.examine(call.root)
    rows = [("ok" if check.ok else "WRONG", check.what, check.found) for check in checks]
    return Result(
        [vars(check) for check in checks],
        lambda out: out.print(table(None, ("", "what", "found"), rows)),
        failed="" if all(check.ok for check in checks) else "something is wrong, see above",
    )
