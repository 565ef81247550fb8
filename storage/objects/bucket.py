"""One object store, spoken to through obstore: tries again, and says in one line what is wrong."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from headstart.errors import ShardExists, StorageError, first_line
from headstart.paths import mirrored_below
from headstart.storage.objects.address import StoreAddress
from headstart.storage.objects.answers import Answer, answer_of, is_out_of_range

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

PATIENCE = 90.0
"""Seconds for which a store that does not answer is asked again: it may be away for a minute."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts, twice as many each time."""
CLIENT: ClientConfig = {"connect_timeout": "10s", "read_timeout": "30s", "timeout": "10m"}
RETRY: RetryConfig = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}
"""Of one attempt, by obstore itself."""
ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""By what in the environment a store of one's own is named."""
CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN, AWS_REGION)",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "file": "Let this user read and write the folder",
}
KEPT = "What was committed is kept; the same command goes on from there."
OWN_PUT = "headstart-put"
"""Beside an object: by which PUT it came. Who is told that it exists already sees whether it was
his own, earlier or doubled on the way."""

PART = 32 << 20
"""Bytes of a large object that are asked for at once."""
REQUEST = 128 << 10
"""What a request costs, in bytes, about: a few milliseconds of a line of some hundred Mbit/s. So
near ranges are one request."""

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
    """

    def __init__(self, address: StoreAddress, patience: float = PATIENCE) -> None:
        self.address = address
        self._patience = patience
        self._known: Any = None
        self._process = 0
        self._lock = threading.Lock()

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
                return Found(key, len(content), _mark_of(put), datetime.now().astimezone())
            except _errors().AlreadyExistsError:
                return self._own(store, key, content, own, was_lost)
            except Exception:
                was_lost = True  # it may have come to its place all the same
                raise

        return self._asked(key, attempt)

    def _own(self, store: Any, key: str, content: memoryview, own: str, was_lost: bool) -> Found:
        """What is there already, if it came by a PUT of ours whose answer was lost.

        Raises:
            ShardExists: it did not, or is something else.
        """
        given = store.get(key)
        by = given.attributes.get(OWN_PUT)
        is_ours = by == own or (by is None and was_lost)
        if is_ours and given.meta["size"] == len(content):
            there = hashlib.sha256(memoryview(given.bytes())).digest()
            if there == hashlib.sha256(content).digest():
                return _found(given.meta)
        raise ShardExists(
            f"{self.place_of(key)} is there already",
            hint="Objects are written once; it was not touched.",
        )

    def put(self, key: str, content: memoryview | bytes | Path) -> None:
        """Put an object whatever is there: of a name that says what is in it.

        Raises:
            StorageError: nobody knows whether it is there.
        """
        self._asked(key, lambda store: store.put(key, content))

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
                self._asked(key, lambda store, key=key: store.delete(key))
            except FileNotFoundError:
                continue

    def tidy(self, prefix: str) -> None:
        """Remove an empty folder, where folders are more than parts of keys."""
        if self.address.is_folder:
            with suppress(OSError):  # it holds something, or is gone
                mirrored_below(Path(self.address.bucket), prefix).rmdir()

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
        place, why = self.place_of(), answer.said
        log.warning("%s: %s; trying again for %.0f s", place, why, self._patience)
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
            if self._known is None or self._process != os.getpid():
                self._known, self._process = _open(self.address), os.getpid()
            return self._known


class _OutOfRange(Exception):
    """A range begins behind the end of its object."""


def _errors() -> Any:
    import obstore.exceptions as theirs

    return theirs


def _open(address: StoreAddress) -> Any:
    """A store of obstore.

    Raises:
        StorageError: obstore is not here, or cannot make one of what the environment says.
    """
    try:
        from obstore import store as stores
    except ImportError as error:
        raise StorageError(
            f"{address} cannot be opened: obstore is not installed",
            hint="pip install 'headstart[cloud]'",
        ) from error
    kinds: dict[str, Any] = {
        "s3": stores.S3Store,
        "gs": stores.GCSStore,
        "az": stores.AzureStore,
    }
    try:
        if address.is_folder:
            return stores.LocalStore(address.bucket, mkdir=True)
        return kinds[address.scheme](
            address.bucket,
            prefix=address.prefix or None,
            client_options={**CLIENT, **_plain_http(address)},
            retry_config=RETRY,
        )
    except (_errors().BaseError, ValueError, OSError) as error:
        raise StorageError(
            f"{address} cannot be opened ({first_line(error)[:300]})",
            hint=f"{CREDENTIALS[address.scheme]}.",
        ) from error


def _plain_http(address: StoreAddress) -> ClientConfig:
    """Plain http is allowed where the user named an endpoint of his own by it."""
    named = (os.environ.get(name, "") for name in ENDPOINTS.get(address.scheme, ()))
    return {"allow_http": True} if any(one.startswith("http://") for one in named) else {}


def _found(meta: Any) -> Found:
    return Found(meta["path"], meta["size"], _mark_of(meta), meta["last_modified"])


def _mark_of(meta: Any) -> int:
    """A number made of an ETag, as it stands in answers of all kinds, with and without quotes."""
    tag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    return int.from_bytes(hashlib.sha256(tag.encode()).digest()[:7])
