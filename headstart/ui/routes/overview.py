"""`/`: what is here, what runs, what is wrong, what to do next."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headstart.jobs.overview import overview
from headstart.ui.site import Same, Screen, site_of

SCREEN = Screen("Overview", "/")
SAME = (
    Same("headstart stats", "ws"),
    Same("headstart doctor", "ws.config"),
)


def get_overview(request: Request) -> Response:
    """The first page."""
    site = site_of(request)
    found = overview(site.workspace.context)
    return site.show(request, "overview", "Overview", found, same=SAME)


ROUTES = [Route("/", get_overview)]
