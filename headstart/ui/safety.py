"""Who may ask, and from where: every request is refused that does not show that it may.

MLflow's record (path traversal, DNS rebinding, routes that forgot to ask, scripts in names) is why
there is one guard in front of all routes and none in them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from html import escape
from urllib.parse import quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READS = ("GET", "HEAD")
"""Methods that change nothing."""
TOKEN = "token"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    # No `unsafe-…`: nothing that stands in a page can be a script or a style of its own.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self'; connect-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`, under which browsers send no origin with our own forms (Fetch, 3.1.4).
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every answer."""
KEPT_NOWHERE = "no-store"
DENIED = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}: Headstart</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/static/icon.svg">{head}</head>
<body><h1>{title}</h1><p>{text}</p>{form}</body></html>
"""
CALLED = (
    "This is not the name of this page's host. <code>headstart ui --name NAME</code> gives it one."
)
FOREIGN = (
    "Another site asks for this. A proxy in front of the page has to pass on the Host header, with "
    "the port, if there is one."
)
FORM = (
    '<form method="get"><p><label>Token <input name="token" autocomplete="off" required></label> '
    "<button>Go in</button></p></form>"
)


class Guard:
    """Stands before all routes.

    Whoever comes with the token (`?token=…`, in the address that is printed) gets it as a cookie
    that no script and no other site can use. Every answer has `HEADERS`.

    Args:
        app: what is guarded.
        token: that lets in.
        hosts: names by which it may be called: what another name leads to is no request of ours
            (DNS rebinding).
        read_only: whether requests that change something are refused.
        https: whether browsers reach it by HTTPS alone, through a proxy: their cookie then goes by
            no other way. What a proxy says of it is not believed, as anybody could say it.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        hosts: Collection[str],
        read_only: bool = False,
        https: bool = False,
    ) -> None:
        self.app = app
        self.token = token
        self.hosts = frozenset(host.lower() for host in hosts)
        self.read_only = read_only
        self.https = https
        self.cookie = cookie_of(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no screen has a socket
            await send({"type": "websocket.close", "code": 1008})
            return
        if self.https:  # the server is asked by plain HTTP, and would send browsers on to that
            scope = {**scope, "scheme": "https"}
        answer = self.refusal(Request(scope)) or self.app
        await answer(scope, receive, _with_headers(send))

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request that is not let through; None to one that is."""
        if _host_of(request) not in self.hosts:
            return _denied(403, "Not called so", CALLED)
        if self._knows(request.query_params.get(TOKEN)) and request.method in READS:
            return self._let_in(request)
        if not self._knows(request.cookies.get(self.cookie)):
            return _stranger(request)
        if _is_foreign(request, self._schemes(request)):
            return _denied(403, "From elsewhere", FOREIGN)
        if request.method not in READS and self.read_only:
            return _denied(403, "Read only", "This page was opened to read: nothing is changed.")
        if _has_nul(request):  # which no name has, and PostgreSQL takes for an error
            return _denied(400, "No address", "There is a sign in it that is none.")
        return None

    def _knows(self, given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(), self.token.encode())

    def _schemes(self, request: Request) -> tuple[str, ...]:
        """By which the page's own changes may be asked for: behind a proxy with TLS a page of the
        same name that came by plain HTTP is anybody's on the way."""
        is_own = _host_of(request) in LOOPBACK
        return ("https",) if self.https and not is_own else ("http", "https")

    def _let_in(self, request: Request) -> Response:
        """The token as a cookie, and on to the same address without it.

        No redirect: behind a link on another site a browser would not send a strict cookie.
        """
        answer = _onwards(request, 200)
        answer.set_cookie(
            self.cookie, self.token, httponly=True, samesite="strict", secure=self.https
        )
        return answer


def cookie_of(token: str) -> str:
    """The cookie's name: pages on several ports of a machine share its cookies."""
    return f"headstart_{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def secured(answer: Response) -> Response:
    """An answer that is made outside of the guard, with its headers."""
    _complete(answer.headers)
    return answer


def _host_of(request: Request) -> str:
    """The name in the Host header, without the port."""
    given = request.headers.get("host", "").lower()
    if given.startswith("["):
        return given.partition("]")[0] + "]"
    return given.partition(":")[0]


def _is_foreign(request: Request, schemes: Collection[str]) -> bool:
    """Whether another site asks: of what changes something by its origin, which has one of these
    schemes; of all else by what browsers say of it (https://www.w3.org/TR/fetch-metadata/)."""
    if request.method not in READS:
        scheme, _, host = request.headers.get("origin", "").lower().partition("://")
        return scheme not in schemes or host != request.headers["host"].lower()
    asked = request.headers.get("sec-fetch-site", "none")
    return asked not in ("none", "same-origin") and not _is_navigation(request)


def _has_nul(request: Request) -> bool:
    query = request.scope["query_string"].decode("latin-1")
    return "\0" in request.scope["path"] or "%00" in query or "\0" in query


def _is_navigation(request: Request) -> bool:
    return request.headers.get("sec-fetch-mode") == "navigate"


def _stranger(request: Request) -> Response:
    """The answer to who has no token. Behind a link on another site a browser that has the cookie
    keeps it back: it is sent on to the same address, by ourselves."""
    is_from_elsewhere = request.headers.get("sec-fetch-site") == "cross-site"
    if is_from_elsewhere and _is_navigation(request) and request.method in READS:
        return _onwards(request, 401)
    text = "Open the address that <code>headstart ui</code> printed, or give its token."
    return _denied(401, "Not let in", text, form=FORM)


def _onwards(request: Request, status: int) -> Response:
    # Two slashes would be the beginning of another site's address.
    path = quote("/" + request.scope["path"].lstrip("/\\"), safe="/:@~")
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != TOKEN]
    address = escape(f"{path}?{urlencode(kept)}" if kept else path)
    icon = (
        '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'  # or it asks for another
    )
    head = f'{icon}<meta http-equiv="refresh" content="0;url={address}">'
    return _denied(status, "One moment", f'<a href="{address}">Go on</a>', head=head)


def _denied(status: int, title: str, text: str, *, head: str = "", form: str = "") -> HTMLResponse:
    page = DENIED.format(title=title, text=text, head=head, form=form)
    return HTMLResponse(page, status_code=status)


def _with_headers(send: Send) -> Send:
    async def complete(message: Message) -> None:
        if message["type"] == "http.response.start":
            _complete(MutableHeaders(scope=message))
        await send(message)

    return complete


def _complete(headers: MutableHeaders) -> None:
    headers.update(HEADERS)
    headers.setdefault("cache-control", KEPT_NOWHERE)
