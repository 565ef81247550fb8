"""Addresses: `s3://`, `gs://`, `az://`, `https://`, `http://`, and what may not stand in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeGuard
from urllib.parse import SplitResult, quote, unquote, urlsplit

from headstart.errors import DatasetError
from headstart.extractors.datasets.remote.secrets import PARAMETERS, SECRET, may_hold_secret

BUCKETS = ("s3", "gs", "az")
WEB = ("https", "http")
IS_ADDRESS = re.compile(rf"({'|'.join((*BUCKETS, *WEB))})://", re.IGNORECASE)
ANY_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
FILE = re.compile(r"file:/", re.IGNORECASE)
LONGEST = 4096
"""Characters of an address; servers take about 8,000, stores keys of 1,024 bytes."""


@dataclass(frozen=True)
class Address:
    """One object, or a folder of them.

    Attributes:
        scheme: in small letters.
        host: bucket, container, or server with its port.
        key: path below it, as it is called (not percent-encoded), without a leading `/`.
        query: of a web address, without secrets.
    """

    scheme: str
    host: str
    key: str
    query: str = ""

    def __str__(self) -> str:
        if self.scheme in BUCKETS:
            return f"{self.scheme}://{self.host}/{self.key}"
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.host}/{quote(self.key, safe=UNQUOTED)}{query}"

    @property
    def name(self) -> str:
        return PurePosixPath(self.key).name or self.host

    @property
    def is_web(self) -> bool:
        return self.scheme in WEB

    def below(self, key: str) -> Address:
        """Another one of the same host."""
        return Address(self.scheme, self.host, key)

    def lies_in(self, root: Address) -> bool:
        """Whether it is `root`, or below it as a folder."""
        above = root.key.rstrip("/")
        is_below = not above or self.key == above or self.key.startswith(f"{above}/")
        return (self.scheme, self.host) == (root.scheme, root.host) and is_below


UNQUOTED = "/!$&'()*+,;=:@~"


def is_address(text: Any) -> TypeGuard[str]:
    """Whether a text is the address of something in a store or on the web; never fails."""
    return isinstance(text, str) and IS_ADDRESS.match(text) is not None


def is_on_the_web(text: str) -> bool:
    """Whether an address is of a server, and of no store."""
    return text.partition("://")[0].lower() in WEB


def parse(text: str, where: str = "") -> Address:
    """Read an address.

    Args:
        text: as somebody wrote it.
        where: the table and line that name it.

    Raises:
        DatasetError: it is none, or holds a name and a password, or a query with a secret: they
            would be stored with the dataset. The message does not repeat them.
    """
    at = f"{where}: " if where else ""
    match = IS_ADDRESS.match(text)
    if match is None or len(text) > LONGEST or any(sign in text for sign in "\0\r\n\t"):
        raise DatasetError(
            f"{at}{redacted(text)[:200]!r} is not an address",
            hint=f"Those of {', '.join(f'{one}://' for one in (*BUCKETS, *WEB))} are known.",
        )
    scheme, rest = match[1].lower(), text[match.end() :]
    host, _, key = rest.partition("/")
    if scheme in BUCKETS:
        _check_bucket(text, at)
        found = Address(scheme, host, key)
    else:
        found = _of_web(text, scheme, at)
    _check(found, text, at)
    return found


def _check_bucket(text: str, at: str) -> None:
    """See that an address of a store holds no password; one may hold a slash, at which the name of
    the bucket seems to end."""
    host, _, key = text.partition("://")[2].partition("/")
    if ":" in host or "@" in host:
        raise _with_secret(text, at, "a name and a password")
    names = [one.partition("=")[0] for one in re.split("[&;]", key.partition("?")[2])]
    if any(SECRET.search(name) for name in names):
        raise _with_secret(text, at, "a key or a signature")


def _of_web(text: str, scheme: str, at: str) -> Address:
    try:
        parts = urlsplit(text)
    except ValueError as error:  # brackets of an IPv6 address that do not close
        raise DatasetError(f"{at}{redacted(text)!r} is not an address ({error})") from None
    if "@" in parts.netloc or not _is_server(parts):
        raise _with_secret(text, at, "a name and a password")
    if may_hold_secret(parts.query):
        raise _with_secret(
            text,
            at,
            "a query that may hold a key or a signature",
            f"What may stand in one: {', '.join(PARAMETERS)}. Else download it, or ",
        )
    if parts.fragment or "%2f" in parts.path.lower():
        raise DatasetError(
            f"{at}{redacted(text)!r}: '#' or an encoded '/' leads to no object of its own",
            hint="In the name of an object, '#' is written %23.",
        )
    return Address(scheme, parts.netloc.lower(), unquote(parts.path).lstrip("/"), parts.query)


def _is_server(parts: SplitResult) -> bool:
    """Whether there is a server, or else a name with a password that holds a slash:
    `me:pass/word@host`, `me:12/34@host`. A port is a number, and a server whose name has no dot is
    here, or has no `@` behind its port."""
    try:
        port = parts.port
    except ValueError:
        return False
    if port is None or "@" not in f"{parts.path}{parts.query}{parts.fragment}":
        return True
    name = parts.hostname or ""
    return name == "localhost" or "." in name or ":" in name


def _with_secret(text: str, at: str, what: str, hint: str = "Download it, or ") -> DatasetError:
    return DatasetError(
        f"{at}{redacted(text)} comes with {what}, which would be stored with the dataset",
        hint=f"{hint}use s3://, gs:// or az:// with credentials from the environment.",
    )


def _check(address: Address, text: str, at: str) -> None:
    steps = address.key.rstrip("/").split("/") if address.key else []
    if not address.host:
        raise DatasetError(f"{at}{redacted(text)!r} names no bucket or server")
    if any(step in ("", ".", "..") for step in steps):
        raise DatasetError(
            f"{at}{redacted(text)!r} holds an empty step, '.' or '..'", hint="Write it out."
        )


def joined(base: Address, cell: str, where: str) -> Address:
    """What a table's cell names: an address, or a path relative to the table.

    Args:
        base: the table's.
        cell: the text.
        where: the table and line, for messages.

    Raises:
        DatasetError: it leads above the bucket or server, or is an address of another kind.
    """
    if is_address(cell):
        return parse(cell, where)
    if ANY_ADDRESS.match(cell) or FILE.match(cell):
        raise refused_scheme(cell, where)
    steps = [] if cell.startswith("/") else base.key.split("/")[:-1]
    for step in cell.split("/"):
        if step == ".." and not steps:
            raise DatasetError(f"{where}: {cell!r} leads above {base.scheme}://{base.host}")
        if step == "..":
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    key = "/".join(steps)
    if not base.is_web:
        return parse(str(base.below(key)), where)
    return parse(f"{base.scheme}://{base.host}/{quote(unquote(key), safe=UNQUOTED)}", where)


def refused_scheme(cell: str, where: str) -> DatasetError:
    """The error for an address that tables may not hold, such as `file://`."""
    return DatasetError(
        f"{where}: {redacted(cell)[:200]!r} is an address of a kind that is not read from tables",
        hint="Write a path, or an address with https://, s3://, gs:// or az://.",
    )


def redacted(text: str) -> str:
    """An address without what may be secret: name and password, query.

    A password may hold any sign, so behind a colon in the host all up to the last `@` is left out;
    without one, what follows the colon, unless it is a port.
    """
    plain = re.sub(
        r"^([A-Za-z][A-Za-z0-9+.-]*:/*)([^/?#]*@|[^/?#\[]*:.*@)", r"\1…@", text, flags=re.S
    )
    plain = re.sub(
        r"^([A-Za-z][A-Za-z0-9+.-]*://[^/?#\[@]*:)(?!\d*([/?#]|$)).*", r"\1…", plain, flags=re.S
    )
    head, mark, _ = plain.partition("?")
    return f"{head}?…" if mark else head


def root_address(options: Mapping[str, Any]) -> Address | None:
    """The address below which alone is read, if the option `root` is one."""
    root = options.get("root")
    return parse(root) if is_address(root) else None
