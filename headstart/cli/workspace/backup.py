"""`backup`, `restore`: copies of whole workspaces, and workspaces from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from headstart.cli.output import (
    Call,
    Result,
    command,
    progress_bar,
    size_text,
    text,
    with_options,
)
from headstart.cli.workspace.database import FILE, NAMESPACE, is_in_environment


def register(cli: click.Group) -> None:
    folder = click.argument("folder", metavar="FOLDER|URL")
    command(cli, "backup")(
        with_options(
            _backup,
            folder,
            click.option(
                "--features", is_flag=True, help="Also copy the features, which are large."
            ),
        )
    )
    command(cli, "restore")(
        with_options(
            _restore,
            folder,
            click.option(
                "--root",
                "roots",
                metavar="OLD=NEW",
                multiple=True,
                help="Data from the folder OLD are now in NEW. May be repeated.",
            ),
            click.option("--database-url", help="A shared database; it must be empty."),
            FILE,
            NAMESPACE,
            click.option(
                "--check",
                is_flag=True,
                help="Only compare the backup with its hashes; restore nothing.",
            ),
        )
    )


def _backup(call: Call, folder: str, features: bool) -> Result:
    """Copy the workspace to FOLDER while others work in it: the database as it is at one
    moment, and all files that it names. An existing backup is brought up to date.

    A URL is s3://BUCKET/PREFIX, gs://, az:// or file:///FOLDER; credentials, region and endpoint
    are those of the environment.
    """
    from headstart.jobs.backups.backup import backup

    with progress_bar("copying", "files") as progress:
        done = backup(call.open().context, folder, features=features, progress=progress)
    without = "" if features else ", without the rows of features"
    line = (
        f"{done.folder} has {done.files:,} files of {size_text(done.bytes)}{without}; "
        f"{size_text(done.copied)} were copied."
    )
    failed = _lacking(done.missing)
    return Result(done, lambda out: out.print(text(line), soft_wrap=True), failed)


def _lacking(missing: Sequence[str]) -> str:
    """What is wrong with a backup of a workspace that lacked files; nothing where it did not."""
    if not missing:
        return ""
    files = "1 file of the workspace is" if len(missing) == 1 else f"{len(missing):,} files are"
    return f"{files} not in it, such as {missing[0]}: missing or damaged there. Ask `doctor` there."


def _restore(
    call: Call,
    folder: str,
    roots: tuple[str, ...],
    database_url: str | None,
    database_url_file: Path | None,
    namespace: str | None,
    check: bool,
) -> Result:
    """Make a workspace from the backup in FOLDER, in the folder given by --workspace. Every
    file is compared with its sha256.
    """
    from headstart.jobs.backups import restore as jobs

    by_variable = is_in_environment(database_url, database_url_file)
    with progress_bar("reading", "files") as progress:
        if check:
            found = jobs.check(folder, progress)
            failed = _lacking(found.missing)
            how = "is as it was written" if failed else "is whole"
            said = f"{found.folder} {how}: {found.files:,} files, {size_text(found.bytes)}."
            return Result(found, lambda out: out.print(text(said), soft_wrap=True), failed)
        pairs = [jobs.root_in_words(one) for one in roots]
        wanted = jobs.Wanted(
            call.root, database_url, database_url_file, pairs, by_variable, namespace
        )
        done = jobs.restore(folder, wanted, progress)
    moved = "".join(f" {name} is at {place} now." for name, place in done.moved.items())
    line = f"The workspace {done.workspace} is ready: {done.files:,} files.{moved}"
    return Result(done, lambda out: out.print(text(line), soft_wrap=True))
