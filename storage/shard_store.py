"""The seam where shards are kept: files of this machine today (`storage.local_store`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:  # it starts a thread, and a process that has more than one cannot be confined
    import pyarrow as pa

Stat = tuple[int, ...]


class Created(NamedTuple):
    """A shard that was put: its name and the sha256 of its bytes, in hex."""

    name: str
    sha256: str


class Entry(NamedTuple):
    """What lies in a feature set.

    Attributes:
        name: as the other methods take it.
        size: bytes.
        kind: `shard`; `unfinished`, of a writer that is at work or has died; or `other`, which no
            row names and which goes with its set (the index files of a local store, say).
    """

    name: str
    size: int
    kind: Literal["shard", "unfinished", "other"]


class Hold(Protocol):
    """Feature sets that are kept from being collected, until `release` or the object's end."""

    def release(self) -> object:
        """End the hold; a second time nothing happens."""
        ...

    def confirm(self) -> None:
        """See that it did not end by itself, as part of the transaction that relies on it.

        A hold need not have it: one that lasts as long as its process has nothing to confirm.

        Raises:
            LeaseLost: it ran out; somebody may have had the sets alone since.
        """

    def __enter__(self) -> Hold: ...

    def __exit__(self, *_error: object) -> None: ...


def confirmation(hold: Hold | Alone) -> Callable[[], object] | None:
    """Its `confirm`; None of one that cannot end before its process."""
    return getattr(hold, "confirm", None)


class Alone(Protocol):
    """The only hold on a feature set, for the length of a block.

    Attributes:
        is_held: whether it could be had; False where others hold the set, or nobody can know.
    """

    is_held: bool

    def __enter__(self) -> Alone: ...

    def __exit__(self, *_error: object) -> None: ...


class Holds(Protocol):
    """What can be held by name, feature sets among it; see `ShardStore.hold` and `alone`.

    Locks on files of one machine (`storage.locks.FileHolds`), or rows of a database that several
    machines share (`registry.holds.SqlHolds`).
    """

    def hold(self, *keys: str) -> Hold: ...

    def alone(self, key: str) -> Alone: ...


class ShardReader(Protocol):
    """Ranges of shards for the length of one read, which one thread makes from chunk to chunk.

    At most one shard is open at a time: whoever asks goes through a shard before the next one.
    """

    def __enter__(self) -> ShardReader: ...

    def __exit__(self, *_error: object) -> None: ...

    def read_into(self, name: str, offset: int, parts: Sequence[memoryview]) -> int:
        """Fill the parts, one after the other, with a shard's bytes from `offset` on.

        Returns:
            How many there were: fewer than asked for where the shard ends before.

        Raises:
            FileNotFoundError, OSError, StorageError: as `ShardStore.read`.
        """
        ...

    def read_each(self, name: str, offsets: Sequence[int], parts: Sequence[memoryview]) -> int:
        """Fill each part with a shard's bytes from its own offset on; of one shard and many ranges.

        A reader need not have it: without it `read_into` is called for each.

        Returns:
            How many bytes there were in all.

        Raises:
            FileNotFoundError, OSError, StorageError: as `ShardStore.read`.
        """
        return sum(
            self.read_into(name, offset, [part])
            for offset, part in zip(offsets, parts, strict=True)
        )


def read_each(
    reader: ShardReader, name: str, offsets: Sequence[int], parts: Sequence[memoryview]
) -> int:
    """`ShardReader.read_each`, of readers as well that know nothing of it: of stores that were
    written before there was any."""
    own = getattr(reader, "read_each", None)
    if own is None:
        return ShardReader.read_each(reader, name, offsets, parts)
    return own(name, offsets, parts)


def mapped(store: ShardStore, name: str) -> pa.Buffer | None:
    """`ShardStore.mapped`; None of stores that know nothing of it."""
    own = getattr(store, "mapped", None)
    return None if own is None else own(name)


def watch(store: ShardStore, name: str) -> Callable[[], Stat]:
    """`ShardStore.watch`; what asks `stat_of` where a store has none."""
    own = getattr(store, "watch", None)
    found = None if own is None else own(name)
    return partial(store.stat_of, name) if found is None else found


def is_far(store: ShardStore) -> bool:
    """Whether shards come over a network, so that bytes are checked each time they come: that they
    were right once says nothing of the next time. A store has `is_far`, or is near."""
    return getattr(store, "is_far", False)


def distrust(store: ShardStore, name: str) -> bool:
    """Tell a store that bytes of a shard were not what was committed.

    Returns:
        Whether to ask again: it may have read a copy, or they were changed on the way. Stores
        without `distrust` give what lies there.
    """
    own = getattr(store, "distrust", None)
    return own is not None and own(name)


def announce(reader: ShardReader, ranges: Sequence[tuple[str, int, int]]) -> None:
    """Tell a reader which ranges are read next, in this order: name, offset, bytes. It may fetch
    them ahead; one without `announce` takes no notice."""
    own = getattr(reader, "announce", None)
    if own is not None:
        own(ranges)


def expect(store: ShardStore, wanted: Sequence[tuple[str, int, int]]) -> None:
    """Tell a store what a pass over many shards is going to read: name, bytes, and the size of the
    shard. It may choose by that what it fetches; one without `expect` takes no notice."""
    own = getattr(store, "expect", None)
    if own is not None:
        own(wanted)


