"""Which shards are fetched as a whole, and which in ranges: the rule, and its accounts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from headstart.storage.objects.bucket import REQUEST


class Outlay:
    """What was fetched of each shard, and what is wanted of it yet.

    A range costs its bytes and `REQUEST`; a whole shard its bytes, once, as it is kept then. Who
    does not know what is to come rents until the rent would reach the price, and then buys, which
    never costs more than twice what it would have, had he known (ski rental: Karlin, Manasse,
    Rudolph and Sleator, "Competitive snoopy caching", Algorithmica 3, 1988). A pass over many
    shards says beforehand what it wants (`expect`): a shard of which it wants half or more is
    bought at once, as passes come again; unless the pass wants more than can be kept, as every
    shard were gone before it is wanted again: then each is rented, however often.

    Args:
        quota: bytes of shards that can be kept.
    """

    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._paid = Counter[str]()
        self._planned: dict[str, tuple[bool, int]] = {}
        self._lock = threading.Lock()

    def expect(self, wanted: Sequence[tuple[str, int, int]]) -> None:
        """What a pass is going to want.

        Args:
            wanted: name, bytes of it that are wanted, and its size, of each shard.
        """
        is_too_much = sum(size for _, _, size in wanted) > self._quota
        with self._lock:
            for name, count, size in wanted:
                self._planned[name] = (not is_too_much and 2 * count >= size, count)

    def is_whole(self, name: str, ranges: Sequence[int], size: int) -> bool:
        """Whether a shard that is not here is to be fetched as a whole now.

        Args:
            name: of the shard.
            ranges: bytes of each range that is wanted now; they count as paid if it is not.
            size: of the shard.
        """
        if size > self._quota:
            return False
        with self._lock:
            if name in self._planned:
                return self._planned[name][0]
            cost = sum(ranges) + REQUEST * len(ranges)
            if self._paid[name] + cost >= size:
                return True
            self._paid[name] += cost
            return False

    def used(self, name: str, count: int) -> None:
        """That so many bytes of it were asked for, be it here: a pass that had them wants it no
        longer."""
        with self._lock:
            if name in self._planned:
                is_whole, left = self._planned.pop(name)
                if left > count:
                    self._planned[name] = (is_whole, left - count)

    def cannot_keep(self, size: int) -> None:
        """That a shard of so many bytes could not be kept, as the disk is full, say: from now on
        none of that size is bought."""
        with self._lock:
            self._quota = min(self._quota, size - 1)

    def fetched(self, name: str) -> None:
        """That it was bought: should it be gone from here later, it is rented first again."""
        with self._lock:
            self._paid.pop(name, None)
