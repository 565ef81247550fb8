"""Garbage collection: what may be deleted, why, and deleting it.

A feature set's shards are looked at and deleted only while nobody holds the set (`ShardStore`):
an extraction or a view that is open keeps all of it. In the database a thing is forgotten first
and its file deleted then; a crash in between leaves a file without a row, which is found the next
time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from headstart.config import CONTENTS
from headstart.errors import HeadstartError, InvalidFeatureSetting, LeaseLost
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.cache.strays import Strays
from headstart.extractors.preprocessing.augmentation import without_view
from headstart.registry.entities import Backbone, FeatureSet, Shard
from headstart.registry.features import QUARANTINED, FeatureRepository
from headstart.storage.contents import HELD_AS
from headstart.storage.files import PARTIAL
from headstart.storage.objects.manifests import Manifests
from headstart.storage.objects.shared_folder import SharedFolder
from headstart.storage.scratch import dead_folders, dead_partials, remove_dead
from headstart.storage.shard_store import Alone, Entry, confirmation
from headstart.values.options import Options
from headstart.values.showable import Showable

MANIFEST_SECONDS = 24 * 3600
"""Younger manifests are left alone: their dataset may be about to be registered."""
COMPLETE = "complete"
"""The folder of a workspace with what was kept of extractions that were complete."""
COMPLETE_SECONDS = 30 * 24 * 3600
"""Older ones go: what they are of may be gone, and whoever asks for it once more keeps it again."""
MANIFEST, CONTENT, UNREADABLE = "manifest", "content", "unreadable"
WRITTEN_ASIDE = (
    "*",
    "artifacts/*/*",
    "compiled/*",
    f"{COMPLETE}/*",
    f"{CONTENTS}/*",
    f"{CONTENTS}/*/**/*",
)
"""Where in a workspace files are written aside, besides feature sets and manifests."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Choice(Options, error=InvalidFeatureSetting):
    """What is to be collected besides files that nobody needs.

    Attributes:
        unreachable: feature sets that no registered backbone gives.
        unknown: folders of feature sets that the database has never heard of.
        sets: feature keys of sets to be removed.
        quota: bytes; while there are more, the set whose reading is longest ago goes.
    """

    unreachable: bool = False
    unknown: bool = False
    sets: tuple[str, ...] = ()
    quota: int | None = None