class ShardStore(Protocol):
    """Keeps shards: bytes that are written once, under names that SQL rows hold.

    Names are those of `storage.shards.names`. A name that comes from a row or a file and is none
    of a store's own is refused with `UnsafeName`, before anything is read or written by it. Only
    a store knows what lies behind a name (a path, a key in a bucket); everything else speaks to it
    by names, and shows people what `place_of` says.

    What the store keeps is not what counts: a shard counts through its row in SQL, which is
    inserted when `create` has returned. So the store need not be transactional. A crash may leave
    a shard without a row, or something unfinished: both are listed, nobody reads them, and
    `features gc` deletes them.

    **A shard never changes.** It is there as a whole or not at all, whoever looks and whenever its
    writer dies. A second `create` of a name is refused, of several at once all but one; a name
    that was deleted is never used again, as its token is new each time.

    **Who calls, and from where.** Any method may be called from any thread, and by several
    processes at once: an extraction commits from one thread while others look for rows; readers
    use a `ShardReader` for each thread of a read. `create` is called by extractions, imports and
    compaction while they hold the set; `delete` and `tidy` by `features gc` while it has the set
    alone, and by a writer that takes back its own shard, which no row names. So a shard is deleted
    under a reader only where holds don't reach (a process that was stopped for longer than they
    last, a person with `rm`): such a read gives the shard's own bytes, or `FileNotFoundError`,
    never others.

    **Errors.** `FileNotFoundError`: no such shard, surely. Another `OSError`: this one shard
    cannot be read; it counts as damaged, is put aside, and its rows are computed again.
    `StorageError`: the store cannot do it now (full, read-only, away, no permission); nothing is
    concluded about any shard, and the same call may succeed later. A store that cannot tell
    "no such shard" from "I am away" raises `StorageError`.

    Everything but `create` may be repeated at will: `delete` of what is missing is no error.
    """

    def create(self, feature_key: str, content: memoryview, token: str) -> Created:
        """Put a whole shard under the name that its set, its sha256 and the token make.

        It is durable when this returns: it survives a power cut. The content is hashed while it is
        written, and is not looked at after this returned.

        Raises:
            ShardExists: the name is taken; the shard that has it was not touched. A store that
                tries again by itself (a PUT that timed out) must know its own earlier try.
            StorageError: it could not be written, or nobody knows whether it is durable. What is
                left of it is listed, and `delete` takes it away; whoever tries again draws
                another token.
        """
        ...

    def read(self, name: str) -> bytes:
        """All bytes of a shard, as they are; whether they are right is for the caller to check.

        Raises:
            FileNotFoundError, OSError, StorageError: see above.
        """
        ...

    def reader(self) -> ShardReader:
        """Opens nothing until it is asked for bytes."""
        ...

    def mapped(self, name: str) -> pa.Buffer | None:
        """All bytes of a shard, mapped, so that rows are read from where they lie.

        A store need not have it. What it gives is that shard as long as somebody has it, also when
        it was deleted meanwhile. None where it cannot be mapped.
        """
        return None

    def watch(self, name: str) -> Callable[[], Stat] | None:
        """What gives `stat_of` a shard again and again, or other numbers once somebody has written
        to it, put another in its place or deleted it: for a shard that is mapped.

        A store need not have it. None where it has no way that is quicker than `stat_of`.
        """
        return None

    def stat_of(self, name: str) -> Stat:
        """Numbers that are others when somebody has written to the shard, size first.

        Empty if it is missing. A store that is far may remember them for some seconds, as what it
        gives is checked each time. It is asked for each shard whenever an index is opened, so it
        must be cheap, and must not read the shard. The numbers are kept in index files and compared
        with those of later processes on this machine.
        """
        ...

    def sets(self) -> list[str]:
        """The feature keys under which something lies, sorted."""
        ...

    def entries(self, feature_key: str | None = None) -> list[Entry]:
        """What lies in a feature set; in all of the store without a key. Sorted by name.

        A shard whose `create` returned before this was called, and that nobody deletes, is in it.
        Without a key, shards that lie where they don't belong are listed as well.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete what `entries` showed or `create` made; nothing happens if it is gone.

        Raises:
            StorageError: it is still there.
        """
        ...

    def tidy(self, feature_key: str) -> None:
        """If nothing lies in the set any more, what the store keeps for it besides goes too.

        An empty folder, an index cache. The caller has the set alone.

        Raises:
            StorageError: something of it is still there.
        """
        ...

    def hold(self, *feature_keys: str) -> Hold:
        """Keep sets from being collected; any number of threads and processes may at once.

        It waits while somebody has one of them alone (which takes as long as deleting does), and
        never for other holds. A hold ends with its process at the latest, however that ends. Where
        a store cannot hold (read-only media, file systems without locks), `alone` must fail
        instead.
        """
        ...

    def alone(self, feature_key: str) -> Alone:
        """Have a set to oneself, if nobody holds it now; never waits."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that can still be written; None where there is no telling."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing lies in it at all, or it is not there: a disk that is not mounted.

        Asked before shards that rows name are concluded to be missing.
        """
        ...

    def place_of(self, name: str = "") -> str:
        """Where a shard is, or the whole store, for people to read; it need not exist."""
        ...

    def index_folder(self, feature_key: str) -> Path:
        """A folder of this machine for the set's index files; made by who writes there first.

        The index is no part of what is stored: it is made of shards and rows, each process may
        write it anew at any moment, it is mapped into memory, and the marks in it (`stat_of`) are
        those of this machine. So it never goes over the network, two machines never share it
        unless they share the folder, and losing it costs only time. A store of local files gives
        the set's own folder, where index files have always been, so that they are found again and
        go with the set; another store gives a folder of the machine's cache, and removes it in
        `tidy`.
        """
        ...
