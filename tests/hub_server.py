"""A hub of datasets for tests: what Hugging Face's answers about one repository, of HTTP alone.

The calls: https://huggingface.co/docs/hub/api, as `huggingface_hub` 1 and 2 make them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote

SHA = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves the files of a repository by their paths in it.

    Attributes:
        name: of the repository.
        files: by path.
        log: method and path of each request.
    """

    def __init__(self, name: str, files: dict[str, bytes]) -> None:
        self.name, self.files, self.log = name, files, list[tuple[str, str]]()
        handler = type("Bound", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def about(self) -> dict[str, Any]:
        siblings = [{"rfilename": path} for path in self.files]
        return {"id": self.name, "sha": SHA, "siblings": siblings, "private": False, "tags": []}

    def tree(self, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for path in self.files:
            for above in PurePosixPath(path).parents:
                if str(above) != ".":
                    found[str(above)] = {"type": "directory", "path": str(above), "oid": SHA}
            found[path] = self.entry(path)
        inside = f"{folder}/" if folder else ""
        return [
            one
            for path, one in found.items()
            if path.startswith(inside) and (recursive or "/" not in path[len(inside) :])
        ]

    def entry(self, path: str) -> dict[str, Any]:
        content = self.files[path]
        oid = hashlib.sha1(content).hexdigest()
        return {"type": "file", "path": path, "oid": oid, "size": len(content)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: HubServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        told = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._answer(told)

    def _answer(self, told: str = "") -> None:
        self.owner.log.append((self.command, self.path))
        path, _, query = self.path.partition("?")
        path, of_api = unquote(path), f"/api/datasets/{self.owner.name}"
        rest = path.removeprefix(of_api)
        if path in (of_api, f"{of_api}/revision/{SHA}"):
            self._json(self.owner.about())
        elif path.startswith(f"{of_api}/tree/{SHA}"):
            folder = rest.removeprefix(f"/tree/{SHA}").strip("/")
            is_deep = parse_qs(query).get("recursive", [""])[0].lower() == "true"
            self._json(self.owner.tree(folder, recursive=is_deep))
        elif path == f"{of_api}/paths-info/{SHA}":
            self._json(
                [one for one in self.owner.tree("", recursive=True) if one["path"] in _paths(told)]
            )
        else:
            self._file(path.removeprefix(f"/datasets/{self.owner.name}/resolve/{SHA}/"))

    def _json(self, told: Any) -> None:
        self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _file(self, path: str) -> None:
        content = self.owner.files.get(path)
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        entry = self.owner.entry(path)
        fields = {"ETag": f'"{entry["oid"]}"', "X-Repo-Commit": SHA, "Accept-Ranges": "bytes"}
        wanted, status = self.headers.get("Range"), 200
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(content) - 1), len(content) - 1)
            fields["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        self._send(status, content, fields)

    def _send(self, status: int, content: bytes, fields: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **fields}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""


def _paths(told: str) -> list[str]:
    """The paths that are asked about, of a form or of JSON."""
    return json.loads(told)["paths"] if told.startswith("{") else parse_qs(told)["paths"]
