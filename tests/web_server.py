"""A web server for tests: what it serves, how it fails, and how many asked it at once."""

import hashlib
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class WebServer:
    """Serves bytes by path.

    Attributes:
        files: by path, with a leading `/`, not encoded.
        faults: by path, what happens instead at the next requests: a status, `broken` (the body
            breaks off), `long` (the length said is too long by 10), `nameless` (no length), or
            `to:ADDRESS` (a redirect). One that stands in `always` happens every time.
        log: method and path of each request.
        seconds: how long each takes.
        most: how many were under way at once.
        weak: whether ETags are weak ones.
        modified: when all files were changed, seconds of the clock; None where it is not told.
        divides: whether parts are given; else whoever asks for one gets the whole.
    """

    def __init__(self, context=None) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str | int]] = defaultdict(list)
        self.always: dict[str, str | int] = {}
        self.log: list[tuple[str, str]] = []
        self.seconds = 0.0
        self.most = self._now = 0
        self.weak, self.divides = False, True
        self.modified: float | None = None
        self._lock = threading.Lock()
        handler = type("Bound", (_Handler,), {"owner": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.address = f"{scheme}://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def reset(self) -> None:
        self.files.clear()
        self.faults.clear()
        self.always.clear()
        self.log.clear()
        self.seconds, self.most, self.weak, self.divides = 0.0, 0, False, True
        self.modified = None

    def asked(self, method: str = "GET") -> list[str]:
        """The paths that were asked for."""
        return [path for how, path in self.log if how == method]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begin(self, method: str, path: str) -> str | int | None:
        with self._lock:
            self.log.append((method, path))
            self._now += 1
            self.most = max(self.most, self._now)
            coming = self.faults[path]
            return coming.pop(0) if coming else self.always.get(path)

    def end(self) -> None:
        with self._lock:
            self._now -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address) -> None:
        """Connections that clients end are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: WebServer

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        fault = self.owner.begin(self.command, unquote(self.path))
        try:
            time.sleep(self.owner.seconds)
            self._answer(fault)
        finally:
            self.owner.end()

    def _answer(self, fault: str | int | None) -> None:
        content = self.owner.files.get(unquote(self.path.partition("?")[0]))
        if isinstance(fault, int) or content is None:
            self._head(fault if isinstance(fault, int) else 404, {"Content-Length": "0"})
            return
        if isinstance(fault, str) and fault.startswith("to:"):
            self._head(302, {"Location": fault[3:], "Content-Length": "0"})
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        status, said = 200, ""
        if self.owner.divides and (wanted := self.headers.get("Range")):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, status = int(first), 206
            end = min(int(last) + 1 if last else len(content), len(content))
            said = f"bytes {start}-{end - 1}/{len(content)}"
            content = content[start:end]
        length = len(content) + 10 * (fault == "long")
        fields = {"Content-Length": str(length), "ETag": f"W/{tag}" if self.owner.weak else tag}
        if self.owner.modified is not None:
            fields["Last-Modified"] = self.date_time_string(self.owner.modified)
        if status == 206:
            fields["Content-Range"] = said
        if fault == "nameless":
            del fields["Content-Length"]
        self._head(status, fields)
        if self.command == "GET":
            self.wfile.write(content[: len(content) // 2] if fault == "broken" else content)
        if fault is not None:
            self.close_connection = True

    def _head(self, status: int, fields: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""
