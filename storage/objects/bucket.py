"""One object store, spoken to through obstore: tries again, and says in one line what is wrong."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from headstart.errors import ShardExists, StorageError
from headstart.paths import mirrored_below
from headstart.storage.files import sync_folder
from headstart.storage.objects.address import StoreAddress
from headstart.storage.objects.answers import Answer, answer_of, is_out_of_range
from headstart.storage.objects.connection import CREDENTIALS, open_store
from headstart.storage.objects.leftovers import is_leftover, leftovers

PATIENCE = 90.0
"""Seconds for which a store that does not answer is asked again: it may be away for a minute."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts, twice as many each time."""
KEPT = "What was committed is kept; the same command continues from there."
OWN_PUT = "headstartput"
"""Beside an object: by which PUT it came. Who is told that it exists already sees whether it was
his own, earlier or doubled on the way. Azure takes names of letters alone (C#'s identifiers)."""

PART = 32 << 20
"""Bytes of a large object that are asked for at once."""
REQUEST = 128 << 10
"""What a request costs, in bytes, about: a few milliseconds of a line of some hundred Mbit/s. So
near ranges are one request."""

MD5 = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")
log = logging.getLogger("headstart")


class Found(NamedTuple):
    """An object.

    Attributes:
        key: of it, below the prefix.
        size: bytes.
        mark: a number made of its ETag, which changes with its content.
        modified: when it was put.
    """

    key: str
    size: int
    mark: int
    modified: datetime


