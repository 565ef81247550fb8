"""Reindexing: the database's rows made anew from the shards themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from headstart.errors import ShardDamaged
from headstart.extractors.cache import KEY_ATTRIBUTES, FeatureCache
from headstart.registry.entities import FeatureSet, Shard
from headstart.registry.features import QUARANTINED, FeatureRepository
from headstart.storage.keys import feature_key
from headstart.storage.shards import SUFFIX, CheckedShard, find_shard, set_folder


@dataclass
class Reindexed:
    """What was found.

    Attributes:
        files: shards looked at.
        added: of those, registered now.
        rows: in them.
        restored: shards that had been put aside and are right (their disk was away, say).
        feature_keys: the sets they belong to.
        damaged: file and reason of those that are no whole shards; they are left where they are.
    """

    files: int = 0
    added: int = 0
    rows: int = 0
    restored: int = 0
    feature_keys: list[str] = field(default_factory=list)
    damaged: list[dict[str, str]] = field(default_factory=list)


def reindex(
    repository: FeatureRepository, cache: FeatureCache, progress: Callable[[int, int], None]
) -> Reindexed:
    """Register every whole shard that the database does not know.

    Each file is checked against the sha256 in its name, its checksums and its own account of
    itself. What the database knows already is left as it is.
    """
    known = {cache.folder / shard.file: shard for shard in repository.find_all_shards()}
    files = sorted(cache.folder.glob(f"??/*/*{SUFFIX}"))
    report = Reindexed(files=len(files))
    for done, path in enumerate(files, start=1):
        shard = known.get(path)
        if shard is None or shard.status == QUARANTINED:
            try:
                register_shard(find_shard(path), shard, repository, cache, report)
            except ShardDamaged as error:
                report.damaged.append({"file": str(path), "reason": error.message})
        progress(done, len(files))
    return report


def register_shard(
    found: CheckedShard,
    known: Shard | None,
    repository: FeatureRepository,
    cache: FeatureCache,
    report: Reindexed,
) -> None:
    """Register one shard that was found whole; `known` is its row, if it was put aside.

    Raises:
        ShardDamaged: it is not where, or what, it says.
    """
    path, key = found.file.path, found.file.feature_key
    if path.parent != set_folder(cache.folder, key) or key != _key_of(found.attributes):
        raise ShardDamaged(f"the shard {path} is not where, or what, its attributes say")
    if known is not None and (known.sha256, known.rows) != (found.file.sha256, found.file.rows):
        raise ShardDamaged(f"the shard {path} is not what was committed")
    with cache.hold(key):
        feature_set = repository.ensure_set(_to_set(found))
        assert feature_set.id is not None
        shard = Shard(
            shard_id=found.attributes["shard_id"],
            feature_set_id=feature_set.id,
            file=path.relative_to(cache.folder).as_posix(),
            rows=found.file.rows,
            size=found.file.size,
            sha256=found.file.sha256,
            engine=found.attributes["engine"],
            versions=found.attributes["versions"],
        )
        if repository.commit_shards([shard]):
            return  # the same rows are there in another file
    report.restored += known is not None
    report.added += known is None
    report.rows += shard.rows
    if key not in report.feature_keys:
        report.feature_keys.append(key)


def _key_of(attributes: dict[str, Any]) -> str:
    names = ("trunk_fingerprint", "preprocessing_fingerprint", "precision", "view")
    return feature_key(*(attributes.get(name, "") for name in names))


def _to_set(found: CheckedShard) -> FeatureSet:
    names = (*KEY_ATTRIBUTES, "dtype", "storage", "compression")
    values = {name: found.attributes[name] for name in names}
    return FeatureSet(key=found.file.feature_key, shape=tuple(found.attributes["shape"]), **values)
