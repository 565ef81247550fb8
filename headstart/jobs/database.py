"""`db upgrade`, `db current`: the schema of a workspace's database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headstart.config import CONFIG_FILE, Config, Joined
from headstart.errors import RegistryError, WorkspaceError
from headstart.notices import tell
from headstart.paths import one_below
from headstart.registry import schema
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.probe import claim, owner_of, probe
from headstart.values.showable import Showable

NO_DUMP = "no pg_dump of the server's version, or a newer one, is on PATH"


@dataclass(frozen=True)
class Upgraded(Showable):
    """At which schema the database was, None where there was none, and is.

    Attributes:
        before: where it was.
        after: where it is.
        copy: of the database as it was; None where none was made.
    """

    before: str | None
    after: str
    copy: Path | None = None


@dataclass(frozen=True)
class SchemaState(Showable):
    """At which schema the database is, None where there is none, and which one this code needs."""

    current: str | None
    needed: str


def upgrade(config: Config, *, copy: bool = True) -> Upgraded:
    """Bring the database to this code's schema.

    Args:
        config: of the workspace.
        copy: what is changed is copied first: an SQLite file beside it, a server's database by
            pg_dump, where it is, into the workspace's folder.

    Raises:
        RegistryError: no copy can be made; nothing was changed.

    Warns:
        HeadstartNote: a server's database is changed, of which no copy was made.
    """
    from headstart.registry.audit import identity

    identity.check(config)
    done = _upgraded(config, copy=copy)
    identity.claim(config)
    return done


def _upgraded(config: Config, *, copy: bool) -> Upgraded:
    before = schema.current(config)
    schema.check_known(before)
    is_changed = before not in (None, schema.HEAD)
    made = _copied(config, str(before)) if is_changed and copy else None
    if is_changed and made is None and config.sqlite_file is None:
        tell(
            f"the database goes from schema {before} to {schema.HEAD} in one transaction, and no "
            f"copy is made of it: {NO_DUMP if copy else 'none is asked for'}"
        )
    return Upgraded(before, schema.upgrade(config), made)


def _copied(config: Config, revision: str) -> Path | None:
    """A copy of the database before it is changed; None of a server's, where pg_dump is not."""
    from headstart.registry.audit import dump, snapshot

    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    own = config.sqlite_file or config.root / "registry"
    suffix = "" if config.sqlite_file else ".dump"
    file = one_below(own.parent, f"{own.name}.{revision}.{moment}{suffix}")
    try:
        if config.sqlite_file is None:
            return dump.copy_server(config, file)
        snapshot.copy_sqlite(config, file)
    except RegistryError as error:
        file.unlink(missing_ok=True)
        error.hint = (
            "Nothing was changed. Make room, or leave the copy out with `headstart db upgrade "
            "--no-copy`."
        )
        raise
    return file


def looked_at(root: Path, store: str) -> Joined:
    """An object store for a workspace, which can do what is relied on, and whose it is.

    Args:
        root: of the workspace; one that is there has looked already.
        store: its address.

    Raises:
        WorkspaceError: it is no address.
        StorageError: the store cannot be used.
    """
    bucket = Bucket(parse(store), makes=True)
    address = str(bucket.address)
    if (root / CONFIG_FILE).exists():
        return Joined(address)
    probe(bucket)
    return Joined(address, owner_of(bucket))


def prepare(config: Config, *, is_new: bool) -> Config:
    """As `upgrade`, for `init`, and says where a copy is; gives the settings, with the UUID that
    both carry, and the object store as well if there is one.

    Args:
        config: of the workspace.
        is_new: it was made just now: the database must not be anybody's yet.

    Raises:
        ForeignDatabase: it is another workspace's; nothing in it was changed.
        WorkspaceError: the object store is another workspace's.
    """
    from headstart.registry.audit import identity

    _refuse_other_database(config, is_new=is_new)
    (identity.check_new if is_new else identity.check)(config)
    done = _upgraded(config, copy=True)
    if done.copy is not None:
        tell(
            f"the database is at schema {done.after}; as it was, at {done.before}, it is in "
            f"{done.copy}"
        )
    claimed = identity.claim(config)
    if claimed.store is not None and claimed.id is not None:
        owner = claim(Bucket(parse(claimed.store)), claimed.id)
        if owner != claimed.id:
            raise _of_another(claimed, owner)
    return claimed


def _refuse_other_database(config: Config, *, is_new: bool) -> None:
    """A workspace that joins a store has that one's database, which is not made just now."""
    if not is_new or config.store is None:
        return
    owner = owner_of(Bucket(parse(config.store)))
    if owner is not None and schema.current(config) is None:
        raise _of_another(config, owner)


def _of_another(config: Config, owner: str) -> WorkspaceError:
    return WorkspaceError(
        f"{config.store} is the store of a workspace ({owner}) that has another database",
        hint="To join it, name its database as well (--database-url, --database-url-file); for a "
        "workspace of its own take another prefix.",
    )


def check(config: Config) -> None:
    """Refuse a database that this code cannot use, or that is another workspace's."""
    from headstart.registry.audit import identity

    schema.check_there(config)
    schema.check(lambda: schema.current(config))
    identity.check(config)


def current(config: Config) -> SchemaState:
    """Say at which schema it is; nothing is changed."""
    return SchemaState(schema.current(config), schema.HEAD)
