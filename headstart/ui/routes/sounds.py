"""A sample's sound, made anew, in the parts that a player asks for."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headstart.jobs.exploration.samples import get_sample, get_sound
from headstart.ui.site import site_of

KIND = "audio/wav"
RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")
FOREVER = "private, max-age=31536000, immutable"
"""Its address has the digest of its content in it."""


def get_wav(request: Request) -> Response:
    """The sound of a sample, or a part of it."""
    site = site_of(request)
    dataset = site.workspace.context.datasets.get(request.path_params["name"])
    sample = get_sample(site.memory.manifest_of(dataset), request.path_params["digest"])
    content = site.memory.get(("wav", sample.digest), lambda: get_sound(dataset, sample))
    return part_of(content, request.headers.get("range"))


def part_of(content: bytes, asked: str | None) -> Response:
    """All of it, or the part that a `Range` asks for (RFC 9110, 14.2); one that is none that we
    know is passed over, as it says there.

    Raises:
        HTTPException: the part lies beyond its end.
    """
    headers = {"accept-ranges": "bytes", "cache-control": FOREVER}
    found = RANGE.fullmatch(asked or "")
    if found is None or not any(found.groups()):
        return Response(content, media_type=KIND, headers=headers)
    first, last = found.groups()
    size = len(content)
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        raise HTTPException(416, headers={"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return Response(content[start : end + 1], 206, media_type=KIND, headers=headers)


ROUTES = [Route("/datasets/{name}/samples/{digest}/sound", get_wav)]
