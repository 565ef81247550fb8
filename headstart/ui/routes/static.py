"""`/static/NAME`: the styles and scripts of this package, and no other file.

They are read once, by the names that the package's folder has: no path is ever made of what a
client gives.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
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
    """All files by name."""
    folder = resources.files("headstart.ui").joinpath("static")
    return {
        file.name: Asset(content, KINDS[suffix], f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        for file in folder.iterdir()
        if (suffix := file.name.rpartition(".")[2]) in KINDS and (content := file.read_bytes())
    }


ROUTES = [Route("/static/{name}", get_static)]
