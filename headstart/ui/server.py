"""A server for the page, until it is told to end."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import socket
import sys
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Timer
from time import monotonic
from types import FrameType

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
PORT = re.compile(r":\d{1,5}$")
NAME = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
"""What stands in a `Host` header (RFC 9110, 7.2)."""
GRACE_SECONDS = 2
"""So long requests may go on when the server ends."""
LAST_SECONDS = 5
"""After so many what computes in a thread is broken off, which nothing else can end."""
BROKEN_OFF = 130
"""Exit status, as of the whole program behind Ctrl-C."""


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
        names: of this host, besides the address, as of a proxy in front; `NAME:PORT` where that has
            another port than usual.
        https: whether browsers reach it by HTTPS, through a proxy of the first of these names.
        say: told the address to open, with the token.

    Raises:
        InvalidValue: there is no such address here, or the port is taken; or the proxy has no name,
            or one that is none.
    """
    for name in names:
        _check_name(name)
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
        EndingServer(app, app.state.site.worker.stop).run([listening])
    return Served(address, read_only, round(monotonic() - began, 1))


class EndingServer(uvicorn.Server):
    """Ends soon after the first signal and at once behind the second, whatever is computed: all
    that is stored is written aside and renamed, or in a transaction, so nothing is half-written.

    Args:
        app: that is served.
        stop: told when it ends.
    """

    def __init__(self, app: Starlette, stop: Callable[[], None] = lambda: None) -> None:
        super().__init__(config_of(app))
        self._stop = stop
        self._app = app
        self._last = Timer(LAST_SECONDS, _break_off)
        self._last.daemon = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            _break_off()
        self._app.state.is_ending = True
        self._stop()
        super().handle_exit(sig, frame)
        self._last.start()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """As any server does; what was cancelled as it ended is no fault."""
        uvicorn_logs = logging.getLogger("uvicorn.error")
        uvicorn_logs.addFilter(_is_told)
        try:
            super().run(sockets)
        finally:
            uvicorn_logs.removeFilter(_is_told)
            self._last.cancel()


def _is_told(record: logging.LogRecord) -> bool:
    is_cancelled = record.exc_info and isinstance(record.exc_info[1], CancelledError)
    return not is_cancelled and not str(record.msg).startswith("Cancel %s running task")


def _break_off() -> None:
    sys.stderr.write("A request was still computing: it was broken off.\n")
    sys.stderr.flush()
    os._exit(BROKEN_OFF)


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
        if isinstance(error, socket.gaierror) or getattr(error, "errno", 0) == errno.EADDRNOTAVAIL:
            raise InvalidValue(
                f"cannot listen on {host}: {error}",
                hint="--host is an address of this machine; without it 127.0.0.1 is taken.",
            ) from error
        raise InvalidValue(
            f"cannot listen on port {port} of {host}: {error}",
            hint="Another --port may be free; without it one that is free is taken.",
        ) from error


def _check_name(name: str) -> None:
    """See that browsers can call a host so: a name that none has would let nobody in.

    Raises:
        InvalidValue: they cannot.
    """
    if NAME.fullmatch(name) is None:
        raise InvalidValue(
            f"--name {name[:80]!r} is no name of a host",
            hint="Write zoo.example.org, or zoo.example.org:8443: without https://, and without a "
            "path, as the page has the whole host.",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in (*LOOPBACK, "::1") or host.startswith("127.")


def hosts_of(host: str, names: Sequence[str] = ()) -> tuple[str, ...]:
    """By which names the page may be called, the one that is printed first."""
    shown = f"[{host}]" if ":" in host else host
    if host in ANY:
        shown = socket.gethostname()
    plain = (PORT.sub("", name) for name in names)
    return tuple(dict.fromkeys((shown, *plain, *LOOPBACK)))