class Bucket:
    """The objects below one address; may be used by several threads.

    `FileNotFoundError` is raised where the store itself says that there is no such object;
    everything else that it refuses is a `StorageError`, which says nothing of any object.

    Args:
        address: where they are; credentials, region and endpoint are those of the environment, as
            obstore reads it, and are read when the store is first asked.
        patience: seconds for which it is asked again while it does not answer.
        makes: whether to make a folder that is not there: `init` does; later, it is a disk that is
            not mounted.
    """

    def __init__(
        self, address: StoreAddress, patience: float = PATIENCE, *, makes: bool = False
    ) -> None:
        self._makes = makes
        self.address = address
        self._patience = patience
        self._known: Any = None
        self._process = 0
        self._lock = threading.Lock()
        self._tags_are_md5 = True

    def __reduce__(self) -> tuple[type[Bucket], tuple[StoreAddress, float]]:
        """Another process opens its own."""
        return Bucket, (self.address, self._patience)

    def place_of(self, key: str = "") -> str:
        """Where an object is, for people to read."""
        return f"{self.address}/{key}" if key else str(self.address)

    def create(self, key: str, content: memoryview) -> Found:
        """Put an object under a key that is free: one PUT, which the store refuses otherwise.

        Raises:
            ShardExists: another's is there; it was not touched.
            StorageError: nobody knows whether it is there.
        """
        own, was_lost = secrets.token_hex(16), False
        attributes = None if self.address.is_folder else {OWN_PUT: own}

        def attempt(store: Any) -> Found:
            nonlocal was_lost
            try:
                put = store.put(
                    key, content, mode="create", use_multipart=False, attributes=attributes
                )
                self._sync(key)
                self._compare(store, key, content, put["e_tag"] or "")
                return Found(key, len(content), _mark_of(put), datetime.now().astimezone())
            except _errors().AlreadyExistsError:
                return self._own(store, key, content, own, was_lost)
            except Exception:
                was_lost = True  # it may have come to its place all the same
                raise

        return self._asked(key, attempt)

    def _compare(self, store: Any, key: str, content: memoryview, tag: str) -> None:
        """See that what the store has is what it was sent, where its ETag is an MD5, as S3's is of
        what is not encrypted by a key of its user's: a server may take a content whose signature
        is not right. Where ETags are something else, what is there is read once, and never again.

        Raises:
            GenericError: it is not; it is gone again.
        """
        told = MD5.fullmatch(tag.strip('"'))
        if not self._tags_are_md5 or told is None:
            return
        if told[0] == hashlib.md5(content, usedforsecurity=False).hexdigest():
            return
        there = hashlib.sha256(memoryview(store.get(key).bytes())).digest()
        if there == hashlib.sha256(content).digest():
            self._tags_are_md5 = False
            return
        store.delete(key)
        raise _errors().GenericError("Body was changed on the way")

    def _own(self, store: Any, key: str, content: memoryview, own: str, was_lost: bool) -> Found:
        """What is there already, if it came by a PUT of ours whose answer was lost; one that came
        so and was changed on the way is nobody's, and makes room.

        Raises:
            ShardExists: it did not.
            GenericError: it was changed.
        """
        given = store.get(key)
        by = given.attributes.get(OWN_PUT)
        there = hashlib.sha256(memoryview(given.bytes())).digest()
        is_same = there == hashlib.sha256(content).digest()
        if is_same and (by == own or (by is None and was_lost)):
            return _found(given.meta)
        if by == own:
            store.delete(key)
            raise _errors().GenericError("Body was changed on the way")
        taken = f"{self.place_of(key)} is there already"
        raise ShardExists(taken, hint="Objects are written once; it was not touched.")

    def put(self, key: str, content: memoryview | bytes | Path) -> None:
        """Put an object whatever is there: of a name that says what is in it.

        Raises:
            StorageError: nobody knows whether it is there.
        """

        def attempt(store: Any) -> None:
            store.put(key, content)
            self._sync(key)

        self._asked(key, attempt)

    def _sync(self, key: str) -> None:
        """Have what was put into a folder on the disk, with the folders above, which may be new: a
        row that names it is. Other stores answer when it is safe."""
        if not self.address.is_folder:
            return
        path = self._file_of(key)
        folders = [*path.parents][: key.count("/") + 1]
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        for folder in folders:
            sync_folder(folder)

    def _file_of(self, key: str) -> Path:
        """Of a store that is a folder."""
        return mirrored_below(Path(self.address.bucket), key)

    def get(self, key: str) -> memoryview:
        """All of an object.

        Raises:
            FileNotFoundError: there is none, surely.
            StorageError: it is not given now.
        """

        def attempt(store: Any) -> memoryview:
            given = store.get(key)
            content = memoryview(given.bytes())
            if len(content) != given.meta["size"]:
                raise _errors().GenericError(f"Body of {len(content)} bytes")
            return content

        return self._asked(key, attempt)

    def chunks(self, key: str) -> Iterator[memoryview]:
        """All of an object, some at a time, for one that is large; errors as `get`.

        One that is put anew meanwhile comes in parts of both: hash it.
        """
        found = self.find(key)
        if found is None:
            raise FileNotFoundError(2, "No such object", self.place_of(key))
        size = found.size
        starts = range(0, size, PART)
        return (self.get_ranges(key, [at], [min(PART, size - at)])[0] for at in starts)

    def get_ranges(self, key: str, starts: Sequence[int], sizes: Sequence[int]) -> list[memoryview]:
        """Parts of an object, each shorter where the object ends before; errors as `get`."""

        def attempt(store: Any) -> list[memoryview]:
            return [*map(memoryview, store.get_ranges(key, starts=starts, lengths=sizes))]

        try:
            return self._asked(key, attempt)
        except _OutOfRange:
            if len(starts) == 1:
                return [memoryview(b"")]
            pairs = zip(starts, sizes, strict=True)
            return [self.get_ranges(key, [start], [size])[0] for start, size in pairs]

    def find(self, key: str) -> Found | None:
        """What is known of an object without its content; None if there is none, surely."""
        try:
            return self._asked(key, lambda store: _found(store.head(key)))
        except FileNotFoundError:
            return None

    def listed(self, prefix: str) -> list[Found]:
        """All objects below a folder, sorted by key."""

        def attempt(store: Any) -> list[Found]:
            return [_found(one) for block in store.list(prefix) for one in block]

        return sorted(self._asked(prefix, attempt, is_listing=True))

    def unfinished(self, prefix: str) -> list[Found]:
        """What killed writers left below a folder, where objects are files; `delete` takes it."""
        if not self.address.is_folder:
            return []
        root = Path(self.address.bucket)
        found = self._asked(prefix, lambda _: [*leftovers(root, prefix)], is_listing=True)
        return [Found(key, size, 0, at) for key, size, at in found]

    def folders(self, prefix: str) -> list[str]:
        """The keys of the folders in a folder, sorted."""

        def attempt(store: Any) -> list[str]:
            return sorted(store.list_with_delimiter(prefix or None)["common_prefixes"])

        return self._asked(prefix, attempt, is_listing=True)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; nothing happens to those that are gone.

        Raises:
            StorageError: one may still be there.
        """
        for key in keys:
            try:
                self._asked(key, lambda store, key=key: self._delete(store, key))
            except FileNotFoundError:
                continue

    def _delete(self, store: Any, key: str) -> None:
        if self.address.is_folder and is_leftover(key):
            self._file_of(key).unlink(missing_ok=True)
        else:
            store.delete(key)

    def tidy(self, prefix: str) -> None:
        """Remove an empty folder, where folders are more than parts of keys."""
        if self.address.is_folder:
            with suppress(OSError):  # it holds something, or is gone
                self._file_of(prefix).rmdir()

    def _asked(self, key: str, attempt: Callable[[Any], T], *, is_listing: bool = False) -> T:
        """What `attempt` gives, made again while the store does not answer."""
        first, pause = 0.0, FIRST_PAUSE
        while True:
            try:
                return attempt(self._opened())
            except StorageError:
                raise
            except Exception as error:  # obstore's, which derive from Exception and no other
                answer = self._judged(error, key, is_listing)
                if not self._may_pass(answer):
                    raise self._refusal(answer, key) from error
                now = time.monotonic()
                first = first or self._told(answer, now)
                if now - first + pause > self._patience:
                    raise self._refusal(answer, key) from error
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, LONGEST_PAUSE)

    def _told(self, answer: Answer, now: float) -> float:
        log.warning("%s: %s; trying again for %.0f s", self.address, answer.said, self._patience)
        return now

    def _judged(self, error: Exception, key: str, is_listing: bool) -> Answer:
        """What an error says, if it is one that a store can raise.

        Raises:
            FileNotFoundError: there is no such object, surely.
            _OutOfRange: a range begins behind its end.
        """
        theirs = _errors()
        if not isinstance(error, theirs.BaseError | OSError | ValueError | NotImplementedError):
            raise error
        if is_out_of_range(error):
            raise _OutOfRange from error
        answer = answer_of(error)
        if not is_listing:
            answer = self._in_words(answer, key)
            if answer.is_surely_missing:
                raise FileNotFoundError(2, "No such object", self.place_of(key)) from error
        return answer

    def _in_words(self, answer: Answer, key: str) -> Answer:
        """A HEAD is answered by a number alone: whether it is the object that is missing or the
        bucket, and what is wrong with the credentials, is asked for by a GET."""
        if answer.code or answer.number not in (400, 403, 404):
            return answer
        try:
            self._opened().get_range(key, start=0, length=1)
        except (_errors().BaseError, OSError, ValueError) as error:
            return answer_of(error)
        return answer  # it came just now

    def _may_pass(self, answer: Answer) -> bool:
        if self.address.is_folder:
            return False
        return answer.why == "busy" or (answer.why == "other" and not answer.number)

    def _refusal(self, answer: Answer, key: str) -> StorageError:
        place, said = self.place_of(key), answer.said
        credentials = f"{CREDENTIALS[self.address.scheme]}. {KEPT}"
        what, hint = {
            "no bucket": (f"there is no such bucket ({said})", f"Check its name. {KEPT}"),
            "no credentials": ("no credentials were found", credentials),
            "credentials": (f"the credentials are not taken ({said})", credentials),
            "forbidden": (f"it is not allowed to these credentials ({said})", credentials),
            "region": (f"the bucket lies in another region ({said})", f"Set AWS_REGION. {KEPT}"),
            "busy": (f"the store cannot answer now ({said})", f"Try again later. {KEPT}"),
            "missing": (
                f"something that is no store answers ({said})",
                f"Check the endpoint in the environment. {KEPT}",
            ),
            "other": (
                f"the store refuses ({said})" if answer.number else f"no answer ({said})",
                f"Check the address, the endpoint in the environment, and the network. {KEPT}",
            ),
        }[answer.why]
        return StorageError(f"{place}: {what}", hint=hint)

    def _opened(self) -> Any:
        with self._lock:
            if self._known is None:
                self._known = open_store(self.address, makes=self._makes)
                self._process = os.getpid()
            if self._process != os.getpid():  # the library's threads are not in it: it would wait
                raise StorageError(
                    f"{self.address} cannot be read by a process that was forked off a reader",
                    hint="Start processes by spawn, such as multiprocessing.get_context('spawn').",
                )
            return self._known


class _OutOfRange(Exception):
    """A range begins behind the end of its object."""


def _errors() -> Any:
    import obstore.exceptions as theirs

    return theirs


def _found(meta: Any) -> Found:
    return Found(meta["path"], meta["size"], _mark_of(meta), meta["last_modified"])


def _mark_of(meta: Any) -> int:
    """A number made of an ETag, as it stands in answers of all kinds, with and without quotes."""
    tag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    return int.from_bytes(hashlib.sha256(tag.encode()).digest()[:7])
