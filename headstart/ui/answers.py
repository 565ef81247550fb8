"""Answers about labels, of several people at once: each takes back their own, and is told where an
answer took the place of another one, or was meant for a sample as it is no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headstart.registry.audit.corrections import EXCLUDE, LABEL, Correction
from headstart.registry.entities import Dataset
from headstart.ui.asked import whole_of

MOST = 20
"""Answers of one tab that can be taken back by its key, the latest first."""


@dataclass(frozen=True)
class Answers:
    """What was said in one tab; its addresses and forms carry it, as all who have the page's token
    are one user.

    Attributes:
        said: numbers of the answers, the latest first.
        over: number of the answer of another that the latest took the place of; 0 for none.
        is_stale: whether what was said last was not written down, as the dataset had changed.
    """

    said: tuple[int, ...] = ()
    over: int = 0
    is_stale: bool = False

    @staticmethod
    def asked(get: Callable[[str], str]) -> Answers:
        """What fields say, of a form or of an address.

        Raises:
            InvalidValue: that is no number.
        """
        numbers = get("said").split(",") if get("said") else []
        said = tuple(whole_of(one, "said", least=1) for one in numbers[:MOST])
        return Answers(said, whole_of(get("over") or "0", "over"), bool(get("stale")))

    @property
    def fields(self) -> dict[str, str]:
        """What of it goes on from screen to screen."""
        return {"said": ",".join(map(str, self.said))} if self.said else {}

    @property
    def news(self) -> dict[str, str]:
        """What of it is told once."""
        told = {"over": str(self.over)} if self.over else {}
        return {**told, "stale": "1"} if self.is_stale else told

    def then(self, made: Sequence[Correction], over: Sequence[Correction]) -> Answers:
        """Behind further answers, which took the place of others."""
        numbers = tuple(one.id for one in reversed(made))
        return Answers((*numbers, *self.said)[:MOST], over[0].id if over else 0)

    def without(self, number: int) -> Answers:
        """Behind one that was taken back."""
        return Answers(tuple(one for one in self.said if one != number))

    def latest(self, pending: Sequence[Correction]) -> Correction | None:
        """The last answer of this tab that can be taken back."""
        by_number = {one.id: one for one in pending}
        return next((by_number[one] for one in self.said if one in by_number), None)


def is_for(version: str, dataset: Dataset) -> bool:
    """Whether a form that was made of a version is of the dataset as it is; one that says nothing
    of it was made by no page."""
    return version in ("", dataset.digest)


def gone_over(
    made: Sequence[Correction], pending: Sequence[Correction], own: Sequence[int] = ()
) -> list[Correction]:
    """The answers that others took the place of, where they said something else.

    Args:
        made: what was just said.
        pending: all that is pending, the newest first.
        own: numbers of what the same tab said before.
    """
    now = {one.sample: one for one in made}
    before: dict[str, Correction] = {}
    for one in pending:
        if one.sample in now and one.id < now[one.sample].id:
            before.setdefault(one.sample, one)
    return [
        one
        for sample, one in before.items()
        if one.id not in own and (one.action, one.after) != (now[sample].action, now[sample].after)
    ]


def words_of(one: Correction) -> str:
    """What somebody said of a sample."""
    if one.action == LABEL:
        return f"is {one.after}"
    return "is to be left out" if one.action == EXCLUDE else "is right as it is"
