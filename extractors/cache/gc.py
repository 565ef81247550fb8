"""Garbage collection: what may be deleted, why, and deleting it.

A feature set's files are looked at and deleted only while nobody holds the set (`storage.locks`):
an extraction or a view that is open keeps all of it. In the database a thing is forgotten first
and its file deleted then; a crash in between leaves a file without a row, which is found the next
time.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from headstart.errors import HeadstartError
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.cache.strays import Strays
from headstart.extractors.preprocessing.augmentation import without_view
from headstart.paths import below, inside
from headstart.registry.entities import Backbone, FeatureSet, Shard
from headstart.registry.features import QUARANTINED, FeatureRepository
from headstart.storage.files import PARTIAL
from headstart.storage.locks import Alone
from headstart.storage.manifest import get_parts
from headstart.storage.manifest_parts import parts_folder
from headstart.storage.scratch import dead_folders, dead_partials, remove_dead
from headstart.storage.shards import SUFFIX, set_folder

MANIFEST_SECONDS = 24 * 3600
"""Younger manifests are left alone: their dataset may be about to be registered."""
UNREADABLE = "unreadable"
WRITTEN_ASIDE = ("*", "artifacts/*/*", "compiled/*")
"""Where in a workspace files are written aside, besides feature sets and manifests."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Choice:
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
class Garbage:
    """One thing to be collected.

    Attributes:
        kind: `orphan`, `damaged`, `manifest`, `artifact`, `temporary`, `unknown`,
            `unreachable`, `chosen` or `quota`; `unreadable` is said only, and nothing of it goes.
        what: the file, or the feature set's key, cut and backbone.
        size: bytes.
        held: somebody uses it now; it is left alone.
        files: to be deleted.
        folder: a temporary one, to be deleted.
        shards: to be forgotten.
        feature_set: to be forgotten.
    """

    kind: str
    what: str
    size: int
    held: bool = False
    files: tuple[Path, ...] = ()
    shards: tuple[Shard, ...] = ()
    feature_set: FeatureSet | None = None
    key: str | None = None
    folder: Path | None = None


