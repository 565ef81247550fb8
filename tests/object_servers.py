"""Object stores for tests: an S3 server in a process of its own, and buckets that misbehave."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.request import Request, urlopen

from headstart.storage.objects.address import StoreAddress
from headstart.storage.objects.bucket import Bucket

SECONDS = 60


class GivenBucket(Bucket):
    """A bucket with a store of obstore that is given, or that of an address.

    Attributes:
        is_full: whether it takes nothing more.
    """

    def __init__(self, given: Any, address: StoreAddress | None = None) -> None:
        super().__init__(address or StoreAddress("s3", "memory"), patience=1, makes=True)
        self._given = given
        self.is_full = False

    def __reduce__(self):
        raise TypeError("it is of this process")

    def _opened(self) -> Any:
        store = super()._opened() if self._given is None else self._given
        return Full(store) if self.is_full else store


class Full:
    """A store that takes nothing."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, *given: Any, **named: Any) -> Any:
        from obstore.exceptions import PermissionDeniedError

        raise PermissionDeniedError(
            "Server returned non-2xx status code: 403 Forbidden: <Code>QuotaExceeded</Code>"
        )


@contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server; gives its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(SECONDS)


def make_bucket(address: str, name: str) -> None:
    urlopen(Request(f"{address}/{name}", data=b"", method="PUT")).close()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(SECONDS * 20):
        assert process.poll() is None, f"{process.args} ended at once"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args} takes no connection")
