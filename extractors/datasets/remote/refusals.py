"""What a store or server says when it gives nothing, in a line of ours."""

from __future__ import annotations

from headstart.errors import (
    DatasetError,
    HeadstartError,
    SampleChanged,
    SampleUnreadable,
    SourceGone,
)
from headstart.extractors.datasets.named_files import HINT
from headstart.extractors.datasets.remote.addresses import Address
from headstart.storage.objects.answers import answer_of

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
    answer = answer_of(error)
    said, hint = answer.said, CREDENTIALS.get(address.scheme, WEB)
    if answer.why == "no bucket":
        return _gone(address, f"there is no such bucket ({said})", "Check its name and region.")
    if answer.why == "no credentials":
        return _gone(address, "no credentials were found", hint)
    if answer.why == "credentials":
        return _gone(address, f"the credentials are not taken ({said})", hint)
    if answer.why == "region":
        return _gone(address, f"the bucket lies in another region ({said})", "Set AWS_REGION.")
    if answer.why == "missing":
        return SampleChanged(f"{address} is gone ({said})", hint=HINT)
    if answer.why == "forbidden":
        return SampleUnreadable(f"{address} is not given to us ({said})", hint=hint)
    if answer.why == "busy":
        return _gone(address, f"the server cannot answer now ({said})", "Try again later.")
    return _other(str(error), said, answer.number, address)


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
    return error is not None and answer_of(error).number in (405, 501)


def without_library(address: Address) -> DatasetError:
    """The error where obstore is not installed."""
    return DatasetError(
        f"{address} cannot be read: obstore is not installed",
        hint="pip install 'headstart[cloud]'",
    )


def _gone(address: Address, why: str, hint: str) -> SourceGone:
    return SourceGone(f"{address}: {why}", hint=hint)
