"""The pictures of a folder of class folders, in a bucket and on the web."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from remote_fixtures import in_table, serve, under
from web_server import WebServer


def in_bucket(folder: Path, put: Callable[[str, bytes], None]) -> str:
    """The same folder in the bucket `photos`; `put` is the fixture `bucket`. Kind `folder`."""
    for name, content in under(folder).items():
        put(f"makers/{name}", content)
    return "s3://photos/makers/"


def on_the_web(folder: Path, server: WebServer) -> str:
    """A table of their addresses; `server` is the fixture `web`. Kind `csv`."""
    server.files["/makers.csv"] = in_table(serve(server, folder)).encode()
    return f"{server.address}/makers.csv"