class Collector:
    """Finds garbage in a workspace and deletes it.

    Args:
        repository: the feature sets and shards in SQL.
        cache: where the files and the locks are.
        backbones: all that are registered.
        manifests: the folder of manifests; their parts lie beside it.
        needed: names of the manifests that datasets need.
        strays: finds files of the artifact store that nothing names.
        root: of the workspace, where files are written aside.
    """

    def __init__(
        self,
        repository: FeatureRepository,
        cache: FeatureCache,
        backbones: Sequence[Backbone],
        manifests: Path,
        needed: Collection[str],
        strays: Strays,
        root: Path,
    ) -> None:
        self._repository = repository
        self._cache = cache
        self._trunks = {
            (cut.fingerprint, backbone.preprocessing_fingerprint)
            for backbone in backbones
            for cut in backbone.cuts
        }
        self._manifests = manifests
        self._needed = set(needed)
        self._strays = strays
        self._root = root

    def find(self, choice: Choice) -> list[Garbage]:
        """What may be deleted now; nothing is changed."""
        # A view that only the traceback of a past error knows, in a circle, would still hold its
        # set, for as long as Python likes: https://docs.python.org/3/library/gc.html
        gc.collect()
        sets = {feature_set.key: feature_set for feature_set in self._repository.find_sets()}
        found = [garbage for key in self._keys(sets) for garbage in self._look(key, sets, choice)]
        found += self._find_manifests()
        found += self._find_artifacts()
        found += self._find_temporary()
        gone = {garbage.key for garbage in found if garbage.feature_set is not None}
        if choice.quota is not None:
            found += self._over_quota(sets, gone, choice.quota)
        return found

    def collect(self, found: Sequence[Garbage]) -> list[Garbage]:
        """Delete what was found, as far as nobody holds it; gives what was deleted."""
        return [garbage for garbage in found if not garbage.held and self._delete(garbage)]

    def collect_orphans(self, key: str) -> None:
        """Delete the files of one set that have no row, if nobody holds it."""
        feature_set = self._repository.find_set(key)
        if feature_set is not None:
            self.collect(list(self._files(key, feature_set, is_held=False)))

    def _keys(self, sets: dict[str, FeatureSet]) -> list[str]:
        folders = {path.name for path in self._cache.folder.glob("??/*") if path.is_dir()}
        return sorted(folders | sets.keys())

    def _look(self, key: str, sets: dict[str, FeatureSet], choice: Choice) -> Iterator[Garbage]:
        feature_set = sets.get(key)
        with Alone(self._cache.locks, key) as lock:
            is_held = not lock.is_held
        if feature_set is None:
            if choice.unknown:
                files = self._all_files(key)
                size = _size(files)
                yield Garbage("unknown", key, size, is_held, files, key=key)
        elif key in choice.sets:
            yield self._whole("chosen", feature_set, is_held)
        elif choice.unreachable and not self._is_reachable(feature_set):
            yield self._whole("unreachable", feature_set, is_held)
        else:
            yield from self._files(key, feature_set, is_held)

    def _files(self, key: str, feature_set: FeatureSet, is_held: bool) -> Iterator[Garbage]:
        """Damaged shards, and files without a row."""
        shards = {
            below(self._cache.folder, shard.file): shard
            for shard in self._repository.find_shards(feature_set.id, status=None)
        }
        for path in self._all_files(key):
            shard = shards.pop(path, None)
            if shard is not None and shard.status == QUARANTINED:
                yield Garbage(
                    "damaged", str(path), _size([path]), is_held, (path,), (shard,), key=key
                )
            elif shard is None and path.name.endswith((SUFFIX, PARTIAL)):
                yield Garbage("orphan", str(path), _size([path]), is_held, (path,), key=key)
        for path, shard in shards.items():
            if shard.status == QUARANTINED:  # its file is gone already
                yield Garbage("damaged", str(path), 0, is_held, (), (shard,), key=key)

    def _find_manifests(self) -> Iterator[Garbage]:
        yield from self._old(self._manifests, self._needed)
        parts: set[str] = set()
        unreadable: list[str] = []
        for name in sorted(self._needed):
            try:
                parts |= get_parts(inside(self._manifests, name))
            except HeadstartError as error:
                unreadable.append(error.message)
        if not unreadable:
            yield from self._old(parts_folder(self._manifests), parts)
        for message in unreadable:  # nobody can tell which parts it needs
            what = f"{message}: no part of any manifest is deleted"
            yield Garbage(UNREADABLE, what, 0, held=True)

    def _old(self, folder: Path, needed: Collection[str]) -> Iterator[Garbage]:
        for path in sorted(folder.glob("*")):
            age = time.time() - path.stat().st_mtime
            if path.name not in needed and age > MANIFEST_SECONDS:
                yield Garbage("manifest", str(path), _size([path]), files=(path,))

    def _find_artifacts(self) -> Iterator[Garbage]:
        files, is_held = self._strays.find()
        for path in files:
            if path.name.endswith(PARTIAL):
                continue  # see `_find_temporary`
            yield Garbage("artifact", str(path), _size([path]), is_held, (path,))

    def _find_temporary(self) -> Iterator[Garbage]:
        """What commands that were killed left: in the system's folder for it, and written aside.

        What was being written into a feature set is found with the set.
        """
        for folder in dead_folders():
            files = tuple(path for path in folder.rglob("*") if path.is_file())
            yield Garbage("temporary", str(folder), _size(files), folder=folder)
        for pattern in WRITTEN_ASIDE:
            for path in dead_partials(self._root, pattern):
                yield Garbage("temporary", str(path), _size([path]), files=(path,))

    def _over_quota(
        self, sets: dict[str, FeatureSet], gone: set[str | None], quota: int
    ) -> Iterator[Garbage]:
        left = [feature_set for key, feature_set in sets.items() if key not in gone]
        left.sort(key=lambda one: one.used_at or one.created_at or BEGINNING)
        sizes = {one.key: _size(self._all_files(one.key)) for one in left}
        total = sum(sizes.values())
        for feature_set in left:
            if total <= quota:
                return
            with Alone(self._cache.locks, feature_set.key) as lock:
                garbage = self._whole("quota", feature_set, not lock.is_held)
            yield garbage
            total -= 0 if garbage.held else sizes[feature_set.key]

    def _whole(self, kind: str, feature_set: FeatureSet, is_held: bool) -> Garbage:
        files = self._all_files(feature_set.key)
        what = f"{feature_set.key[:12]} {feature_set.backbone}@{feature_set.cut}"
        return Garbage(
            kind, what, _size(files), is_held, files, (), feature_set, key=feature_set.key
        )

    def _is_reachable(self, feature_set: FeatureSet) -> bool:
        plain = feature_set.preprocessing_fingerprint
        if feature_set.view:
            plain = without_view(feature_set.preprocessing)
        return (feature_set.cut_fingerprint, plain) in self._trunks

    def _all_files(self, key: str) -> tuple[Path, ...]:
        return tuple(sorted(set_folder(self._cache.folder, key).glob("*")))

    def _delete(self, garbage: Garbage) -> bool:
        if garbage.kind == "artifact":
            return self._strays.remove(garbage.files)
        if garbage.folder is not None:
            return remove_dead(garbage.folder)
        if garbage.key is None:
            _unlink(garbage.files)
            return True
        with Alone(self._cache.locks, garbage.key) as lock:
            if not lock.is_held:
                return False
            still = self._still(garbage)
            if still.feature_set is not None:
                self._repository.remove_set(still.feature_set)
            self._repository.remove_shards(still.shards)
            _unlink(still.files)
            folder = set_folder(self._cache.folder, garbage.key)
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
            return bool(still.files or still.shards or still.feature_set)

    def _still(self, garbage: Garbage) -> Garbage:
        """What was found, as it is now that nobody else can change it."""
        assert garbage.key is not None
        feature_set = self._repository.find_set(garbage.key)
        if garbage.feature_set is not None:
            return replace(garbage, files=self._all_files(garbage.key), feature_set=feature_set)
        if garbage.kind == "unknown":
            return garbage if feature_set is None else replace(garbage, files=())
        shards = self._repository.find_shards(feature_set.id, None) if feature_set else []
        committed = {below(self._cache.folder, s.file) for s in shards if s.status != QUARANTINED}
        damaged = {s.shard_id for s in shards if s.status == QUARANTINED}
        return replace(
            garbage,
            files=tuple(path for path in garbage.files if path not in committed),
            shards=tuple(s for s in garbage.shards if s.shard_id in damaged),
        )


def _unlink(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.exists())
