"""A proxy before an S3 server that flips bytes, delays, drops and doubles requests.

moto takes and gives whatever checksums; what happens on the way is tried here.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KEPT = ("content-type", "etag", "last-modified", "content-range", "accept-ranges")
FLIP, FLIP_SENT, LOSE, DROP, TWICE, SLOW = "flip", "sent", "lose", "drop", "twice", "slow"
"""What may be done: a byte of the answer is another, or of what is sent; the answer is lost, or the
request is; it is made twice, and the second answer is given; it takes its time."""


@dataclass(frozen=True)
class Seen:
    """A request, and what was done with it."""

    method: str
    path: str
    range: str | None
    body: int = 0
    meddled: str | None = None


@dataclass
class Proxy:
    """What stands between.

    Attributes:
        meddle: says what is done with a request, or None.
        seen: all requests.
        is_away: whether every connection is ended at once.
        given: bytes of bodies that were given, in all.
        refusal: status and body that every request is answered with, if any.
    """

    target: str
    meddle: Callable[[Seen], str | None] = lambda _: None
    seen: list[Seen] = field(default_factory=list)
    is_away: bool = False
    given: int = 0
    refusal: tuple[int, bytes] | None = None
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def once(self, what: str, method: str, times: int = 1) -> None:
        """Do it with the next requests of a method for objects, so many times."""
        left = [times]

        def meddle(seen: Seen) -> str | None:
            with self.lock:
                if seen.method != method or "list-type" in seen.path or not left[0]:
                    return None
                left[0] -= 1
                return what

        self.meddle = meddle

    def of(self, method: str) -> list[Seen]:
        """What was asked for of objects by a method."""
        return [one for one in self.seen if one.method == method and "list-type" not in one.path]


@contextmanager
def proxy_before(target: str) -> Iterator[Proxy]:
    """A proxy before a server; `address` is where it listens."""
    proxy = Proxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    proxy.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_given: object) -> None:
            pass

        def handle_any(self) -> None:
            content = self._body()
            asked = Seen(self.command, self.path, self.headers.get("Range"), len(content))
            what = proxy.meddle(asked)
            with proxy.lock:
                proxy.seen.append(replace(asked, meddled=what))
            if proxy.is_away or what == DROP:
                self.close_connection = True
                return
            if proxy.refusal is not None:
                self._answer(proxy.refusal[0], {}, proxy.refusal[1])
                return
            if what == SLOW:
                time.sleep(0.3)
            if what == FLIP_SENT:
                content = _flipped(content, 2)  # another bit, or both together would be none
            answer = _forwarded(proxy.target, self, content)
            if what == TWICE:
                answer = _forwarded(proxy.target, self, content)
            if what == LOSE:
                self.close_connection = True
                return
            status, fields, body = answer
            if what == FLIP and body:
                body = _flipped(body)
            self._answer(status, fields, body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, status: int, fields: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in fields.items():
                if name.lower() in KEPT or name.lower().startswith("x-amz"):
                    self.send_header(name, value)
            is_head = self.command == "HEAD"
            length = fields.get("Content-Length", "0") if is_head else str(len(body))
            if status != 204:
                self.send_header("Content-Length", length)
            self.end_headers()
            if not is_head:
                with proxy.lock:
                    proxy.given += len(body)
                self.wfile.write(body)

    return Handler


def _flipped(content: bytes, bit: int = 1) -> bytes:
    changed = bytearray(content)
    changed[len(changed) // 2] ^= bit
    return bytes(changed)


def _forwarded(
    target: str, asked: BaseHTTPRequestHandler, content: bytes
) -> tuple[int, dict[str, str], bytes]:
    place = urlsplit(target)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        hop = ("connection", "content-length", "transfer-encoding", "host")
        fields = {k: v for k, v in asked.headers.items() if k.lower() not in hop}
        fields["Host"] = f"{place.hostname}:{place.port}"
        connection.request(asked.command, asked.path, content, fields)
        given = connection.getresponse()
        return given.status, dict(given.getheaders()), given.read()
    finally:
        connection.close()
