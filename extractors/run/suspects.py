"""Samples that workers may have ended at: they are computed apart, and given up after some tries.

A decoder that crashes takes its process with it, and nobody is left to say at which sample; one
that hangs, or fails with an error of nobody's, ends it too. The ledger knows what the process had
claimed. Those samples are computed in small blocks at the second try and one at a time at the
third; one that had a worker for itself, and that worker ended again, is given up. Each block has a
lease of its own, so that what is counted at its end is the block.

Where it is not the sample that ends workers but their machine, the last try would be any sample's
fault. So none gets it but in a process that has computed something: if need be again what is there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

from headstart.extractors.run.writer import FIRST_BLOCK

TRIES = 3
BLOCK = 32
"""Samples that are computed together at the second try."""
GIVEN_UP = f"{TRIES} workers died, hung or failed that had it, the last of them nothing else"

Column = tuple[int, str]
"""What rows are of: the number of a view among those of a run, and a cut."""
Missing = dict[int, tuple[Column, ...]]
"""Numbers of samples to the columns that have no row for them."""


class Suspects:
    """Those of one job.

    Args:
        job: its number; None outside of jobs, where nobody counts tries.
        find_tries: looks at the ledger; see `JobRepository.find_tries`.
    """

    def __init__(
        self, job: int | None = None, find_tries: Callable[[], dict[str, int]] = dict
    ) -> None:
        self.job = job
        self._find_tries = find_tries
        self._tries: dict[str, int] = {}

    def given_up(self, digests: Sequence[str]) -> list[str]:
        """Look at the ledger; gives which of these samples had all their tries."""
        self._tries = self._find_tries()
        if not self._tries:
            return []
        return [digest for digest in digests if self._tries.get(digest, 0) >= TRIES]

    def parts(
        self,
        missing: Missing,
        digests_of: Callable[[Iterable[int]], list[str]],
        prove: Callable[[int], None],
    ) -> Iterator[Missing]:
        """What is missing, in parts to be claimed one after the other: all that is above suspicion
        first, each worker of a job from another place on: who begins where others did finds all
        claimed or committed, block by block.

        Args:
            missing: samples by number.
            digests_of: the digests of samples of some numbers, in the same order.
            prove: shows that this process can compute, before so many samples have their last try.
        """
        if self.job is None:
            yield missing
            return
        if not self._tries:
            yield _from_somewhere(missing)
            return
        tries = [self._tries.get(digest, 0) for digest in digests_of(missing)]
        for counted, size in ((0, len(missing)), (1, BLOCK), (2, 1)):
            rows = [row for row, has in zip(missing, tries, strict=True) if has == counted]
            if rows and counted == TRIES - 1:
                prove(len(rows))
            for start in range(0, len(rows), max(1, size)):
                yield {row: missing[row] for row in rows[start : start + size]}


def _from_somewhere(missing: Missing) -> Missing:
    rows = list(missing)
    if len(rows) <= FIRST_BLOCK:
        return missing
    start = secrets.randbelow(len(rows))  # whoever seeds `random` seeds it alike in all workers
    return {row: missing[row] for row in (*rows[start:], *rows[:start])}
