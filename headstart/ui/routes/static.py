"""`/static/NAME`: the styles and scripts of this package, and no other file.

They are read once, by the names that the package's folder has: no path is ever made of what a
client gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

KINDS = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
"""Media types by what names end with; no other file is served."""


class Asset(NamedTuple):
    """A file of the package."""

    content: bytes
    kind: str
    tag: str


def get_static(request: Request) -> Response:
    """A file, or that it has not changed."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        raise HTTPException(404)
    headers = {"etag": asset.tag, "cache-control": "private, no-cache"}
    if request.headers.get("if-none-match") == asset.tag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers=headers, media_type=asset.kind)


@cache
def assets() -> dict[str, Asset]:
    """All files by name, those of folders as `FOLDER/NAME`."""
    return dict(_found(resources.files("headstart.ui").joinpath("static"), ""))


def _found(folder: Traversable, before: str) -> Iterator[tuple[str, Asset]]:
    for file in folder.iterdir():
        if file.is_dir():
            yield from _found(file, f"{before}{file.name}/")
        elif kind := KINDS.get(file.name.rpartition(".")[2]):
            content = file.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            yield f"{before}{file.name}", Asset(content, kind, tag)


ROUTES = [Route("/static/{name:path}", get_static)]
