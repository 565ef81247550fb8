"""A power cut at any moment, on a disk that loses and reorders what was not synced.

The operations of real commits are recorded. For every moment the disk may have kept any part of
what was not yet synced: of a file's bytes none, half, zeros or all; of a folder's entries any
subset, in any order. SQLite syncs its own commits (`synchronous=FULL`). In every such state a
reader must find each row that the database has, and find it right.
"""

import itertools
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from filesystem import watched
from sqlalchemy import event

import headstart as hs
from conftest import direct


class Disk:
    """What a disk has been told, and what it must have kept."""

    def __init__(self):
        self.content = {}  # inode to bytes written
        self.synced = {}  # inode to bytes that are safe
        self.entries = {}  # path to inode, safe
        self.pending = []  # (path removed or None, path added or None, inode) not yet safe
        self.names = {}  # path to inode, as the processes see it
        self.database = None  # a copy of the database, as of its last commit

    def apply(self, operation, path, more):
        if operation == "create":
            inode = len(self.content)
            self.content[inode] = b""
            self.names[path] = inode
            self.pending.append((None, path, inode))
        elif operation == "write":
            self.content[self.names[path]] += more
        elif operation == "fsync":
            self.synced[self.names[path]] = self.content[self.names[path]]
        elif operation == "rename":
            inode = self.names.pop(path)
            self.names[more] = inode
            self.pending.append((path, more, inode))
        elif operation == "unlink" and path in self.names:
            self.pending.append((path, None, self.names.pop(path)))
        elif operation == "sync folder":
            for change in self.pending:
                self._enter(self.entries, change)
            self.pending = []
        elif operation == "database":
            self.database = more

    @staticmethod
    def _enter(entries, change):
        removed, added, inode = change
        entries.pop(removed, None)
        if added is not None:
            entries[added] = inode

    def states(self):
        """Every {path: bytes} that a power cut may leave."""
        for count in range(len(self.pending) + 1):
            for chosen in itertools.permutations(self.pending, count):
                entries = dict(self.entries)
                for change in chosen:
                    self._enter(entries, change)
                dirty = [i for i in set(entries.values()) if self.synced.get(i) != self.content[i]]
                for kept in itertools.product(self._kept, repeat=len(dirty)):
                    how = dict(zip(dirty, kept, strict=True))
                    yield {
                        path: how[inode](self.content[inode])
                        if inode in how
                        else self.content[inode]
                        for path, inode in entries.items()
                    }

    _kept = (
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: bytes(len(content)),
        lambda content: content,
    )


@pytest.fixture(params=[18, pytest.param(12, marks=pytest.mark.slow)])
def recorded(request, ready, tmp_path, model):
    """The operations of an extraction with two or three commits of two cuts."""
    settings = hs.Settings(batch_size=request.param, commit_seconds=0)
    log = []

    def committed(connection):
        if connection.get_execution_options().get("writing"):
            log.append(("database?", None, None))

    def announce(operation, path, more):
        snapshot()
        log.append((operation, path, more))

    def snapshot():
        """The database as of now, at the first operation behind its last commit."""
        if log and log[-1][0] == "database?":
            copy = tmp_path / f"{len(log)}.db"
            source = sqlite3.connect(ready.config.sqlite_file)
            target = sqlite3.connect(copy)
            source.backup(target)
            source.close()
            target.close()
            log.append(("database", None, copy))

    event.listen(ready.database.engine, "commit", committed)
    with watched(announce):
        view = ready.extract("net@features,relu|gap", "pics", settings=settings)
    snapshot()
    return ready, log, direct(ready, view, model)


def test_after_a_power_cut_at_any_moment_every_row_that_counts_is_there_and_right(
    recorded, tmp_path
):
    ready, log, expected = recorded
    disk, states, seen = Disk(), 0, set()
    place = tmp_path / "after"
    for operation in log:
        disk.apply(*operation)
        if disk.database is None:
            continue
        for state in disk.states():
            content = {path.relative_to(ready.config.root): data for path, data in state.items()}
            # Only the features matter to a reader; the same state once.
            mark = (disk.database, *sorted((str(p), hash(d)) for p, d in content.items()))
            if mark in seen:
                continue
            seen.add(mark)
            states += 1
            check(ready, place, content, disk.database, expected)
    assert states >= 100


def check(ready, place: Path, content, database, expected):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in ("headstart.toml", "manifests"):
        source = ready.config.root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place / name)
    (place / "features").mkdir()
    for path, data in content.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    shutil.copy(database, place / "headstart.db")
    ws = hs.open(place)
    cache, samples = ws.context.cache(), ws.datasets.manifest("pics").samples
    for number, feature_set in enumerate(ws.context.feature_sets.find_sets()):
        shards = ws.context.feature_sets.find_shards(feature_set.id)
        rows, view = cache.open_present(feature_set.key, samples)
        assert cache.quarantined == 0, "a row of the database has no whole file"
        assert len(rows) == sum(shard.rows for shard in shards)
        if view is not None and number == 0:
            assert feature_set.cut == "features"
            np.testing.assert_allclose(view.to_numpy(), expected[rows], atol=1e-5)
    ws.database.close()
