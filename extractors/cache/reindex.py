"""Reindexing: the database's rows made anew from the shards themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from headstart import fields
from headstart.errors import ShardDamaged, UnsafeName
from headstart.extractors.cache.feature_cache import KEY_ATTRIBUTES, FeatureCache, encoding_of
from headstart.fields import WrongField
from headstart.registry.entities import FeatureSet, Shard
from headstart.registry.features import QUARANTINED, FeatureRepository
from headstart.storage.keys import feature_key
from headstart.storage.shard_store import confirmation
from headstart.storage.shards.names import is_in_set
from headstart.storage.shards.shard import CheckedShard, find_shard
from headstart.values.showable import Showable

WORD = fields.text(20)
MOST_KEYS = 1_000
ACCOUNT = fields.record(
    {
        "backbone": fields.text(200),
        "cut": fields.text(10_000),
        "cut_fingerprint": fields.digest,
        "trunk_fingerprint": fields.digest,
        "preprocessing": fields.mapping(fields.text(200), fields.anything, MOST_KEYS),
        "preprocessing_fingerprint": fields.digest,
        "precision": WORD,
        "view": fields.whole(1 << 31),
        "engine": fields.text(200),
        "versions": fields.mapping(fields.text(200), fields.anything, MOST_KEYS),
        "dtype": WORD,
        "storage": WORD,
        "compression": WORD,
    },
    more=fields.anything,
)
"""The attributes of a shard that its row in SQL is made of; newer code may add others."""


@dataclass
class Reindexed(Showable):
    """What was found.

    Attributes:
        files: shards looked at.
        added: of those, registered now.
        rows: in them.
        restored: shards that had been put aside and are right (their disk was away, say).
        feature_keys: the sets they belong to.
        damaged: file and reason of those that are no whole shards, or no whole heads; they are left
            where they are.
        heads: `NAME:VERSION` of those that came back.
    """

    files: int = 0
    added: int = 0
    rows: int = 0
    restored: int = 0
    feature_keys: list[str] = field(default_factory=list)
    damaged: list[dict[str, str]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


def reindex(
    repository: FeatureRepository, cache: FeatureCache, progress: Callable[[int, int], None]
) -> Reindexed:
    """Register every whole shard that the database does not know.

    Each file is checked against the sha256 in its name, its checksums and its own account of
    itself. What the database knows already is left as it is.
    """
    known = {shard.file: shard for shard in repository.find_all_shards()}
    names = [entry.name for entry in cache.store.entries() if entry.kind == "shard"]
    report = Reindexed(files=len(names))
    for done, name in enumerate(names, start=1):
        shard = known.get(name)
        if shard is None or shard.status == QUARANTINED:
            try:
                register_shard(find_shard(cache.store, name), shard, repository, cache, report)
            except (ShardDamaged, UnsafeName) as error:
                place = cache.store.place_of(name)
                report.damaged.append({"file": place, "reason": error.message})
        progress(done, len(names))
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
    place, key = found.place, found.file.feature_key
    check_account(found)
    if not is_in_set(found.file.name, key):
        raise ShardDamaged(f"the shard {place} is not where its attributes say")
    if known is not None and (known.sha256, known.rows) != (found.file.sha256, found.file.rows):
        raise ShardDamaged(f"the shard {place} is not what was committed")
    with cache.hold(key) as hold:
        wanted = to_set(found)
        feature_set = repository.ensure_set(wanted)
        assert feature_set.id is not None
        if (encoding_of(feature_set), feature_set.shape) != (encoding_of(wanted), wanted.shape):
            raise ShardDamaged(
                f"the shard {place} holds rows of shape {wanted.shape} as {wanted.storage}, its "
                f"feature set rows of shape {feature_set.shape} as {feature_set.storage}"
            )
        shard = Shard(
            shard_id=found.attributes["shard_id"],
            feature_set_id=feature_set.id,
            file=found.file.name,
            rows=found.file.rows,
            size=found.file.size,
            sha256=found.file.sha256,
            engine=found.attributes["engine"],
            versions=found.attributes["versions"],
        )
        if repository.commit_shards([shard], confirm=confirmation(hold)):
            return  # the same rows are there in another file
    report.restored += known is not None
    report.added += known is None
    report.rows += shard.rows
    if key not in report.feature_keys:
        report.feature_keys.append(key)


def check_account(found: CheckedShard) -> dict[str, Any]:
    """What a shard says of itself, every attribute of its declared shape and its key made of them.

    Raises:
        ShardDamaged: an attribute is missing, or not what it must be.
    """
    where = f"the shard {found.place}"
    try:
        account = ACCOUNT(found.attributes, "")
    except WrongField as error:
        raise ShardDamaged(f"{where} is not what it must be: {error}") from error
    names = ("trunk_fingerprint", "preprocessing_fingerprint", "precision", "view")
    if found.file.feature_key != feature_key(*(account[name] for name in names)):
        raise ShardDamaged(f"{where} is not of the feature key that its attributes make")
    return account


def to_set(found: CheckedShard) -> FeatureSet:
    """The feature set that a shard's attributes describe."""
    names = (*KEY_ATTRIBUTES, "dtype", "storage", "compression")
    values = {name: found.attributes[name] for name in names}
    return FeatureSet(key=found.file.feature_key, shape=tuple(found.attributes["shape"]), **values)
