"""What a person should look at: samples whose labels are doubted, or that have none, and of which
nothing was said yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.context import Context
from headstart.jobs.datasets.audit import Suspect
from headstart.jobs.heads.care.label_next import ToLabel
from headstart.registry.audit.corrections import APPLIED, KEEP, PENDING
from headstart.registry.entities import Dataset
from headstart.values.showable import Showable

Doubt = Suspect | ToLabel


@dataclass(frozen=True)
class Queue(Showable):
    """See this module.

    Attributes:
        suspects: that are left, the first to be looked at first.
        done: of how many something was said.
        total: how many were found.
    """

    suspects: tuple[Doubt, ...]
    done: int
    total: int

    def at(self, place: int) -> Doubt | None:
        """The one at a place, from 0; the last beyond it, None where none is left."""
        return self.suspects[min(place, len(self.suspects) - 1)] if self.suspects else None

    def place_of(self, id_: str) -> int:
        """Where a sample stands, from 0; the first place where it is not among them."""
        return next((at for at, one in enumerate(self.suspects) if one.sample.id == id_), 0)

    def _facts(self) -> dict[str, Any]:
        return {"suspects": self.suspects, "done": self.done, "total": self.total}


def queue_of(context: Context, dataset: Dataset, found: Sequence[Doubt]) -> Queue:
    """What is left of what was found.

    Args:
        context: of the workspace.
        dataset: that was looked at.
        found: in it, as it is.
    """
    said = context.corrections.find(dataset.name, (PENDING, APPLIED))
    pending = {one.sample for one in said if one.state == PENDING}
    right = {(one.sample, one.digest, one.before) for one in said if one.action == KEEP}
    left = tuple(
        one
        for one in found
        if one.sample.id not in pending
        and (one.sample.id, one.sample.digest, one.sample.label) not in right
    )
    return Queue(left, len(found) - len(left), len(found))
