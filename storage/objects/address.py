"""Addresses of object stores: `s3://BUCKET/PREFIX`, `gs://`, `az://`, `file:///FOLDER`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import WorkspaceError

SCHEMES = ("s3", "gs", "az", "file")
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}")
EXAMPLE = "An example: s3://BUCKET/PREFIX; gs://, az:// and file:///FOLDER likewise."


@dataclass(frozen=True)
class StoreAddress:
    """Where a workspace keeps what others shall see.

    Attributes:
        scheme: `s3`, `gs`, `az` or `file`.
        bucket: its name; the folder of `file`.
        prefix: what all keys begin with, without slashes at its ends; may be empty.
    """

    scheme: str
    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        if self.is_folder:
            return f"file://{self.bucket}"
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine, or one that is mounted."""
        return self.scheme == "file"


def parse(text: str) -> StoreAddress:
    """The address that a text is.

    Raises:
        WorkspaceError: it is none; or it holds what belongs into the environment.
    """
    scheme, mark, rest = text.strip().partition("://")
    if not mark or scheme not in SCHEMES:
        raise WorkspaceError(f"{_shown(text)} is not the address of a store", hint=EXAMPLE)
    if scheme == "file":
        return _folder(rest, text)
    if set(rest) & {"@", "?", "#"}:
        raise WorkspaceError(
            f"{_shown(text)} holds more than a bucket and a prefix",
            hint="Credentials, region and endpoint are read from the environment (AWS_REGION, "
            "AWS_ENDPOINT_URL, …), and never kept.",
        )
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if not BUCKET.fullmatch(bucket):
        raise WorkspaceError(f"{_shown(text)} names no bucket", hint=EXAMPLE)
    if prefix and not all(STEP.fullmatch(step) for step in prefix.split("/")):
        raise WorkspaceError(
            f"{_shown(text)} has a prefix that cannot be one",
            hint="Each step is of letters, digits, '.', '_', '-', '=' and '+'.",
        )
    return StoreAddress(scheme, bucket, prefix)


def _folder(rest: str, text: str) -> StoreAddress:
    if not rest.startswith("/") or ".." in Path(rest).parts or "\0" in rest:
        raise WorkspaceError(f"{_shown(text)} is not a whole path", hint="Write file:///FOLDER.")
    return StoreAddress("file", str(Path(rest)))


def _shown(text: str) -> str:
    """An address for a message, without what may be a secret in it."""
    scheme, mark, rest = text[:200].partition("://")
    bare = rest.rpartition("@")[2].partition("?")[0]
    return repr(f"{scheme}{mark}{bare}")
