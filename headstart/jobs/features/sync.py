"""`features sync`: feature sets are copied to another workspace, wherever it keeps its shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from headstart.config import Config, load_config
from headstart.context import Context
from headstart.errors import FeatureError, LeaseLost, ShardDamaged, StorageError, WorkspaceNotFound
from headstart.extractors.cache.feature_cache import encoding_of
from headstart.extractors.cache.taken_back import take_back
from headstart.jobs import database
from headstart.progress import Progress
from headstart.registry.entities import Failure, FeatureSet, Shard
from headstart.storage.shard_store import Hold, confirmation
from headstart.storage.shards.format import parse
from headstart.storage.shards.names import new_token
from headstart.storage.shards.shard import ShardFile, committed_bytes
from headstart.values.showable import Showable


@dataclass
class Synced(Showable):
    """What was copied.

    Attributes:
        to: the other workspace.
        feature_keys: of the sets that were looked at.
        shards: copied now.
        rows: in them.
        bytes: of them.
        reused: shards whose rows were there.
        damaged: why a shard was not copied; its rows are computed again where they are wanted.
    """

    to: Path
    feature_keys: list[str] = field(default_factory=list)
    shards: int = 0
    rows: int = 0
    bytes: int = 0
    reused: int = 0
    damaged: list[str] = field(default_factory=list)


def sync(source: Context, to: Path, keys: Sequence[str], progress: Progress) -> Synced:
    """Copy feature sets, rows and shards, that the other workspace does not have.

    Each shard is hashed before it is copied, and is committed there as an extraction commits it, so
    that a copy that is interrupted goes on from there. Nothing is deleted, and no backbone or
    dataset is registered: rows are found by content, once both are there.

    Args:
        source: from where.
        to: folder of the other workspace.
        keys: feature keys, or their first letters; all sets without any.
        progress: called with (bytes done, bytes in all).

    Raises:
        FeatureError: it is the same workspace, or a set lies there otherwise.
        NotFound: there is no such set.
        StorageError: one of the stores cannot do it now.
    """
    config = _config_of(to)
    database.check(config)
    if config.id is not None and config.id == source.config.id:
        raise FeatureError(f"{to} is this very workspace", hint="Name another one.")
    target = Context(config)
    sets = [source.feature_sets.get_set(key) for key in keys] or source.feature_sets.find_sets()
    found = {one.key: source.feature_sets.find_shards(one.id) for one in sets}
    total = sum(shard.size for shards in found.values() for shard in shards)
    report, done = Synced(config.root), 0
    try:
        for one in sets:
            done = _Copying(source, target, report, progress, total).copy(one, found[one.key], done)
    finally:
        target.database.close()
    return report


def _config_of(to: Path) -> Config:
    try:
        return load_config(to)
    except WorkspaceNotFound as error:
        raise WorkspaceNotFound(
            f"no workspace in {to.expanduser().absolute()} to copy to",
            hint=f"Make it first: `headstart --workspace {to} init`, with --store ADDRESS for one "
            "that keeps its features in a bucket.",
        ) from error


@dataclass(frozen=True)
class _Copying:
    source: Context
    target: Context
    report: Synced
    progress: Progress
    total: int

    def copy(self, feature_set: FeatureSet, shards: Sequence[Shard], done: int) -> int:
        """Copy a set; gives the bytes that are done by then."""
        key, target = feature_set.key, self.target
        self.report.feature_keys.append(key)
        with self.source.shard_store.hold(key), target.shard_store.hold(key) as hold:
            own = target.feature_sets.ensure_set(replace(feature_set, id=None, created_at=None))
            _refuse_other_rows(feature_set, own, target)
            self._copy_failures(feature_set.preprocessing_fingerprint)
            there = {one.shard_id for one in target.feature_sets.find_shards(own.id)}
            for shard in shards:
                if shard.shard_id in there or not self._copy_shard(key, shard, own, hold):
                    self.report.reused += shard.shard_id in there
                self.progress(done := done + shard.size, self.total)
        return done

    def _copy_failures(self, preprocessing: str) -> None:
        """What could not be read is not tried again there either."""
        known = self.source.feature_sets.find_failures(preprocessing)
        new = known.keys() - self.target.feature_sets.find_failures(preprocessing).keys()
        if new:
            failures = [Failure(one, preprocessing, known[one]) for one in sorted(new)]
            self.target.feature_sets.record_failures(failures)

    def _copy_shard(self, key: str, shard: Shard, own: FeatureSet, hold: Hold) -> bool:
        store, file = self.source.shard_store, _file_of(shard, key)
        try:
            content = committed_bytes(store, file)
            digests = parse(store.place_of(shard.file), content, with_features=False).digests
        except ShardDamaged as error:
            self.report.damaged.append(str(error))
            return False
        target = self.target
        if self._is_there(key, digests):
            self.report.reused += 1  # in other shards: they were compacted here or there
            return False
        created = target.shard_store.create(key, memoryview(content), new_token())
        row = replace(shard, feature_set_id=own.id, file=created.name, created_at=None)
        try:
            already = target.feature_sets.commit_shards([row], confirm=confirmation(hold))
        except (LeaseLost, StorageError):
            take_back(target.shard_store, target.feature_sets, [created.name])
            raise
        if already:  # another process was faster
            target.shard_store.delete(created.name)
            self.report.reused += 1
            return False
        self.report.shards += 1
        self.report.rows += shard.rows
        self.report.bytes += shard.size
        return True

    def _is_there(self, key: str, digests: np.ndarray) -> bool:
        """Whether the other workspace has rows, and they are what was committed: who has what is
        asked first, as that reads no features."""
        return all(
            self.target.cache(reads_rows=reads).open_index(key).find_packed(digests).present.all()
            for reads in (False, True)
        )


def _file_of(shard: Shard, key: str) -> ShardFile:
    return ShardFile(shard.file, key, shard.rows, shard.size, shard.sha256)


def _refuse_other_rows(one: FeatureSet, other: FeatureSet, target: Context) -> None:
    if (encoding_of(one), one.shape) != (encoding_of(other), other.shape):
        raise FeatureError(
            f"{one.key[:12]} has rows of shape {one.shape} as {one.storage}, {one.compression}, "
            f"and in {target.config.root} of {other.shape} as {other.storage}, {other.compression}",
            hint="Remove it there (`headstart features gc --set KEY --apply`), and run it again.",
        )
