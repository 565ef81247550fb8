"""The ends of a pass: samples are claimed, their rows are gathered and committed."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from headstart.extractors.daemons import Daemons
from headstart.extractors.run.finished import Finished
from headstart.extractors.watchdog import Watchdog
from headstart.registry.leases import Claimed, Lease
from headstart.storage.manifest import Sample

FIRST_BLOCK, LARGEST_BLOCK = 64, 8192
BLOCK_SECONDS = 2.0
"""Blocks grow until one takes so long: a claim is a transaction, and a killed process's block is
what others have to wait for."""
SHARE = 8
"""A block is at most an eighth of what is left, so that processes that begin later get some, or
what by the finished samples takes a moment."""


def claimed_samples(
    lease: Lease,
    keys: Sequence[str],
    samples: Sequence[Sample],
    is_there: Callable[[list[str]], np.ndarray],
    finished: Finished | None = None,
) -> Iterator[Sample]:
    """Samples that nobody else computes, claimed a block at a time, in their order.

    Samples claimed by others are left out; whether those come is for the caller to see.

    Args:
        lease: whose claims they are.
        keys: the feature keys they are claimed for.
        samples: those wanted, each content once.
        is_there: which of some digests have all their rows by now; asked behind each claim, as
            somebody may have committed in between.
        finished: what is finished of them by now; blocks may grow by it, and never by how soon
            samples are asked for, as who reads ahead asks for many at once.

    Raises:
        LeaseLost: this process was not heard of for too long.
    """
    by_digest = {sample.digest: sample for sample in samples}
    wanted = deque(by_digest)
    finished = finished or Finished()
    size, since, seen = FIRST_BLOCK, time.monotonic(), 0
    while True:
        claimed = lease.claim(keys, wanted, size)
        if not claimed.digests:
            return
        there = is_there(list(claimed.digests))
        done = tuple(d for d, has in zip(claimed.digests, there, strict=True) if has)
        if done:
            lease.give_back(Claimed(claimed.lease, claimed.keys, done))
        if len(done) == len(claimed.digests):
            return  # in the wake of another one: it is time to look at what is missing
        for digest, has in zip(claimed.digests, there, strict=True):
            if not has:
                yield by_digest[digest]
        seen += len(claimed.digests)
        now, left = time.monotonic(), len(by_digest) - seen
        grown = 2 * size if now - since < BLOCK_SECONDS else size
        most = max(min(grown, left // SHARE), finished.in_a_moment())
        size = max(FIRST_BLOCK, min(most, LARGEST_BLOCK))
        since = now


class Writer:
    """Gathers rows of all cuts of a pass; a thread of its own commits them from time to time.

    Use it as a context: at its end what is gathered is committed, also after an error.

    Args:
        cuts: how many cuts there are.
        commit: commits (digests, one array of rows a cut).
        is_due: whether rows of so many bytes, the first gathered at a time, should be committed.
        watchdog: sees to it that no commit takes for ever; without one it may.
    """

    def __init__(
        self,
        cuts: int,
        commit: Callable[[list[str], list[np.ndarray]], None],
        is_due: Callable[[int, float], bool],
        watchdog: Watchdog | None = None,
    ) -> None:
        self._commit = commit
        self._is_due = is_due
        self._cuts = cuts
        self._watchdog = watchdog or Watchdog(math.inf)
        self._thread = Daemons(1)
        self._under_way: Future[None] | None = None
        self._clear()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self._hand_over()
            self._wait()
        finally:
            self._thread.shutdown(wait=self._under_way is None)

    def add(self, digests: list[str], outputs: list[np.ndarray]) -> None:
        """One batch: digests, and an array (n, *feature shape) a cut.

        Waits if the commit before the last is not done yet; raises what that one raised.
        """
        if not digests:
            return
        self._digests += digests
        for gathered, output in zip(self._features, outputs, strict=True):
            gathered.append(output)
        self._size += sum(output.nbytes for output in outputs)
        if self._is_due(self._size, self._since):
            self._hand_over()

    def _hand_over(self) -> None:
        """Let the thread commit what is gathered; it is gathered no longer, even if that fails."""
        digests, gathered = self._digests, self._features
        self._clear()
        self._wait()
        if digests:
            self._under_way = self._thread.submit(self._concatenate, digests, gathered)

    def _concatenate(self, digests: list[str], gathered: list[list[np.ndarray]]) -> None:
        with self._watchdog.watched() as step:
            step.begin(f"committing {len(digests):,} rows")
            self._commit(digests, [np.concatenate(part) for part in gathered])

    def _wait(self) -> None:
        if self._under_way is not None:
            self._watchdog.await_end(self._under_way)
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def _clear(self) -> None:
        self._digests: list[str] = []
        self._features: list[list[np.ndarray]] = [[] for _ in range(self._cuts)]
        self._size = 0
        self._since = time.monotonic()