@dataclass(frozen=True)
class Garbage(Showable):
    """One thing to be collected.

    Attributes:
        kind: `orphan`, `damaged`, `manifest`, `content`, `artifact`, `temporary`, `unknown`,
            `unreachable`, `chosen` or `quota`; `unreadable` is said only, and nothing of it goes.
        what: the file, or the feature set's key, cut and backbone.
        size: bytes.
        held: somebody uses it now; it is left alone.
        files: to be deleted.
        names: in the store of shards, to be deleted.
        folder: a temporary one, to be deleted.
        shards: to be forgotten.
        feature_set: to be forgotten.
        key: of the feature set that it is of, or in.
    """

    kind: str
    what: str
    size: int
    held: bool = False
    files: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    shards: tuple[Shard, ...] = ()
    feature_set: FeatureSet | None = None
    key: str | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it is a file that the row of a dataset would name."""
        return self.kind in (MANIFEST, CONTENT)

    def _facts(self) -> dict[str, Any]:
        """What a person wants to know of it; the rest says how it is deleted."""
        return {"kind": self.kind, "what": self.what, "size": self.size, "held": self.held}

    def _line(self) -> str:
        return f"{self.kind}, {self.what!r}, {self.size:,} bytes{', in use' if self.held else ''}"

    folder: Path | None = None


class Needed(NamedTuple):
    """Names of the manifests, and of the contents, that datasets need."""

    manifests: Collection[str]
    contents: Collection[str | None]


class Collector:
    """Finds garbage in a workspace and deletes it.

    Args:
        repository: the feature sets and shards in SQL.
        cache: where shards are.
        backbones: all that are registered.
        manifests: those of the workspace, and their parts.
        find_needed: by datasets, asked anew each time.
        strays: finds files of the artifact store that nothing names.
        root: of the workspace, where files are written aside.
    """

    def __init__(
        self,
        repository: FeatureRepository,
        cache: FeatureCache,
        backbones: Sequence[Backbone],
        manifests: Manifests,
        find_needed: Callable[[], Needed],
        strays: Strays,
        root: Path,
    ) -> None:
        self._repository = repository
        self._store = cache.store
        self._trunks = {
            (cut.fingerprint, backbone.preprocessing_fingerprint)
            for backbone in backbones
            for cut in backbone.cuts
        }
        self._manifests = manifests
        self._find_needed = find_needed
        self._strays = strays
        self._root = root
        self._contents = SharedFolder(root / CONTENTS)

    def find(self, choice: Choice) -> list[Garbage]:
        """What may be deleted now; nothing is changed."""
        # A view that only the traceback of a past error knows, in a circle, would still hold its
        # set, for as long as Python likes: https://docs.python.org/3/library/gc.html
        gc.collect()
        sets = {feature_set.key: feature_set for feature_set in self._repository.find_sets()}
        found = [garbage for key in self._keys(sets) for garbage in self._look(key, sets, choice)]
        with self._alone() as lock:
            found += self._find_kept(is_held=not lock.is_held)
        found += self._find_artifacts()
        found += self._find_temporary()
        gone = {garbage.key for garbage in found if garbage.feature_set is not None}
        if choice.quota is not None:
            found += self._over_quota(sets, gone, choice.quota)
        return found

    def collect(self, found: Sequence[Garbage]) -> list[Garbage]:
        """Delete what was found, as far as nobody holds it; gives what was deleted."""
        free = [garbage for garbage in found if not garbage.held]
        gone = self._delete_kept([one for one in free if one.is_kept])
        return [one for one in free if (gone & {*one.files} if one.is_kept else self._delete(one))]

    def collect_orphans(self, key: str) -> None:
        """Delete what has no row in one set, if nobody holds it."""
        feature_set = self._repository.find_set(key)
        if feature_set is not None:
            self.collect(list(self._within(key, feature_set, is_held=False)))

    def _keys(self, sets: dict[str, FeatureSet]) -> list[str]:
        return sorted({*self._store.sets(), *sets})

    def _look(self, key: str, sets: dict[str, FeatureSet], choice: Choice) -> Iterator[Garbage]:
        feature_set = sets.get(key)
        with self._store.alone(key) as lock:
            is_held = not lock.is_held
        if feature_set is None:
            if choice.unknown:
                entries = self._store.entries(key)
                yield Garbage(
                    "unknown", key, _bytes(entries), is_held, names=_names(entries), key=key
                )
        elif key in choice.sets:
            yield self._whole("chosen", feature_set, is_held)
        elif choice.unreachable and not self._is_reachable(feature_set):
            yield self._whole("unreachable", feature_set, is_held)
        else:
            yield from self._within(key, feature_set, is_held)

    def _within(self, key: str, feature_set: FeatureSet, is_held: bool) -> Iterator[Garbage]:
        """Damaged shards, and what has no row."""
        found = self._repository.find_shards(feature_set.id, status=None)
        shards = {shard.file: shard for shard in found}
        for entry in self._store.entries(key):
            shard, place = shards.pop(entry.name, None), self._store.place_of(entry.name)
            one = Garbage("orphan", place, entry.size, is_held, names=(entry.name,), key=key)
            if shard is not None and shard.status == QUARANTINED:
                yield replace(one, kind="damaged", shards=(shard,))
            elif shard is None and entry.kind != "other":
                yield one
        for name, shard in shards.items():
            if shard.status == QUARANTINED:  # it is gone already
                place = self._store.place_of(name)
                yield Garbage("damaged", place, 0, is_held, shards=(shard,), key=key)

    def _find_kept(self, *, is_held: bool) -> Iterator[Garbage]:
        """Manifests, their parts, and contents that no dataset needs.

        Args:
            is_held: whether somebody keeps data now, and has yet to register them.
        """
        needed = self._find_needed()
        yield from self._old(self._manifests.whole, needed.manifests, is_held)
        yield from self._old(self._contents, needed.contents, is_held, CONTENT)
        parts: set[str] = set()
        unreadable: list[str] = []
        for name in sorted(needed.manifests):
            try:
                parts |= self._manifests.part_names(name)
            except HeadstartError as error:
                unreadable.append(error.message)
        if not unreadable:
            yield from self._old(self._manifests.parts, parts, is_held)
        for message in unreadable:  # nobody can tell which parts it needs
            what = f"{message}: no part of any manifest is deleted"
            yield Garbage(UNREADABLE, what, 0, held=True)

    def _old(
        self,
        folder: SharedFolder,
        needed: Collection[str | None],
        is_held: bool,
        kind: str = MANIFEST,
    ) -> Iterator[Garbage]:
        now = folder.clock()
        for path, size, modified in folder.stored():
            if path.name not in needed and now - modified > MANIFEST_SECONDS:
                yield Garbage(kind, str(path), size, is_held, files=(path,))

    def _alone(self) -> Alone:
        """Whoever keeps data holds this until they are registered."""
        return self._strays.holds.alone(HELD_AS)

    def _delete_kept(self, found: Sequence[Garbage]) -> set[Path]:
        """Delete manifests and contents that still are old and needed by none; gives which."""
        if not found:
            return set()
        with self._alone() as lock:
            if not lock.is_held:
                return set()
            still = {path for one in self._find_kept(is_held=False) for path in one.files}
            gone = {path for one in found for path in one.files} & still
            for folder in (self._manifests.whole, self._manifests.parts, self._contents):
                folder.remove(sorted(path for path in gone if path.parent == folder.root))
            return gone

    def _find_artifacts(self) -> Iterator[Garbage]:
        files, is_held = self._strays.find()
        for path, size, _ in files:
            if path.name.endswith(PARTIAL):
                continue  # see `_find_temporary`
            yield Garbage("artifact", str(path), size, is_held, (path,))

    def _find_temporary(self) -> Iterator[Garbage]:
        """What commands that were killed left: in the system's folder for it, and written aside;
        and what was kept long ago of extractions that were complete.

        What was being written into a feature set is found with the set.
        """
        for folder in (*dead_folders(), *dead_folders(self._root)):
            files = tuple(path for path in folder.rglob("*") if path.is_file())
            yield Garbage("temporary", str(folder), _size(files), folder=folder)
        for pattern in WRITTEN_ASIDE:
            for path in dead_partials(self._root, pattern):
                yield Garbage("temporary", str(path), _size([path]), files=(path,))
        kept = SharedFolder(self._root / COMPLETE)
        now = kept.clock()
        for path, size, modified in kept.stored():
            if path.suffix == ".json" and now - modified > COMPLETE_SECONDS:
                yield Garbage("temporary", str(path), size, files=(path,))

    def _over_quota(
        self, sets: dict[str, FeatureSet], gone: set[str | None], quota: int
    ) -> Iterator[Garbage]:
        left = [feature_set for key, feature_set in sets.items() if key not in gone]
        left.sort(key=lambda one: one.used_at or one.created_at or BEGINNING)
        sizes = {one.key: _bytes(self._store.entries(one.key)) for one in left}
        total = sum(sizes.values())
        for feature_set in left:
            if total <= quota:
                return
            with self._store.alone(feature_set.key) as lock:
                garbage = self._whole("quota", feature_set, not lock.is_held)
            yield garbage
            total -= 0 if garbage.held else sizes[feature_set.key]

    def _whole(self, kind: str, feature_set: FeatureSet, is_held: bool) -> Garbage:
        key, entries = feature_set.key, self._store.entries(feature_set.key)
        what = f"{key[:12]} {feature_set.backbone}@{feature_set.cut}"
        names = _names(entries)
        return Garbage(
            kind, what, _bytes(entries), is_held, names=names, feature_set=feature_set, key=key
        )

    def _is_reachable(self, feature_set: FeatureSet) -> bool:
        plain = feature_set.preprocessing_fingerprint
        if feature_set.view:
            plain = without_view(feature_set.preprocessing)
        return (feature_set.cut_fingerprint, plain) in self._trunks

    def _delete(self, garbage: Garbage) -> bool:
        if garbage.kind == "artifact":
            return self._strays.remove(garbage.files)
        if garbage.folder is not None:
            return remove_dead(garbage.folder)
        if garbage.key is None:
            _unlink(garbage.files)
            return True
        with self._store.alone(garbage.key) as lock:
            if not lock.is_held:
                return False
            still = self._still(garbage)
            try:
                self._repository.forget(still.feature_set, still.shards, confirmation(lock))
            except LeaseLost:
                return False  # it slept: somebody may hold the set by now
            for name in still.names:
                self._store.delete(name)
            self._store.tidy(garbage.key)
            return bool(still.names or still.shards or still.feature_set)

    def _still(self, garbage: Garbage) -> Garbage:
        """What was found, as it is now that nobody else can change it."""
        assert garbage.key is not None
        feature_set = self._repository.find_set(garbage.key)
        if garbage.feature_set is not None:
            names = _names(self._store.entries(garbage.key))
            return replace(garbage, names=names, feature_set=feature_set)
        if garbage.kind == "unknown":
            return garbage if feature_set is None else replace(garbage, names=())
        shards = self._repository.find_shards(feature_set.id, None) if feature_set else []
        committed = {s.file for s in shards if s.status != QUARANTINED}
        damaged = {s.shard_id for s in shards if s.status == QUARANTINED}
        return replace(
            garbage,
            names=tuple(name for name in garbage.names if name not in committed),
            shards=tuple(s for s in garbage.shards if s.shard_id in damaged),
        )


def _unlink(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _names(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(entry.name for entry in entries)


def _bytes(entries: Sequence[Entry]) -> int:
    return sum(entry.size for entry in entries)


def _size(files: Sequence[Path]) -> int:
    inner = (one for path in files for one in ([path] if path.is_file() else path.rglob("*")))
    return sum(path.stat().st_size for path in inner if path.is_file())
