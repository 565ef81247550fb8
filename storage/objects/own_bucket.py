"""The bucket of one workspace, which is not believed to be its own before it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from headstart.errors import StorageError
from headstart.storage.objects.address import StoreAddress
from headstart.storage.objects.bucket import PATIENCE, Bucket
from headstart.storage.objects.probe import MARKER, owner_of

T = TypeVar("T")


class OwnBucket(Bucket):
    """A bucket that is asked whose it is before it is first used, once: an empty folder where a
    disk is not mounted, and an endpoint of another server, take objects as well.

    Args:
        address: see `Bucket`.
        owner: UUID of the workspace whose it must be.
        patience: see `Bucket`.

    Whatever is asked of it raises `StorageError` where it is another's, or nobody's; nothing was
    read or written then.
    """

    def __init__(self, address: StoreAddress, owner: str, patience: float = PATIENCE) -> None:
        super().__init__(address, patience)
        self._owner = owner
        self._is_own = False

    def __reduce__(self) -> tuple[type[OwnBucket], tuple[Any, ...]]:
        """Another process opens its own, and asks by itself."""
        return OwnBucket, (self.address, self._owner, self._patience)

    def _asked(self, key: str, attempt: Callable[[Any], T], *, is_listing: bool = False) -> T:
        if not self._is_own:
            self._see_whose()
        return super()._asked(key, attempt, is_listing=is_listing)

    def _see_whose(self) -> None:
        """Several threads may ask at the same time: a lock that is held while the network is waited
        for would never be free in a process that is forked off meanwhile."""
        owner = owner_of(Bucket(self.address, self._patience))
        if owner is None:
            raise StorageError(
                f"{self.place_of(MARKER)} is missing, which says that this is the store of the "
                f"workspace {self._owner}: nothing was read or written",
                hint="Mount its disk, or fix the endpoint in the environment; if this is the "
                "right store all the same, `headstart init` says so in it.",
            )
        if owner != self._owner:
            raise StorageError(
                f"{self.place_of(MARKER)} says that this is the store of the workspace {owner}, "
                f"not of {self._owner}: nothing was read or written",
                hint="Mount the right disk, or fix `store` in headstart.toml or the endpoint in "
                "the environment.",
            )
        self._is_own = True
