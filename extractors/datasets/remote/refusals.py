"""What a store or server says when it gives nothing, in a line of ours."""

from __future__ import annotations

import re

from headstart.errors import (
    DatasetError,
    HeadstartError,
    SampleChanged,
    SampleUnreadable,
    SourceGone,
)
from headstart.extractors.datasets.named_files import HINT
from headstart.extractors.datasets.remote.addresses import Address

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
CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; for a public bucket "
    "--store-option skip_signature=true.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS; for a public bucket "
    "--store-option skip_signature=true.",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY; for a public container "
    "--store-option skip_signature=true.",
}
WEB = "Only what a server gives to everybody can be read."


def refusal(error: Exception, address: Address) -> HeadstartError:
    """The error of ours for one of obstore's.

    Args:
        error: as it was raised.
        address: of what was asked for.

    Returns:
        SampleChanged: there is no such object.
        SampleUnreadable: it is there, or may be, and is not given.
        SourceGone: nothing is given at all: no connection, no credentials, no bucket; the same
            would happen to every object.
    """
    text = str(error)
    status, code = STATUS.search(text), CODE.search(text)
    number = int(status[1]) if status else 0
    said = _said(text, status)
    hint = CREDENTIALS.get(address.scheme, WEB)
    if code and code[1] in ("NoSuchBucket", "ContainerNotFound"):
        return _gone(address, f"there is no such bucket ({said})", "Check its name and region.")
    if "169.254.169.254" in text or "metadata.google.internal" in text:
        return _gone(address, "no credentials were found", hint)
    if number == 401 or (code and code[1] in OF_CREDENTIALS):
        return _gone(address, f"the credentials are not taken ({said})", hint)
    if number in (301, 307, 308) or (code and code[1] == "AuthorizationHeaderMalformed"):
        return _gone(address, f"the bucket lies in another region ({said})", "Set AWS_REGION.")
    if isinstance(error, FileNotFoundError) or number in (404, 410):
        return SampleChanged(f"{address} is gone ({said})", hint=HINT)
    if number == 403:
        return SampleUnreadable(f"{address} is not given to us ({said})", hint=hint)
    if number == 429 or (number >= 500 and number != 501):
        return _gone(address, f"the server cannot answer now ({said})", "Try again later.")
    return _other(text, said, number, address)


def _other(text: str, said: str, number: int, address: Address) -> HeadstartError:
    if "MissingContentLength" in text:
        return SampleUnreadable(f"{address}: the server does not say how long it is")
    if number:
        return SampleUnreadable(f"{address} is not given ({said})")
    if "BadScheme" in text:
        return _gone(address, "it leads to plain http", "Use the address that it leads to.")
    return _gone(address, f"cannot be read ({said})", "Check the address and the network.")


def takes_no_head(error: BaseException | None) -> bool:
    """Whether a server does not answer a question for an object's size and time."""
    status = STATUS.search(str(error))
    return status is not None and status[1] in ("405", "501")


def without_library(address: Address) -> DatasetError:
    """The error where obstore is not installed."""
    return DatasetError(
        f"{address} cannot be read: obstore is not installed",
        hint="pip install 'headstart[cloud]'",
    )


def _gone(address: Address, why: str, hint: str) -> SourceGone:
    return SourceGone(f"{address}: {why}", hint=hint)


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
