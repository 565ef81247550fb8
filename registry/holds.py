"""Holds that reach across machines: rows that their holder renews, by the database's clock.

A lock on a file ends with its process and is seen by one machine. A row is seen by all that share
the database, and would stay for ever if its process dies: so it runs out unless it is renewed, and
whoever relies on it for a change has it confirmed in the same transaction. A process that was
stopped for longer, and goes on, finds its rows taken away by whoever wanted the set alone.
"""

from __future__ import annotations

import atexit
import os
import secrets
import socket
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, text, update

from headstart.errors import DatabaseDenied, LeaseLost, RegistryError
from headstart.registry import tables as t
from headstart.registry.database import Database, insert_into
from headstart.registry.leases import SLACK, Signs, clock, has_run_out
from headstart.values.logs import logger

SECONDS = 60.0
"""After so long without a renewal a hold has run out: as long as a lease by default."""
LOOKING = 0x686F6C64
"""The first number of the advisory lock of who looks and inserts; "hold" in ASCII."""
LOCKS = """
SELECT pg_advisory_xact_lock_shared(:before),
    pg_advisory_xact_lock(CAST(:looking AS int), CAST(CAST('holds' AS regclass) AS oid)::int)
"""
"""Advisory locks are the whole database's: the second number is that of this project's table.
Processes of before there were several projects lock another number, alone: it is shared here, so
that they wait and are waited for, and projects don't."""
BEFORE = 0x686F6C6473
"""That number."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds between two looks at whether a set that somebody has alone is free again."""
DENIED = "the database refuses this user changes: nothing is held against `features gc` of others"
log = logger()


