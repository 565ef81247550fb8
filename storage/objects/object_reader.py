"""Ranges of shards that lie afar: from the copy here, or fetched ahead while others are used."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

from headstart.storage.objects.outlay import Outlay

AHEAD = 128 << 20
"""Bytes that are on their way, or have come and were not used yet: about two whole shards."""
TOGETHER = 8 << 20
"""Bytes of ranges that are asked for at once, at most; neighbours among them are one request."""


class Afar(Protocol):
    """What a reader needs of its store; see `storage.objects.object_store.ObjectStore`."""

    outlay: Outlay

    @property
    def lanes(self) -> ThreadPoolExecutor: ...

    def local_copy(self, name: str, *, hashed: bool = False) -> Path | None: ...

    def size_of(self, name: str) -> int: ...

    def fetch(self, name: str) -> memoryview: ...

    def ranges_of(
        self, name: str, starts: Sequence[int], sizes: Sequence[int]
    ) -> list[memoryview]: ...


class Range(NamedTuple):
    """A part of a shard: its name, the first byte, and how many."""

    name: str
    offset: int
    size: int


class Whole(NamedTuple):
    """All of a shard: its name, and its bytes."""

    name: str
    size: int


class ObjectReader:
    """See `storage.shard_store.ShardReader`.

    Args:
        store: whose shards.
    """

    def __init__(self, store: Afar) -> None:
        self._store = store
        self._tasks = deque[Whole | tuple[Range, ...]]()
        self._wholes: dict[str, tuple[Whole, Future[None]]] = {}
        self._coming: dict[Range, Future[dict[Range, memoryview]]] = {}
        self._on_the_way = 0
        self._name: str | None = None
        self._file: FileIO | None = None

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(self, *_error: object) -> None:
        self._tasks.clear()
        for future in (*self._coming.values(), *(coming for _, coming in self._wholes.values())):
            future.cancel()
        self._wholes.clear()
        self._coming.clear()
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def announce(self, ranges: Sequence[tuple[str, int, int]]) -> None:
        """See `storage.shard_store.announce`: they are fetched from now on, some at a time."""
        wanted = [Range(*one) for one in ranges]
        for name, own in groupby(wanted, lambda one: one.name):
            parts = list(own)
            with suppress(FileNotFoundError):  # whoever reads it is told
                self._plan(name, parts)
            self._store.outlay.used(name, sum(part.size for part in parts))
        self._go_on()

    def _plan(self, name: str, parts: Sequence[Range]) -> None:
        """How ranges of one shard are fetched; nothing is to be done where it is here."""
        store = self._store
        if store.local_copy(name) is not None:
            return
        if store.outlay.is_whole(name, [part.size for part in parts], store.size_of(name)):
            self._tasks.append(Whole(name, store.size_of(name)))
        else:
            self._tasks.extend(_together(parts))

    def _go_on(self) -> None:
        while self._tasks and self._on_the_way < AHEAD:
            task = self._tasks.popleft()
            if isinstance(task, Whole):
                self._wholes[task.name] = task, self._store.lanes.submit(self._fetch_whole, task)
                self._on_the_way += task.size
                continue
            coming = self._store.lanes.submit(self._fetch, task)
            for one in task:
                self._coming[one] = coming
                self._on_the_way += one.size

    def _fetch_whole(self, task: Whole) -> None:
        self._store.fetch(task.name)

    def _fetch(self, task: tuple[Range, ...]) -> dict[Range, memoryview]:
        starts, sizes = [one.offset for one in task], [one.size for one in task]
        found = self._store.ranges_of(task[0].name, starts, sizes)
        return dict(zip(task, found, strict=True))

    def read_into(self, name: str, offset: int, parts: Sequence[memoryview]) -> int:
        """See `ShardReader.read_into`."""
        size = sum(map(len, parts))
        coming = self._coming.pop(Range(name, offset, size), None)
        if coming is not None:
            self._on_the_way -= size
            content = coming.result()[Range(name, offset, size)]
            self._go_on()
        else:
            content = self._now(name, offset, size)
        return _filled(parts, content)

    def _now(self, name: str, offset: int, size: int) -> memoryview:
        """A range that nobody announced, or of a shard that comes as a whole, or that was not right
        when it came."""
        if name in self._wholes:
            task, coming = self._wholes.pop(name)
            self._on_the_way -= task.size
            coming.result()
            self._go_on()
        file = self._opened(name, [size])
        if file is None:
            return self._store.ranges_of(name, [offset], [size])[0]
        file.seek(offset)
        return memoryview(file.read(size))

    def read_each(self, name: str, offsets: Sequence[int], parts: Sequence[memoryview]) -> int:
        """See `ShardReader.read_each`."""
        if self._opened(name, [len(part) for part in parts]) is not None:
            return sum(
                self.read_into(name, offset, [part])
                for offset, part in zip(offsets, parts, strict=True)
            )
        found = self._store.ranges_of(name, offsets, [len(part) for part in parts])
        return sum(_filled([part], one) for part, one in zip(parts, found, strict=True))

    def _opened(self, name: str, sizes: Sequence[int]) -> FileIO | None:
        """The copy of a shard here, which is fetched if that costs less than the ranges; None where
        there is none."""
        if self._file is not None and self._name == name and _is_there(self._file):
            return self._file
        self._close()
        store = self._store
        path = store.local_copy(name)
        if path is None and store.outlay.is_whole(name, sizes, store.size_of(name)):
            store.fetch(name)
            path = store.local_copy(name)
        try:
            self._file = None if path is None else FileIO(path)
        except OSError:  # another process made room meanwhile
            self._file = None
        self._name = name
        return self._file


def _is_there(file: FileIO) -> bool:
    """Whether a file still has its name: it was neither given up, nor did it make room."""
    return os.fstat(file.fileno()).st_nlink > 0


def _together(parts: Sequence[Range]) -> Iterator[tuple[Range, ...]]:
    """Ranges of one shard in groups of about `TOGETHER` bytes."""
    gathered, size = list[Range](), 0
    for part in parts:
        if gathered and size + part.size > TOGETHER:
            yield tuple(gathered)
            gathered, size = [], 0
        gathered.append(part)
        size += part.size
    if gathered:
        yield tuple(gathered)


def _filled(parts: Sequence[memoryview], content: memoryview) -> int:
    got = 0
    for part in parts:
        found = content[got : got + len(part)]
        part[: len(found)] = found
        got += len(found)
    return got
