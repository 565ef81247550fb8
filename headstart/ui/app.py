"""The application: a guard, the routes of all screens, what becomes of errors."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from headstart.errors import HeadstartError
from headstart.ui import refusals
from headstart.ui.routes import (
    backbones,
    changes,
    compare,
    datasets,
    heads,
    jobs,
    labels,
    map,
    overview,
    rank,
    sounds,
    static,
)
from headstart.ui.safety import LOOPBACK, Guard
from headstart.ui.site import Site
from headstart.workspace import Workspace

SCREENS = (overview, backbones, datasets, map, rank, heads, labels, jobs)
"""Those in the navigation, in order."""
OTHERS = (changes, compare, sounds, static)
LARGEST_BODY = 32 << 20
"""Bytes of a request; samples that are larger are for the command line."""


def create_app(
    workspace: Workspace,
    token: str,
    *,
    read_only: bool = False,
    hosts: Collection[str] = LOOPBACK,
    https: bool = False,
) -> Starlette:
    """The page of a workspace, as an application that a server runs.

    Args:
        workspace: that is shown.
        token: who has it is let in.
        read_only: refuse whatever changes something.
        hosts: names by which the page may be called, without ports.
        https: whether browsers reach it by HTTPS, through a proxy.
    """
    app = Starlette(
        routes=[route for module in (*SCREENS, *OTHERS) for route in module.ROUTES],
        middleware=[
            Middleware(Guard, token=token, hosts=hosts, read_only=read_only, https=https),
            Middleware(RequestBodyLimitMiddleware, max_body_size=LARGEST_BODY),
        ],
        exception_handlers={
            HeadstartError: refusals.of_ours,
            HTTPException: refusals.of_http,
            Exception: refusals.of_bug,
        },
    )
    screens = tuple(module.SCREEN for module in SCREENS)
    app.state.site = Site.of(workspace, read_only, screens)
    app.state.streams = set()
    app.state.is_ending = False
    return app
