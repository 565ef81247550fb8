"""What a request asks for: numbers and names out of its address, fields out of its form."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from headstart.errors import InvalidValue

LARGEST_FORM = 1 << 20
"""Bytes of the fields of a form."""
MOST_FIELDS = 2000
FORM = "application/x-www-form-urlencoded"
MOST = 2**31 - 1


def whole(request: Request, name: str, default: int, most: int = MOST, least: int = 0) -> int:
    """A whole number out of the address.

    Raises:
        InvalidValue: it is none, or none between `least` and `most`.
    """
    return whole_of(request.query_params.get(name) or str(default), name, most, least)


def whole_of(text: str, name: str, most: int = MOST, least: int = 0) -> int:
    """A whole number that somebody gave as a text.

    Raises:
        InvalidValue: see `whole`.
    """
    is_number = text.isascii() and text.isdecimal() and len(text) < 12
    if not is_number or not least <= int(text) <= most:
        raise InvalidValue(
            f"{name} is {text[:80]!r}", hint=f"It is a whole number from {least:,} to {most:,}."
        )
    return int(text)


def word(request: Request, name: str) -> str | None:
    """A text out of the address; None where there is none."""
    return request.query_params.get(name) or None


async def form_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form, each with all its values.

    Raises:
        HTTPException: it is no form, or too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise HTTPException(415, f"A form is expected, as {FORM}.")
    body = await body_of(request, LARGEST_FORM)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:  # no text, or too many fields
        raise HTTPException(400, "That is no form.") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:
            raise HTTPException(400, "A field holds what is no text.")
        fields.setdefault(name, []).append(value)
    return fields


async def body_of(request: Request, most: int) -> bytes:
    """The content of a request.

    Args:
        request: that has it.
        most: bytes.

    Raises:
        HTTPException: it is larger, or was broken off.
    """
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > most:
                raise HTTPException(413, f"At most {most:,} bytes are taken here.")
    except ClientDisconnect:  # nobody reads the answer
        raise HTTPException(400, "It was broken off.") from None
    return bytes(content)


def field(form: dict[str, list[str]], name: str, *, exact: bool = False) -> str:
    """The one value of a field; empty where there is none.

    Args:
        form: that was sent.
        name: of the field.
        exact: it was not typed, so spaces around it are its own.

    Raises:
        InvalidValue: there are several.
    """
    values = form.get(name, [])
    if len(values) > 1:
        raise InvalidValue(f"{name} was given {len(values):,} times", hint="Give it once.")
    given = values[0] if values else ""
    return given if exact else given.strip()
