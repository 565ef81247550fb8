"""What a store or server says when it does not give what it was asked for, told apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

STATUS = re.compile(r"status code: (\d{3}) ?([A-Za-z -]*)")
CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
MESSAGE = re.compile(r"<Message>([^<]{1,300})</Message>|\"message\": *\"([^\"]{1,300})\"")
KINDS = (
    ("dns error", "its name is not known: offline, or misspelt"),
    ("tcp connect error", "it does not answer"),
    ("Certificate", "its certificate is not trusted"),
    ("TimedOut", "it took too long"),
    ("timed out", "it took too long"),
    ("Interrupted", "the connection broke off"),
    ("Body", "the connection broke off"),
)
"""What stands in an error of obstore, and what it means."""
OF_CREDENTIALS = {
    "AuthenticationFailed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
"""Codes of stores that say that nothing at all will be given, whatever the object."""
NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
NO_KEY = {"NoSuchKey", "BlobNotFound", "ResourceNotFound"}
"""Codes of stores that say that an object is not there, surely."""
OUT_OF_RANGE = ("416 Range Not Satisfiable", "StartTooLarge")

Why = Literal[
    "no bucket", "no credentials", "credentials", "region", "missing", "forbidden", "busy", "other"
]


@dataclass(frozen=True)
class Answer:
    """An error of obstore, read.

    Attributes:
        why: what it comes down to.
        number: HTTP's status; 0 where no server answered.
        code: the store's own word for it; empty without one.
        said: the server's words, in short; or what happened to the connection.
    """

    why: Why
    number: int
    code: str
    said: str

    @property
    def is_surely_missing(self) -> bool:
        """Whether a store says that there is no such object, and not a server in between."""
        return self.why == "missing" and (self.code in NO_KEY or self.number == 0)


def answer_of(error: BaseException) -> Answer:
    """What an error of obstore says."""
    text = str(error)
    status, found = STATUS.search(text), CODE.search(text)
    number, code = int(status[1]) if status else 0, found[1] if found else ""
    return Answer(_why(error, text, number, code), number, code, _said(text, status))


def is_out_of_range(error: BaseException) -> bool:
    """Whether a range begins behind the end of its object."""
    text = str(error)
    return any(sign in text for sign in OUT_OF_RANGE)


def _why(error: BaseException, text: str, number: int, code: str) -> Why:
    if code in NO_BUCKET:
        return "no bucket"
    if "169.254.169.254" in text or "metadata.google.internal" in text:
        return "no credentials"
    if number == 401 or code in OF_CREDENTIALS:
        return "credentials"
    if number in (301, 307, 308) or code == "AuthorizationHeaderMalformed":
        return "region"
    if isinstance(error, FileNotFoundError) or number in (404, 410):
        return "missing"
    if number == 403:
        return "forbidden"
    if number == 429 or (number >= 500 and number != 501):
        return "busy"
    return "other"


def _said(text: str, status: re.Match[str] | None) -> str:
    """The server's own words, in short; without the address, which may be long."""
    code, message = CODE.search(text), MESSAGE.search(text)
    found = [f"{status[1]} {status[2]}".strip()] if status else []
    found += [code[1]] if code else []
    found += [next(filter(None, message.groups()))] if message else []
    if found:
        return ": ".join(found)
    kinds = (meaning for sign, meaning in KINDS if sign in text)
    return next(kinds, text.partition("\n")[0][:200])