class SqlHolds:
    """Holds of one process, as rows of the table `holds`; see `storage.shard_store.Holds`.

    However often a name is held here, it is one row; all rows are renewed by one thread, which
    lives while there are any. May be used by several threads.

    Args:
        database: whose rows and clock count.
        signs: by which a holder on this machine that was killed is noticed at once.
        seconds: after so long without a renewal a hold has run out.
    """

    def __init__(self, database: Database, signs: Signs, seconds: float = SECONDS) -> None:
        self._database = database
        self._signs = signs
        self._seconds = seconds
        self._is_told = False
        self._lock = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._holder = ""
        self._counts = Counter[str]()
        self._lost = Counter[str]()  # how often a name's row was taken away
        self._gone = set[str]()  # names whose row is gone, and which `_settle` is to forget
        self._alone = set[str]()
        self._dropped = deque[Mapping[str, int]]()
        self._wake = SimpleQueue[None]()
        self._thread: threading.Thread | None = None

    def __reduce__(self) -> tuple[type[SqlHolds], tuple[Any, ...]]:
        """Another process holds by itself."""
        return SqlHolds, (self._database, self._signs, self._seconds)

    def hold(self, *keys: str) -> SqlHold:
        """See `ShardStore.hold`; on read-only media, and by a user who may not write to the
        database, nothing is held: what is read may be collected meanwhile, which a reader is told
        when it happens. Not within a transaction.

        Raises:
            DatabaseGone: the database does not answer.
        """
        names, pause = tuple(sorted(set(keys))), FIRST_PAUSE
        if self._database.is_immutable:
            return SqlHold(self, {})
        try:
            while not self._try_to_hold(names):
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        except DatabaseDenied:
            self._tell_denied()
            return SqlHold(self, {}, denied=names)
        return SqlHold(self, self._as_held(names))

    def _tell_denied(self) -> None:
        if not self._is_told:
            self._is_told = True
            log.info(DENIED)

    def _as_held(self, names: Iterable[str]) -> dict[str, int]:
        with self._lock:
            return {name: self._lost[name] for name in names}

    def _try_to_hold(self, names: Sequence[str]) -> bool:
        with self._lock:
            self._settle()
            if self._alone & set(names):
                return False
            fresh = [name for name in names if not self._counts[name]]
            if fresh and not self._insert(fresh, is_alone=False):
                return False
            self._counts.update(names)
            return True

    def alone(self, key: str) -> SqlAlone:
        """See `ShardStore.alone`."""
        is_held = not self._database.is_immutable and self._try_alone(key)
        return SqlAlone(self, self._as_held([key]), is_held)

    def _try_alone(self, key: str) -> bool:
        with self._lock:
            self._settle()
            if self._counts[key] or key in self._alone or not self._insert([key], is_alone=True):
                return False
            self._alone.add(key)
            return True

    def give_back(self, names: Mapping[str, int]) -> None:
        """End one hold of each."""
        with self._lock:
            self._settle()
            self._subtract(names)

    def give_back_alone(self, names: Mapping[str, int]) -> None:
        """Have them alone no longer; what was lost is not had, though it may be held anew."""
        with self._lock:
            self._settle()
            own = [key for key, lost in names.items() if lost == self._lost[key]]
            self._alone.difference_update(own)
            self._delete(own)

    def drop(self, names: Mapping[str, int], process: int) -> None:
        """As `give_back`, by and by: garbage is collected in the middle of anything, perhaps of a
        transaction of this very thread."""
        if process == os.getpid():
            self._dropped.append(names)
            self._wake.put(None)  # of a queue that may be put to in the middle of anything

    def confirm(self, names: Mapping[str, int]) -> None:
        """See `storage.shard_store.Hold.confirm`."""
        if not names or self._database.is_immutable:
            return
        with self._database.writing() as connection:
            self._note_lost(connection, [*names])
        # Without the lock: whoever has it may be waiting for this very transaction to end.
        is_other = any(self._lost[name] != lost for name, lost in names.items())
        if is_other or self._gone & names.keys():
            raise _lost()

    def _note_lost(self, connection: Connection, names: Sequence[str]) -> None:
        """Renew rows; those that are gone are held no longer, whoever thinks so: the next hold
        inserts them."""
        if self._renew(connection, names) != len(names):
            holds = t.holds.c
            query = select(holds.key).where(holds.holder == self._holder, holds.key.in_(names))
            self._gone |= set(names) - set(connection.execute(query).scalars())

    def _settle(self) -> None:
        """End what was dropped; in a process that was forked off, nothing is held yet."""
        if self._process != os.getpid():
            self._begin()
        while self._gone:
            name = self._gone.pop()
            self._lost[name] += 1
            del self._counts[name]
            self._alone.discard(name)
        while self._dropped:
            self._subtract(self._dropped.popleft())

    def _subtract(self, names: Mapping[str, int]) -> None:
        self._counts.subtract(name for name, lost in names.items() if lost == self._lost[name])
        gone = [name for name, count in self._counts.items() if count <= 0]
        for name in gone:
            del self._counts[name]
        self._delete(gone)

    def _insert(self, names: Sequence[str], *, is_alone: bool) -> bool:
        """Insert rows of this process if those of others allow it."""
        if not self._holder:
            self._holder = secrets.token_hex(16)
            self._signs.show(self._holder)
            atexit.register(_end_at_exit, weakref.ref(self))
        done = self._database.outlast(partial(self._try_to_insert, names, is_alone))
        if done and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._keep_renewing, daemon=True)
            self._thread.start()
        return done

    def _try_to_insert(self, names: Sequence[str], is_alone: bool) -> bool:
        with self._database.writing() as connection:
            _one_after_the_other(connection)
            now = clock(connection)
            others = self._living(connection, names, now)
            if others if is_alone else any(row.is_alone for row in others):
                return False
            common = {
                "holder": self._holder,
                "is_alone": is_alone,
                "owner": socket.gethostname(),
                "granted_at": now,
                "expires_at": now + self._seconds,
            }
            statement = insert_into(connection, t.holds).on_conflict_do_update(
                index_elements=[t.holds.c.key, t.holds.c.holder], set_=common
            )
            connection.execute(statement, [{"key": name, **common} for name in names])
            return True

    def _living(self, connection: Connection, names: Sequence[str], now: float) -> list[Any]:
        """Others' rows that count; those that don't, of whatever name, are deleted."""
        holds, here = t.holds.c, socket.gethostname()
        of_others = select(t.holds).where(holds.holder != self._holder)
        rows = connection.execute(of_others).all()
        dead = {row.holder for row in rows if row.owner == here and self._signs.is_dead(row.holder)}
        for holder in dead:
            self._signs.end(holder)
        if dead or any(has_run_out(row.granted_at, row.expires_at, now) for row in rows):
            # One that is renewed just now stays: each is looked at again when its row is free.
            ran_out = or_(holds.expires_at < now, holds.granted_at > now + SLACK)
            gone = and_(holds.holder != self._holder, or_(ran_out, holds.holder.in_(dead)))
            connection.execute(delete(t.holds).where(gone))
            rows = connection.execute(of_others).all()
        return [row for row in rows if row.key in names]

    def _delete(self, names: Sequence[str]) -> None:
        """Take rows away; where the database does not answer now, they run out by themselves."""
        if not names or not self._holder:
            return
        with suppress(RegistryError), self._database.writing() as connection:
            mine = t.holds.c.holder == self._holder
            connection.execute(delete(t.holds).where(mine, t.holds.c.key.in_(names)))

    def _renew(self, connection: Connection, names: Sequence[str]) -> int:
        """Let rows of this process count for longer; gives how many there are."""
        now, holds = clock(connection), t.holds.c
        own = update(t.holds).where(holds.holder == self._holder, holds.key.in_(names))
        values = {"granted_at": now, "expires_at": now + self._seconds}
        return connection.execute(own.values(**values)).rowcount

    def _keep_renewing(self) -> None:
        due = time.monotonic() + self._seconds / 4
        while True:
            with suppress(Empty):
                self._wake.get(timeout=max(0.0, due - time.monotonic()))
            with self._lock:
                self._settle()
                names = [*self._counts, *self._alone]
                if not names and time.monotonic() >= due:
                    self._thread = None
                    return
            if not names or time.monotonic() < due:
                continue
            due = time.monotonic() + self._seconds / 4
            with suppress(RegistryError), self._database.writing() as connection:
                self._note_lost(connection, names)

    def end(self) -> None:
        """Give back everything, as the process ends."""
        with self._lock:
            if self._process != os.getpid():
                return
            self._delete([*self._counts, *self._alone])
            self._signs.end(self._holder)
            self._counts.clear()
            self._alone.clear()


