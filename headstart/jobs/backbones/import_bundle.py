"""Delivery: a bundle is brought into a workspace, all of it or nothing.

Everything is looked at before anything is put into the workspace, then the files are put there,
then all rows are one transaction. What fails on the way takes back what it has put there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from headstart.context import Context
from headstart.errors import DatabaseGone, FeatureError, ShardExists, StorageError
from headstart.extractors.backbones.bundle import NOTHING_KEPT, Bundle
from headstart.extractors.backbones.bundle_head import BundledShard
from headstart.extractors.cache.feature_cache import encoding_of
from headstart.extractors.cache.reindex import to_set
from headstart.extractors.cache.taken_back import take_back
from headstart.extractors.safety.first_load import FOLDER, FirstLoad, unheard
from headstart.jobs.backbones.convert import convert_ahead
from headstart.jobs.backbones.register import find_lost, register
from headstart.jobs.backbones.trial import tried
from headstart.notices import told_when_done, warn
from headstart.paths import inside
from headstart.progress import Progress
from headstart.registry.entities import TEXT_BACKBONE, Backbone, FeatureSet, Shard
from headstart.registry.names import check_name
from headstart.storage.artifacts import HELD_AS, ArtifactStore
from headstart.storage.scratch import scratch_folder
from headstart.storage.shard_store import Hold, confirmation
from headstart.storage.shards.names import new_name, new_token
from headstart.storage.shards.shard import CheckedShard
from headstart.values.showable import Showable


class Registered(NamedTuple):
    """A backbone, and how many rows came along and were new."""

    backbone: Backbone
    rows: int


class ImportedBundle(Showable, Registered):
    """What came of a bundle; a pair, as it always was."""

    def _facts(self) -> dict[str, Any]:
        named = {"name": self.backbone.name, "version": self.backbone.version}
        return {**named, "rows": self.rows}

    def _line(self) -> str:
        return f"{self.backbone.label!r}, {self.rows:,} rows of features"


@dataclass(frozen=True)
class _Arrival:
    """A shard that was looked at: where it is in the bundle, its set, what it is, its new name."""

    bundled: BundledShard
    feature_set: FeatureSet
    checked: CheckedShard
    token: str

    @property
    def name(self) -> str:
        return new_name(self.feature_set.key, self.bundled.sha256, self.token)


@dataclass
class _Placed:
    """What was put into the workspace and was not there before: files, and shards by set."""

    artifacts: list[Path] = field(default_factory=list)
    shards: list[tuple[str, str]] = field(default_factory=list)


def import_bundle(
    context: Context,
    path: Path,
    name: str | None,
    *,
    trust: bool,
    progress: Progress,
    max_bytes: int | None = None,
    say: Callable[[str], None] = unheard,
) -> ImportedBundle:
    """Register what a bundle holds; see `Backbones.import_`."""
    first = FirstLoad(context.artifacts.beside(FOLDER), max_bytes, say, later={})
    with Bundle(path) as bundle, scratch_folder() as scratch:
        staged = ArtifactStore(inside(scratch, "artifacts"))
        name = check_name(name or bundle.head.backbone["name"], "backbone")
        read = bundle.read_backbone(name, staged, scratch, trust=trust, first=first)
        backbone, link = _unlinked(tried(read, staged, say).backbone)
        del read  # its model: it is loaded again to be converted, and twice may be too much
        arrivals = _look(context, bundle, backbone, progress)
        keys = {arrival.feature_set.key for arrival in arrivals}
        with (
            _taken_back(context) as placed,
            context.holds.hold(HELD_AS),
            context.shard_store.hold(*keys) as hold,
        ):
            _place(context, bundle, staged, arrivals, placed, progress)
            registered = _register(context, backbone, arrivals, placed, hold)
    first.keep()
    _tell_of_link(registered[0], link)
    convert_ahead(context, registered[0], say)
    return ImportedBundle(*registered)


def _unlinked(backbone: Backbone) -> tuple[Backbone, str | None]:
    """The backbone without its link to one of texts, and that: it names a backbone of another
    workspace, and whatever has that name here may be anything."""
    tags = dict(backbone.tags)
    link = tags.pop(TEXT_BACKBONE, None)
    return replace(backbone, tags=tags), link


def _tell_of_link(backbone: Backbone, link: str | None) -> None:
    if link is not None and TEXT_BACKBONE not in backbone.tags:
        warn(
            f"the texts of {backbone.label!r} were those of the backbone {link!r} where it was "
            "written, and a bundle carries one backbone: it is not linked here. Bring that one, "
            f"and link it: headstart backbone tag {backbone.name} {TEXT_BACKBONE}=NAME"
        )


def _look(
    context: Context, bundle: Bundle, backbone: Backbone, progress: Progress
) -> list[_Arrival]:
    """Every shard of the bundle, whole and of this backbone; those that are there are left out."""
    total, done, arrivals = 2 * sum(shard.size for shard in bundle.head.shards), 0, []
    there: dict[str, set[str]] = {}
    wanted: dict[str, FeatureSet] = {}
    for bundled in bundle.head.shards:
        checked = bundle.check_shard(bundled, backbone)
        key = bundled.feature_key
        if key not in there:
            there[key] = _known_shards(context, key)
            wanted[key] = context.feature_sets.find_set(key) or to_set(checked)
        _refuse_other_rows(to_set(checked), wanted[key])
        if checked.attributes["shard_id"] not in there[key]:
            there[key].add(checked.attributes["shard_id"])
            arrivals.append(_Arrival(bundled, to_set(checked), checked, new_token()))
        progress(done := done + bundled.size, total)
    return arrivals


def _known_shards(context: Context, key: str) -> set[str]:
    feature_set = context.feature_sets.find_set(key)
    shards = context.feature_sets.find_shards(feature_set.id) if feature_set else []
    return {shard.shard_id for shard in shards}


def _refuse_other_rows(one: FeatureSet, other: FeatureSet) -> None:
    if (encoding_of(one), one.shape) != (encoding_of(other), other.shape):
        raise FeatureError(
            f"the bundle brings rows of shape {one.shape} as {one.storage}, {one.compression}, "
            f"where {other.key[:12]} has {other.shape} as {other.storage}, {other.compression}",
            hint=NOTHING_KEPT,
        )


def _place(
    context: Context,
    bundle: Bundle,
    staged: ArtifactStore,
    arrivals: Sequence[_Arrival],
    placed: _Placed,
    progress: Progress,
) -> None:
    """Put the files where they belong; what is new is noted before it is written."""
    for file in staged.files():
        if not context.artifacts.has(file.stem, file.suffix):
            placed.artifacts.append(context.artifacts.path_of(file.stem, file.suffix))
        context.artifacts.put(file, file.suffix)
    size = sum(shard.size for shard in bundle.head.shards)
    done = 2 * size - sum(arrival.bundled.size for arrival in arrivals)
    for arrival in arrivals:
        key, content = arrival.feature_set.key, memoryview(bundle.read_shard(arrival.bundled))
        placed.shards.append((key, arrival.name))
        try:
            context.shard_store.create(key, content, arrival.token)
        except ShardExists:  # it is another's
            placed.shards.pop()
            raise
        progress(done := done + arrival.bundled.size, 2 * size)


def _register(
    context: Context,
    backbone: Backbone,
    arrivals: Sequence[_Arrival],
    placed: _Placed,
    hold: Hold,
) -> tuple[Backbone, int]:
    """The rows of all that was placed, in one transaction; gives the backbone and new rows."""
    repository, lost = context.feature_sets, find_lost(context, backbone)
    with told_when_done(), context.database.together():
        backbone = register(context, backbone, lost)
        shards = [_to_row(context, arrival) for arrival in arrivals]
        already = repository.commit_shards(shards, confirm=confirmation(hold))
    placed.artifacts, placed.shards = [], []  # rows name them now: nothing is taken back
    for shard in already:  # another process was faster: its shard is the truth
        context.shard_store.delete(shard.file)
    return backbone, sum(shard.rows for shard in shards if shard not in already)


def _to_row(context: Context, arrival: _Arrival) -> Shard:
    feature_set = context.feature_sets.ensure_set(arrival.feature_set)
    _refuse_other_rows(arrival.feature_set, feature_set)
    assert feature_set.id is not None
    return Shard(
        shard_id=arrival.checked.attributes["shard_id"],
        feature_set_id=feature_set.id,
        file=arrival.name,
        rows=arrival.checked.file.rows,
        size=arrival.bundled.size,
        sha256=arrival.bundled.sha256,
        engine=arrival.checked.attributes["engine"],
        versions=arrival.checked.attributes["versions"],
    )


@contextmanager
def _taken_back(context: Context) -> Iterator[_Placed]:
    """What was placed goes again if the block fails, unless somebody else came to need it."""
    placed = _Placed()
    try:
        yield placed
    except DatabaseGone:
        raise  # nobody knows whether the rows were committed; `features gc` finds what was not
    except BaseException:
        for key, name in placed.shards:
            take_back(context.shard_store, context.feature_sets, [name])
            with suppress(StorageError), context.shard_store.alone(key) as lock:
                if lock.is_held:
                    context.shard_store.tidy(key)
        with context.holds.alone(HELD_AS) as lock:
            needed = context.needed_artifacts() if lock.is_held else set()
            for path in placed.artifacts:
                if lock.is_held and path.stem not in needed:
                    _remove(context, path)
        raise


def _remove(context: Context, path: Path) -> None:
    with suppress(OSError):  # the disk that refused it may refuse this too: `features gc` finds it
        context.artifacts.remove([path])
