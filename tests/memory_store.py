"""A second implementation of `ShardStore`: bytes in memory, with names as a bucket has them."""

import hashlib
import shutil
import threading
import weakref
from collections import Counter
from pathlib import Path

from headstart.errors import ShardExists, StorageError
from headstart.paths import checked_digest, checked_name
from headstart.storage.shard_store import Created, Entry
from headstart.storage.shards.names import new_name, set_of


class MemoryStore:
    """See `ShardStore`. Another process sees nothing of it.

    Args:
        cache: a folder of this machine for index files.

    Attributes:
        calls: how often each method that costs something was called.
        opened: shards that readers opened.
        is_away: whether it answers no longer.
        capacity: bytes that go in; no limit without it.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._shards: dict[str, bytes] = {}
        self._marks: dict[str, int] = {}
        self._mark = 0
        self._changed = threading.Condition(threading.RLock())  # a hold may end in any thread
        self._holds: Counter[str] = Counter()
        self._alone: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.opened: list[str] = []
        self.is_away = False
        self.capacity: int | None = None

    def create(self, feature_key, content, token):
        self._called("create")
        whole = bytes(content)
        sha256 = hashlib.sha256(whole).hexdigest()
        name = new_name(feature_key, sha256, token)
        with self._changed:
            if name in self._shards:
                raise ShardExists(f"{self.place_of(name)} is there already")
            if self.capacity is not None and self._size() + len(whole) > self.capacity:
                raise StorageError(f"no space is left to write {self.place_of(name)}")
            self.put(name, whole)
        return Created(name, sha256)

    def put(self, name, content):
        """Write whatever under a name, as a person may who does not know the contract."""
        with self._changed:
            self._mark += 1
            self._shards[name], self._marks[name] = content, self._mark

    def read(self, name):
        self._called("read")
        return self._get(name)

    def reader(self):
        return MemoryReader(self)

    def open(self, name):
        """For a reader: a shard as it is now."""
        self._called("open")
        self.opened.append(name)
        return self._get(name)

    def _get(self, name):
        with self._changed:
            try:
                return self._shards[checked(name)]
            except KeyError:
                raise FileNotFoundError(2, "No such shard", name) from None

    def stat_of(self, name):
        self._called("stat_of")
        with self._changed:
            content = self._shards.get(checked(name))
            return () if content is None else (len(content), self._marks[name])

    def sets(self):
        self._called("sets")
        with self._changed:
            return sorted({name.split("/")[1] for name in self._shards})

    def entries(self, feature_key=None):
        self._called("entries")
        prefix = "" if feature_key is None else f"{set_of(feature_key)}/"
        with self._changed:
            found = sorted(self._shards.items())
        return [
            Entry(name, len(content), "shard") for name, content in found if name.startswith(prefix)
        ]

    def delete(self, name):
        self._called("delete")
        with self._changed:
            self._shards.pop(checked(name), None)
            self._marks.pop(name, None)

    def tidy(self, feature_key):
        if not self.entries(feature_key):
            shutil.rmtree(self.index_folder(feature_key), ignore_errors=True)

    def hold(self, *feature_keys):
        return MemoryHold(self, feature_keys)

    def alone(self, feature_key):
        return MemoryAlone(self, feature_key)

    def take(self, keys):
        with self._changed:
            self._changed.wait_for(lambda: not self._alone & set(keys))
            self._holds.update(keys)

    def give_back(self, keys):
        with self._changed:
            self._holds.subtract(keys)
            self._changed.notify_all()

    def take_alone(self, key):
        with self._changed:
            if self._holds[key] or key in self._alone:
                return False
            self._alone.add(key)
            return True

    def give_back_alone(self, key):
        with self._changed:
            self._alone.discard(key)
            self._changed.notify_all()

    def free_bytes(self):
        return None if self.capacity is None else self.capacity - self._size()

    def _size(self):
        return sum(map(len, self._shards.values()))

    def is_empty(self):
        self._called("is_empty")
        return not self._shards

    def place_of(self, name=""):
        return f"memory:{name}"

    def index_folder(self, feature_key):
        return self._cache / checked_digest(feature_key)

    def _called(self, method):
        self.calls[method] += 1
        if self.is_away:
            raise StorageError("memory: does not answer", hint="Try again later.")


class MemoryReader:
    def __init__(self, store):
        self._store, self._name, self._content = store, None, b""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._content = b""

    def read_into(self, name, offset, parts):
        if name != self._name:
            self._content, self._name = self._store.open(name), name
        got = 0
        for part in parts:
            found = self._content[offset + got : offset + got + len(part)]
            part[: len(found)] = found
            got += len(found)
        return got

    def read_each(self, name, offsets, parts):
        return sum(
            self.read_into(name, offset, [part])
            for offset, part in zip(offsets, parts, strict=True)
        )


class MemoryHold:
    def __init__(self, store, keys):
        store.take(keys)
        self.release = weakref.finalize(self, store.give_back, keys)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.release()


class MemoryAlone:
    def __init__(self, store, key):
        self._store, self._key = store, key
        self.is_held = store.take_alone(key)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.is_held:
            self._store.give_back_alone(self._key)


def checked(name):
    """The name, if each step of it is one of ours."""
    for step in name.split("/"):
        checked_name(step)
    return name
