"""Objects of stores and servers, read through obstore: bounded in time, size and by a root."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

from headstart.errors import (
    DatasetError,
    HeadstartError,
    SampleChanged,
    SampleUnreadable,
    first_line,
)
from headstart.extractors.datasets.remote.addresses import (
    Address,
    is_address,
    parse,
    root_address,
)
from headstart.extractors.datasets.remote.bodies import BrokenOff, Part, Undivided, chunks_of
from headstart.extractors.datasets.remote.refusals import refusal, takes_no_head, without_library
from headstart.extractors.datasets.remote.room import Share, share_here
from headstart.extractors.datasets.source import Options
from headstart.progress import Progress
from headstart.storage.objects.connection import CLIENT, store_of

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

LARGEST_OBJECT = 1 << 30
"""Bytes of a sample or table: a picture of 100 megapixels has 400 MB unpacked."""
LARGEST_LISTING = 10_000_000
"""Objects below one folder."""
PART = 1 << 26
"""Bytes of a file that is copied which are asked for at once: minutes at the slowest, and a body
that breaks off is asked for again from there."""
LATER = "Try again later."
BY_HAND = "download it by other means, and add that file."
TRIES, PAUSE = 3, 0.2
"""Times that a body is asked for which breaks off; seconds between them, twice as many each."""
RETRY: RetryConfig = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=10),
        "base": 2,
    },
}
"""Errors of servers, timeouts and broken connections are tried again so often and so long."""
SETTLED = 60.0
"""Seconds after which a change is sure to show in a time of whole seconds, clocks being off a bit;
before, an object without a strong ETag may be another though size and time are the same."""

T = TypeVar("T")


class Found(NamedTuple):
    """An object of a listing; `stat` is what its change is seen by."""

    key: str
    size: int
    stat: tuple[int, ...]


class Objects:
    """Reads objects for one opened source, from several threads at once.

    Args:
        source: of the dataset, as it was given.
        options: `root` may be an address below which alone is read; `store_options` are handed to
            the stores: `region=eu-central-1`.
    """

    def __init__(self, source: str, options: Options) -> None:
        self._source = source
        self._options = options
        self._stores: dict[tuple[str, ...], Any] = {}
        self._opening = threading.Lock()

    def read(self, address: Address) -> bytes:
        """The content of an object.

        Raises:
            SampleChanged: it is not there.
            SampleUnreadable: it is not given, is too large, or breaks off again and again.
            SourceGone: nothing is given: no connection, credentials or bucket.
            DatasetError: it lies outside of the root, or obstore is not here.
        """
        return self._whole(address, b"".join, share_here())

    def digest(self, address: Address) -> str:
        """The sha256 of its content, which is not held in memory; errors as `read`."""

        def hashed(chunks: Iterator[bytes]) -> str:
            content = hashlib.sha256()
            for chunk in chunks:
                content.update(chunk)
            return content.hexdigest()

        return self._whole(address, hashed)

    def head(self, address: Address, size: int) -> bytes:
        """Its first bytes; errors as `read`."""
        return self._asked(
            address, lambda store, key: bytes(store.get_range(key, start=0, length=size))
        )

    def stat(self, address: Address) -> tuple[int, ...]:
        """By what its change is seen, without its content: size, time, and what stands for a strong
        ETag. Empty where the server does not tell that, but may give the content.

        Raises:
            SampleChanged, SourceGone, DatasetError: as `read`.
        """
        try:
            return _stat_of(self._asked(address, lambda store, key: store.head(key)))
        except SampleUnreadable:
            return ()
        except SampleChanged as error:
            if takes_no_head(error.__cause__):
                return ()
            raise

    def listed(self, address: Address) -> Iterator[Found]:
        """All objects below a folder, at any depth.

        Raises:
            DatasetError: it is on the web, where nothing is listed, or holds too many.
            SourceGone: see `read`.
        """
        self._check_listed(address)
        stream = self._store(address).list(address.key.rstrip("/") or None, chunk_size=1000)
        count = 0
        while (block := self._answer(address, lambda: next(stream, None))) is not None:
            count += len(block)
            _check_count(address, count)
            yield from (Found(one["path"], one["size"], _stat_of(one)) for one in block)

    def inside(self, address: Address) -> tuple[list[Address], list[Found]]:
        """The folders in a folder, and the objects, none that lies deeper; errors as `listed`."""
        self._check_listed(address)
        store, prefix = self._store(address), address.key.rstrip("/") or None
        found = self._answer(address, lambda: store.list_with_delimiter(prefix))
        folders, here = found["common_prefixes"], found["objects"]
        _check_count(address, len(folders) + len(here))
        files = [Found(one["path"], one["size"], _stat_of(one)) for one in here]
        return [address.below(key) for key in folders], files

    def _check_listed(self, address: Address) -> None:
        if address.is_web:
            raise DatasetError(
                f"{address} cannot be listed: the web has no folders",
                hint="Give a table (.csv, .jsonl) of the files' addresses, or a bucket.",
            )
        self.check(address)

    def check(self, address: Address, where: str = "") -> None:
        """See that an address may be read; nothing is asked.

        Raises:
            DatasetError: it lies outside of the root, or is plain http and nobody asked for that.
        """
        at = f"{where}: " if where else ""
        root = root_address(self._options)
        source = parse(self._source) if is_address(self._source) else None
        if address == source:  # whoever runs this named it
            return
        if self._options.get("root") is not None and (root is None or not address.lies_in(root)):
            raise DatasetError(
                f"{at}{address} lies outside of the root {self._options['root']}",
                hint="Nothing outside is read; fix it, or give another --root.",
            )
        named = [one.host for one in (root, source) if one is not None and one.scheme == "http"]
        if address.scheme == "http" and address.host not in named:
            raise DatasetError(
                f"{at}{address} is plain http, which anybody on the way can change",
                hint=f"Write https://, or allow it: --root http://{address.host}/",
            )

    def _answer(self, address: Address, ask: Callable[[], Any]) -> Any:
        """What `ask` gives of a listing, with its errors as ours."""
        import obstore.exceptions as theirs

        try:
            return ask()
        except theirs.InvalidPathError as error:
            raise DatasetError(
                f"{address}: an object's name holds an empty step, '.' or '..' "
                f"({first_line(error)[:300]})",
                hint="Rename it, or add a folder next to it.",
            ) from error
        except (theirs.BaseError, OSError) as error:
            raise refusal(error, address) from error

    def _whole(
        self, address: Address, make: Callable[[Iterator[bytes]], T], share: Share | None = None
    ) -> T:
        """What `make` gives of the chunks of an object, which is read again if it breaks off.

        Args:
            address: of the object.
            make: what is made of its content.
            share: of which room is taken, where `make` holds all of the content.
        """
        return self._again(address, lambda store, key: make(_chunks(store, key, address, share)))

    def copy(
        self,
        address: Address,
        out: BinaryIO,
        begin: Callable[[int], None],
        advance: Progress,
    ) -> tuple[int, ...]:
        """Write the content of an object of any size into a file, in parts of `PART` bytes; as a
        whole where the server gives no parts, and from its beginning again if it breaks off.

        Args:
            address: of the object.
            out: the file, empty.
            begin: called with its bytes before anything is written; it may refuse.
            advance: called with (bytes written, bytes in all).

        Returns:
            By what its change is seen, see `stat`.

        Raises:
            SampleChanged: it is not there, or is another one by now. Others as `read`.
        """
        meta = self._asked(address, lambda store, key: store.get(key).meta)
        size = meta["size"]
        begin(size)
        try:
            for start in range(0, size, PART):
                part = Part(start, min(start + PART, size), meta, address)
                self._again(
                    address, lambda store, key, part=part: part.copy(store, key, out), LATER
                )
                advance(part.end, size)
        except Undivided:
            part = Part(0, size, meta, address)
            hint = f"Its server gives no parts of a file: {BY_HAND}"
            self._again(address, lambda store, key: part.copy(store, key, out, advance), hint)
        return _stat_of(meta)

    def _again(
        self,
        address: Address,
        ask: Callable[[Any, str], T],
        hint: str = "Try again later; --on-error skip goes on without it.",
    ) -> T:
        """What `ask` gives, which is asked again where a body breaks off; then `hint` is said."""
        for attempt in range(1, TRIES + 1):
            try:
                return self._asked(address, ask)
            except BrokenOff as error:
                if attempt == TRIES:
                    raise SampleUnreadable(
                        f"{address} breaks off: {error}, {TRIES} times", hint=hint
                    ) from error
                time.sleep(PAUSE * 2**attempt * (0.5 + random.random()))
        raise AssertionError  # the last attempt returns or raises

    def _asked(self, address: Address, ask: Callable[[Any, str], T]) -> T:
        """What `ask` gives, with its errors as ours."""
        self.check(address)
        store, key = self._store(address), "" if address.query else address.key

        import obstore.exceptions as theirs

        try:
            return ask(store, key)
        except HeadstartError:
            raise
        except (theirs.BaseError, OSError, ValueError) as error:
            raise refusal(error, address) from error

    def _store(self, address: Address) -> Any:
        """The store in which an object lies; of a web address with a query, one of its own."""
        if address.query:
            return _open(address, self._options)
        place = (address.scheme, address.host)
        with self._opening:
            if place not in self._stores:
                self._stores[place] = _open(address, self._options)
            return self._stores[place]


def _check_count(address: Address, count: int) -> None:
    if count > LARGEST_LISTING:
        raise DatasetError(f"{address} holds more than {LARGEST_LISTING:,} objects")


def _chunks(store: Any, key: str, address: Address, share: Share | None) -> Iterator[bytes]:
    """The content of an object, for which there is room.

    Raises:
        SampleUnreadable: it is too large.
        BrokenOff: it ends too early; its room is given back.
    """
    given, size = _begun(store, key, address)
    if share is None:
        yield from chunks_of(given, size)
        return
    if not share.take(size, waits=False):
        del given  # no server waits for us
        share.take(size, waits=True)
        taken, (given, size) = size, _begun(store, key, address)
        share.give(taken - size)
    try:
        yield from chunks_of(given, size)
    except BaseException:
        share.give(size)
        raise


def _begun(store: Any, key: str, address: Address) -> tuple[Any, int]:
    """The answer with an object, of which nothing was read, and its bytes."""
    given = store.get(key)
    size = given.meta["size"]
    if size > LARGEST_OBJECT:
        raise SampleUnreadable(
            f"{address} has {size:,} bytes; more than {LARGEST_OBJECT:,} are not read"
        )
    return given, size


def _stat_of(found: Any) -> tuple[int, ...]:
    """Size, time of change in ns, and a number made of the ETag: of a strong one, which changes
    with every change; without it 0, where the time is old enough to tell; else nothing."""
    changed: datetime = found["last_modified"]
    since = int(changed.timestamp() * 1e9)
    tag = found["e_tag"]
    if tag and not tag.startswith("W/"):
        number = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:7])
        return (found["size"], since, number + 1)
    age = (datetime.now(UTC) - changed).total_seconds()
    return (found["size"], since, 0) if since > 0 and age > SETTLED else ()


def _open(address: Address, options: Options) -> Any:
    """A store, with what the environment says of it.

    Raises:
        DatasetError: obstore is not here, or an option is none of this store's.
    """
    try:
        import obstore.exceptions as theirs
        from obstore import store as stores
    except ImportError as error:
        raise without_library(address) from error
    if address.is_web:
        base = str(address) if address.query else f"{address.scheme}://{address.host}"
        client: ClientConfig = {**CLIENT, "allow_http": address.scheme == "http"}
        return stores.HTTPStore(base, client_options=client, retry_config=RETRY)
    try:
        return store_of(address.scheme, address.host, options=_config(options), retry=RETRY)
    except (theirs.BaseError, ValueError) as error:
        raise DatasetError(
            f"{address.scheme}://{address.host} cannot be opened ({first_line(error)[:300]})",
            hint="Check the environment and --store-option.",
        ) from error


def _config(options: Options) -> dict[str, str]:
    pairs = (text.partition("=") for text in options.get("store_options", ()))
    return {name.strip(): value.strip() for name, _, value in pairs}
