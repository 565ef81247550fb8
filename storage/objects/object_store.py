"""Shards as objects of a store that several machines see; see `storage.shard_store.ShardStore`."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headstart.paths import below, checked_name, one_below
from headstart.storage.objects.bucket import Bucket, Found
from headstart.storage.objects.local_copies import LocalCopies
from headstart.storage.objects.object_reader import ObjectReader
from headstart.storage.objects.outlay import Outlay
from headstart.storage.shard_store import Alone, Created, Entry, Hold, Holds, Stat
from headstart.storage.shards.mapping import mapped_file
from headstart.storage.shards.names import SUFFIX, last_of, new_name, set_of

if TYPE_CHECKING:
    import pyarrow as pa

SHARDS = "features"
"""What the keys of shards begin with; the rest is a shard's name."""
REMEMBERED = 30.0
"""Seconds for which it is remembered that an object is there: to ask costs as much as to read."""
WITH_COPY = 20
"""Times as long where there is a copy on this machine that was found right."""
TRIES = 3
"""Times that a shard is fetched whose bytes are not those that its name says."""
DEPTH = 2
"""Separators in the name of what lies in a set."""
LANES = 8
"""Requests at once."""
T = TypeVar("T")
BY_CONTENT = re.compile(r"([0-9a-f]{64})-[0-9a-f]+\.h5")


