"""What is old: behind the newest so many, and from before some moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from headstart.errors import InvalidValue
from headstart.values.moments import moment
from headstart.values.showable import Showable

T = TypeVar("T")


@dataclass(frozen=True)
class Pruned(Showable):
    """What is old, and was removed if that was asked for.

    Attributes:
        kind: `head`, `sweep` or `run`.
        removed: each by its name or number; what would be, where it was only looked.
        spared: what is old and stays, each with why.
        is_applied: whether they are removed.
    """

    kind: str
    removed: tuple[str, ...]
    spared: tuple[str, ...] = ()
    is_applied: bool = False

    def _line(self) -> str:
        done = "removed" if self.is_applied else "would be removed"
        return f"{len(self.removed):,} {self.kind}s {done}, {len(self.spared):,} spared"


@dataclass(frozen=True)
class Age:
    """What counts as old: all of what is asked.

    Attributes:
        keep: so many of the newest are not.
        before: nor is what was made after that; None where only their number counts.
    """

    keep: int = 0
    before: datetime | None = None

    @staticmethod
    def read(keep: int | None, older: str | datetime | None) -> Age:
        """From words.

        Args:
            keep: 0 or more.
            older: a moment, or how long ago, such as `90d`.

        Raises:
            InvalidValue: neither is given, or one cannot be that.
        """
        if keep is None and older is None:
            raise InvalidValue(
                "nothing says what is old", hint="Give how many to keep, or older: such as 90d."
            )
        if keep is not None and keep < 0:
            raise InvalidValue(f"keep is {keep}", hint="Give 0 or more.")
        return Age(keep or 0, None if older is None else moment(older))

    def old(self, newest_first: Sequence[T], made: Callable[[T], datetime | None]) -> list[T]:
        """Those that are.

        Args:
            newest_first: things of one kind.
            made: when one was made.
        """
        behind = newest_first[self.keep :]
        if self.before is None:
            return [*behind]
        return [one for one in behind if (when := made(one)) is not None and when < self.before]
