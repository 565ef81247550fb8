"""Errors as answers: the line that the command line prints, with the status of its code."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headstart.errors import HeadstartError, first_line
from headstart.ui.safety import secured
from headstart.ui.site import site_of
from headstart.values.logs import logger
from headstart.values.showable import SCHEMA_VERSION

STATUSES = {
    "usage": 400,
    "unsafe": 400,
    "denied": 403,
    "not_found": 404,
    "exists": 409,
    "in_use": 409,
    "changed": 409,
    "damaged": 409,
    "failed": 422,
    "unreadable": 422,
    "busy": 503,
    "unavailable": 503,
    "cluster": 503,
    "schema": 503,
    "storage": 507,
}
"""By the code of an error; 500 of others."""
WORDS = {
    400: "That is no such request",
    403: "Not allowed",
    404: "Nothing there",
    405: "Not done so",
    409: "That does not go together",
    413: "Too large",
    415: "That is no such request",
    422: "That cannot be done",
    503: "Not now",
}
LATER = 503
AGAIN_SECONDS = 5
FAULT = "Something went wrong"
NOTHING = "There is no such page."


def of_ours(request: Request, error: Exception) -> Response:
    """What we refuse: its message and what to do next."""
    assert isinstance(error, HeadstartError)
    return answer(request, STATUSES.get(error.code, 500), error.code, error.message, error.hint)


def of_http(request: Request, error: Exception) -> Response:
    """What no route takes."""
    assert isinstance(error, HTTPException)
    text = NOTHING if error.status_code == 404 and error.detail == "Not Found" else error.detail
    made = answer(request, error.status_code, "usage", f"{text.rstrip('.')}.", None)
    made.headers.update(error.headers or {})
    return made


def of_bug(request: Request, error: Exception) -> Response:
    """What nobody foresaw; the server logs where."""
    logger(__name__).log(logging.ERROR, "%s %s", request.method, request.url.path, exc_info=error)
    hint = "This is a bug in headstart: please report it with what the terminal shows."
    return secured(answer(request, 500, "bug", f"unexpected {first_line(error)}", hint))


def answer(
    request: Request, status: int, code: str, message: str, hint: str | None = None
) -> Response:
    """A refusal, as a page or as the object that `--json` prints."""
    if not takes_pages(request):
        told = {"code": code, "message": message, "hint": hint}
        return JSONResponse({"error": told, "schema_version": SCHEMA_VERSION}, status_code=status)
    title = WORDS.get(status, FAULT)
    looks_again = status == LATER and request.method == "GET"
    facts = {"message": message, "hint": hint, "seconds": AGAIN_SECONDS if looks_again else 0}
    made = site_of(request).page(request, "refused", title, status=status, **facts)
    if looks_again:  # as of a page that waited for a job, while the database was started anew
        made.headers["refresh"] = str(AGAIN_SECONDS)
    return made


def takes_pages(request: Request) -> bool:
    """Whether who asks wants a page, not the object that `--json` prints."""
    return "text/html" in request.headers.get("accept", "")