class ObjectStore:
    """Shards in a bucket. The name of a shard is its key below `features/`.

    An object appears as a whole or not at all, so nothing unfinished is ever listed. A shard is one
    PUT that the store refuses where the key is taken. Whoever deletes and reads needs no order:
    a read that is under way gives the object's own bytes, or `FileNotFoundError`.

    What comes over a network is checked each time it comes (`is_far`), whole shards by the sha256
    in their name, and ranges by who reads them. Whole shards are kept on this machine
    (`storage.objects.local_copies`); which are fetched as a whole is for `Outlay` to say.

    Args:
        bucket: where they are.
        holds: by which sets are held among machines.
        copies: whole shards on this machine.
        indexes: folder of this machine for index files.
        remembered: seconds for which it is not asked again whether an object is there.
    """

    is_far = True

    def __init__(
        self,
        bucket: Bucket,
        holds: Holds,
        copies: LocalCopies,
        indexes: Path,
        remembered: float = REMEMBERED,
    ) -> None:
        self.bucket = bucket
        self._holds = holds
        self._copies = copies
        self._indexes = indexes
        self._remembered = remembered
        self._marks: dict[str, tuple[Stat, float]] = {}
        self._listed = set[str]()
        self._fetching: dict[str, Future[memoryview]] = {}
        self._lock = threading.Lock()
        self._lanes: ThreadPoolExecutor | None = None
        self.outlay = Outlay(copies.quota)

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[object, ...]]:
        """Another process opens its own."""
        given = (self.bucket, self._holds, self._copies, self._indexes, self._remembered)
        return ObjectStore, given

    @property
    def lanes(self) -> ThreadPoolExecutor:
        """Threads that wait for the network."""
        with self._lock:
            if self._lanes is None:
                self._lanes = ThreadPoolExecutor(LANES, thread_name_prefix="headstart-bucket")
            return self._lanes

    def create(self, feature_key: str, content: memoryview, token: str) -> Created:
        """See `ShardStore.create`; a copy is kept here, as who has made it may read it soon."""
        sha256 = hashlib.sha256(content).hexdigest()
        name = new_name(feature_key, sha256, token)
        self._remember(name, self.bucket.create(_key(name), content))
        self._copies.keep(sha256, content)
        return Created(name, sha256)

    def read(self, name: str) -> bytes:
        """See `ShardStore.read`; bytes that are not those of its name are asked for again."""
        _key(name)
        path, sha256 = self.local_copy(name), sha256_of(name)
        if path is not None and sha256 is not None:
            content = _content_of(path)
            if hashlib.sha256(content).hexdigest() == sha256:
                self._refuse_missing(name)
                return content
            self._copies.forget(sha256)
        return bytes(self.fetch(name))

    def _refuse_missing(self, name: str) -> None:
        if not self.stat_of(name):
            raise FileNotFoundError(2, "No such shard", self.place_of(name))

    def fetch(self, name: str) -> memoryview:
        """All bytes of a shard from afar, kept here if they are right; once, if several threads ask
        for it at the same time.

        Raises:
            FileNotFoundError, StorageError: see `ShardStore`.
        """
        with self._lock:
            mine = Future[memoryview]()
            coming = self._fetching.setdefault(name, mine)
        if coming is not mine:
            return coming.result()
        try:
            mine.set_result(self._fetch(name))
        except BaseException as error:
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._fetching[name]
        return mine.result()

    def _fetch(self, name: str) -> memoryview:
        sha256, content = sha256_of(name), memoryview(b"")
        for _ in range(TRIES):
            content = self._from_afar(name, lambda key: self.bucket.get(key))
            if sha256 is None or hashlib.sha256(content).hexdigest() == sha256:
                break
        else:
            return content  # for the caller to judge: it is damaged, or the way to it is
        self.outlay.fetched(name)
        if sha256 is None or self._copies.keep(sha256, content) is None:
            self.outlay.cannot_keep(len(content))
        return content

    def ranges_of(self, name: str, starts: Sequence[int], sizes: Sequence[int]) -> list[memoryview]:
        """Parts of a shard from afar, as they come; errors as `fetch`."""
        return self._from_afar(name, lambda key: self.bucket.get_ranges(key, starts, sizes))

    def _from_afar(self, name: str, ask: Callable[[str], T]) -> T:
        try:
            return ask(_key(name))
        except FileNotFoundError:
            self._remember(name, None)
            raise

    def local_copy(self, name: str, *, hashed: bool = False) -> Path | None:
        """The file of a shard that is kept here; None if it is not, or was deleted in the store."""
        sha256, known = sha256_of(name), self._marks.get(name)
        if sha256 is None or (known is not None and not known[0]):
            return None
        return self._copies.find(sha256, known[0][0] if known else None, hashed=hashed)

    def distrust(self, name: str) -> bool:
        """Told that bytes were not right: a copy here is given up. Asking again may help."""
        sha256 = sha256_of(name)
        if sha256 is not None:
            self._copies.forget(sha256)
        return True

    def expect(self, wanted: Sequence[tuple[str, int, int]]) -> None:
        """See `storage.shard_store.expect`."""
        self.outlay.expect(wanted)

    def reader(self) -> ObjectReader:
        """See `ShardStore.reader`."""
        return ObjectReader(self)

    def mapped(self, name: str) -> pa.Buffer | None:
        """See `ShardStore.mapped`: of a shard that is kept here."""
        path = self.local_copy(name, hashed=True)
        return None if path is None else mapped_file(path)

    def watch(self, name: str) -> None:
        """See `ShardStore.watch`: the mark is remembered, and asks for no file."""

    def stat_of(self, name: str) -> Stat:
        """Size, and a number made of the ETag; how often somebody wrote to the copy here, if so.

        It may be some seconds old: other stores' objects don't change.
        """
        sha256 = sha256_of(name)
        spoilings = 0 if sha256 is None else self._copies.spoilings(sha256)
        mark = self._mark_of(name)
        return (*mark, spoilings) if mark and spoilings else mark

    def _mark_of(self, name: str) -> Stat:
        known = self._marks.get(name)
        if known is not None and time.monotonic() - known[1] < self._lasts(name):
            return known[0]
        key, prefix = _key(name), name.rpartition("/")[0]
        if known is None and prefix and prefix not in self._listed:
            self._list(prefix)  # whoever asks for one first asks for all of its set: one request
            if (known := self._marks.get(name)) is not None:
                return known[0]
        return self._remember(name, self.bucket.find(key))

    def _lasts(self, name: str) -> float:
        """Seconds for which a mark is good: longer, where a copy here is what it was, as it is read
        whatever became of the object."""
        sha256 = sha256_of(name)
        is_intact = sha256 is not None and self._copies.is_intact(sha256)
        return self._remembered * (WITH_COPY if is_intact else 1)

    def size_of(self, name: str) -> int:
        """Bytes.

        Raises:
            FileNotFoundError, StorageError: see `ShardStore`.
        """
        self._refuse_missing(name)
        return self._marks[name][0][0]

    def _remember(self, name: str, found: Found | None) -> Stat:
        mark = () if found is None else (found.size, found.mark)
        self._marks[name] = (mark, time.monotonic())
        return mark

    def _list(self, prefix: str = "") -> list[tuple[str, Found]]:
        """Names and objects below a step of names; what is there is remembered."""
        under = f"{SHARDS}/{prefix}" if prefix else SHARDS
        listed = [(one.key.removeprefix(f"{SHARDS}/"), one) for one in self.bucket.listed(under)]
        for name, found in listed:
            self._remember(name, found)
        self._listed.add(prefix)
        return listed

    def sets(self) -> list[str]:
        """See `ShardStore.sets`."""
        keys = list[str]()
        for outer in self.bucket.folders(SHARDS):
            for inner in self.bucket.folders(outer):
                name = inner.removeprefix(f"{SHARDS}/")
                key = last_of(name)
                if re.fullmatch(r"[0-9a-f]{64}", key) and set_of(key) == name:
                    keys.append(key)
        return sorted(keys)

    def entries(self, feature_key: str | None = None) -> list[Entry]:
        """See `ShardStore.entries`."""
        prefix = "" if feature_key is None else set_of(feature_key)
        found = [
            Entry(name, one.size, "shard" if name.endswith(SUFFIX) else "other")
            for name, one in self._list(prefix)
        ]
        under = f"{SHARDS}/{prefix}" if prefix else SHARDS
        for one in self.bucket.unfinished(under):
            found.append(Entry(one.key.removeprefix(f"{SHARDS}/"), one.size, "unfinished"))
        return sorted(entry for entry in found if entry.name.count("/") == DEPTH)

    def delete(self, name: str) -> None:
        """See `ShardStore.delete`; the copy here goes too."""
        folder, _, last = name.rpartition("/")
        one_below(below(Path(SHARDS), folder), last)  # a person may have put anything beside shards
        self.bucket.delete([f"{SHARDS}/{name}"])
        self._remember(name, None)
        self.distrust(name)

    def tidy(self, feature_key: str) -> None:
        """See `ShardStore.tidy`: the index files of this machine."""
        if not self._list(set_of(feature_key)):
            self.bucket.tidy(f"{SHARDS}/{set_of(feature_key)}")
            folder = self.index_folder(feature_key)
            shutil.rmtree(folder, ignore_errors=True)

    def hold(self, *feature_keys: str) -> Hold:
        """See `ShardStore.hold`."""
        return self._holds.hold(*feature_keys)

    def alone(self, feature_key: str) -> Alone:
        """See `ShardStore.alone`."""
        return self._holds.alone(feature_key)

    def free_bytes(self) -> None:
        """There is no telling."""
        return

    def is_empty(self) -> bool:
        """See `ShardStore.is_empty`."""
        latest = time.monotonic() - self._remembered
        if any(mark and when > latest for mark, when in [*self._marks.values()]):
            return False
        return not self.bucket.folders(SHARDS)

    def place_of(self, name: str = "") -> str:
        """The address."""
        return self.bucket.place_of(f"{SHARDS}/{name}" if name else SHARDS)

    def index_folder(self, feature_key: str) -> Path:
        """A folder of this machine."""
        return below(self._indexes, set_of(feature_key))


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # another process made room meanwhile
        return b""


def _key(name: str) -> str:
    """The key of a shard's object.

    Raises:
        UnsafeName: one step of the name is no plain name.
    """
    for step in name.split("/"):
        checked_name(step)
    return f"{SHARDS}/{name}"


def sha256_of(name: str) -> str | None:
    """The sha256 that a shard's name holds; None of names that earlier versions gave."""
    found = BY_CONTENT.fullmatch(last_of(name))
    return None if found is None else found[1]
