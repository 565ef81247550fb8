"""The page of a workspace while something else goes on: for tests, measurements and pictures."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from headstart.ui.app import create_app
from headstart.ui.safety import TOKEN
from headstart.ui.server import HOST, listen
from headstart.workspace import Workspace

LOOKING = 0.01
"""Seconds between two looks whether the server is there."""


@contextmanager
def served(workspace: Workspace, *, read_only: bool = False) -> Iterator[str]:
    """The address of a workspace's page, with its token, while a block runs.

    Args:
        workspace: that is shown; the thread that serves it uses it as well.
        read_only: refuse all changes.
    """
    token = secrets.token_urlsafe(32)
    app = create_app(workspace, token, read_only=read_only)
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    )
    with listen(HOST, 0) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(LOOKING)
        try:
            yield f"http://{HOST}:{listening.getsockname()[1]}/?{TOKEN}={token}"
        finally:
            server.should_exit = True
            thread.join()
