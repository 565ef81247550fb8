"""A server for the page, until it is told to end."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import uvicorn
from starlette.applications import Starlette

from headstart.errors import InvalidValue
from headstart.ui.app import create_app
from headstart.ui.safety import LOOPBACK, TOKEN
from headstart.values.showable import Showable
from headstart.workspace import Workspace

HOST = "127.0.0.1"
ANY = ("0.0.0.0", "::")
"""All addresses of a machine."""
GRACE_SECONDS = 2
"""So long streams of events may go on when the server ends."""


@dataclass(frozen=True)
class Served(Showable):
    """A page that was served.

    Attributes:
        address: of the page, without its token.
        read_only: whether nothing could be changed.
        seconds: for how long.
    """

    address: str
    read_only: bool
    seconds: float


def serve(
    workspace: Workspace,
    host: str = HOST,
    port: int | None = None,
    *,
    read_only: bool | None = None,
    names: Sequence[str] = (),
    https: bool = False,
    say: Callable[[str], None],
) -> Served:
    """Serve the page of a workspace until Ctrl-C or SIGTERM.

    Args:
        workspace: that is shown.
        host: address to listen on.
        port: a free one without it.
        read_only: refuse all changes; without it so where other machines can reach the page.
        names: of this host, besides the address, as of a proxy in front.
        https: whether browsers reach it by HTTPS, through a proxy of the first of these names.
        say: told the address to open, with the token.

    Raises:
        InvalidValue: there is no such address here, or the port is taken; or the proxy has no name.
    """
    if https and not names:
        raise InvalidValue("--https without a --name", hint="Name the host of the proxy with TLS.")
    if read_only is None:
        read_only = not is_loopback(host)
    listening = listen(host, port or 0)
    token = secrets.token_urlsafe(32)
    known = hosts_of(host, names)
    app = create_app(workspace, token, read_only=read_only, hosts=known, https=https)
    number = listening.getsockname()[1]
    address = f"https://{names[0]}/" if https else f"http://{known[0]}:{number}/"
    say(f"{address}?{TOKEN}={token}")
    began = monotonic()
    with suppress(KeyboardInterrupt):  # which is how a server is ended
        uvicorn.Server(config_of(app)).run([listening])
    return Served(address, read_only, round(monotonic() - began, 1))


def config_of(app: Starlette) -> uvicorn.Config:
    """How the page is served: what is asked for is not logged, as an address may have the token in
    it; and whoever asks is not believed about who they are."""
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InvalidValue: it cannot.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InvalidValue(
            f"cannot listen on port {port} of {host}: {error}",
            hint="Another --port may be free; without it one that is free is taken.",
        ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in (*LOOPBACK, "::1") or host.startswith("127.")


def hosts_of(host: str, names: Sequence[str] = ()) -> tuple[str, ...]:
    """By which names the page may be called, the one that is printed first."""
    shown = f"[{host}]" if ":" in host else host
    if host in ANY:
        shown = socket.gethostname()
    return tuple(dict.fromkeys((shown, *names, *LOOPBACK)))
