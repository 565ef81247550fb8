"""Opening a store through obstore, with what the environment says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headstart.errors import StorageError, first_line
from headstart.storage.objects.address import StoreAddress

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CLIENT: ClientConfig = {"connect_timeout": "10s", "read_timeout": "30s", "timeout": "10m"}
RETRY: RetryConfig = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}
"""Of one attempt, by obstore itself."""
ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""By what in the environment a store of one's own is named."""
CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN, AWS_REGION)",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "file": "Let this user read and write the folder",
}


def open_store(address: StoreAddress, *, makes: bool = False) -> Any:
    """A store of obstore.

    Raises:
        StorageError: obstore is not here, or cannot make one of what the environment says.
    """
    try:
        import obstore.exceptions as theirs
        from obstore.store import LocalStore
    except ImportError as error:
        raise StorageError(
            f"{address} cannot be opened: obstore is not installed",
            hint="pip install 'headstart[cloud]'",
        ) from error
    try:
        if address.is_folder:
            return LocalStore(address.bucket, mkdir=makes)
        return store_of(address.scheme, address.bucket, prefix=address.prefix)
    except (theirs.BaseError, ValueError, OSError) as error:
        raise StorageError(
            f"{address} cannot be opened ({first_line(error)[:300]})",
            hint=f"{CREDENTIALS[address.scheme]}.",
        ) from error


def store_of(
    scheme: str,
    bucket: str,
    *,
    prefix: str = "",
    options: Mapping[str, str] | None = None,
    retry: RetryConfig = RETRY,
) -> Any:
    """A store of obstore of one bucket, with what the environment says of it; raises obstore's own
    errors.

    Args:
        scheme: `s3`, `gs` or `az`.
        bucket: its name.
        prefix: of all keys.
        options: that stand above the environment, such as `region`.
        retry: how errors are tried again.
    """
    from obstore import store as stores

    kinds: dict[str, Any] = {
        "s3": stores.S3Store,
        "gs": stores.GCSStore,
        "az": stores.AzureStore,
    }
    given = dict(options or {})
    return kinds[scheme](
        bucket,
        prefix=prefix or None,
        config=given or None,
        client_options={**CLIENT, "allow_http": _is_plain(scheme, given)},
        retry_config=retry,
    )


def _is_plain(scheme: str, options: Mapping[str, str]) -> bool:
    """Whether plain http is meant: where the user named an endpoint of his own by it."""
    named = (os.environ.get(name, "") for name in ENDPOINTS.get(scheme, ()))
    return any(one.startswith("http://") for one in (*options.values(), *named))