class SqlHold:
    """See `storage.shard_store.Hold`."""

    def __init__(
        self, holds: SqlHolds, names: Mapping[str, int], *, denied: Sequence[str] = ()
    ) -> None:
        self._holds = holds
        self._names = names
        self._denied = denied  # what this user may not hold
        self._drop = weakref.finalize(self, holds.drop, names, os.getpid())
        self._drop.atexit = False

    def release(self) -> None:
        """End it; a second time nothing happens."""
        if self._drop.detach() is not None:
            self._holds.give_back(self._names)

    def confirm(self) -> None:
        """See `storage.shard_store.Hold.confirm`.

        Raises:
            DatabaseDenied: this user may not hold it, so that nobody is to rely on it.
        """
        if self._denied:
            raise DatabaseDenied(
                f"{self._denied[0]!r} is not held, as the registry's database refuses this user "
                "changes of its table `holds`",
                hint="Ask its owner; docs/team.md has roles for readers and writers.",
            )
        self._holds.confirm(self._names)

    def __enter__(self) -> SqlHold:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


class SqlAlone:
    """See `storage.shard_store.Alone`."""

    def __init__(self, holds: SqlHolds, names: Mapping[str, int], is_held: bool) -> None:
        self._holds = holds
        self._names = names
        self.is_held = is_held

    def confirm(self) -> None:
        """See, as part of a transaction, that it did not run out; from then on it counts anew.

        Raises:
            LeaseLost: it did: others may hold the set by now.
        """
        self._holds.confirm(self._names)

    def __enter__(self) -> SqlAlone:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.is_held:
            self._holds.give_back_alone(self._names)


def _one_after_the_other(connection: Connection) -> None:
    """Let nobody else look and insert at the same time; SQLite has one writer anyway.

    Whoever renews is not kept waiting, as by a lock of the table: a process that is frozen in here
    would let the holds of all others run out, until the server ends it after a minute.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(LOCKS), {"looking": LOOKING, "before": BEFORE})


def _end_at_exit(known: weakref.ref[SqlHolds]) -> None:
    holds = known()
    if holds is not None:
        with suppress(RegistryError):
            holds.end()


def _lost() -> LeaseLost:
    return LeaseLost(
        "what this process held ran out, because it was silent for too long, and others may have "
        "collected it",
        hint="Nothing is lost: run it again; what was committed is kept.",
    )
