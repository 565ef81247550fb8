"""What a person should look at: labels that an audit doubts, of which nothing was said yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from headstart.context import Context
from headstart.jobs.datasets.audit import Audit, Suspect
from headstart.jobs.exploration.samples import find_by_id
from headstart.registry.audit.corrections import APPLIED, KEEP, PENDING
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Manifest, Sample
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Queue(Showable):
    """See this module.

    Attributes:
        suspects: that are left, the surest first.
        done: of how many something was said.
        total: how many the audit found.
    """

    suspects: tuple[Suspect, ...]
    done: int
    total: int

    def at(self, place: int) -> Suspect | None:
        """The one at a place, from 0; the last beyond it, None where none is left."""
        return self.suspects[min(place, len(self.suspects) - 1)] if self.suspects else None

    def place_of(self, id_: str) -> int:
        """Where a sample stands, from 0; the first place where it is not among them."""
        return next((at for at, one in enumerate(self.suspects) if one.sample.id == id_), 0)

    def _facts(self) -> dict[str, Any]:
        return {"suspects": self.suspects, "done": self.done, "total": self.total}


def queue_of(context: Context, dataset: Dataset, audit: Audit) -> Queue:
    """What is left of an audit's doubts.

    Args:
        context: of the workspace.
        dataset: that was looked at.
        audit: of it, as it is.
    """
    said = context.corrections.find(dataset.name, (PENDING, APPLIED))
    pending = {one.sample for one in said if one.state == PENDING}
    right = {(one.sample, one.digest, one.before) for one in said if one.action == KEEP}
    found = audit.suspects or []
    left = tuple(
        one
        for one in found
        if one.sample.id not in pending
        and (one.sample.id, one.sample.digest, one.sample.label) not in right
    )
    return Queue(left, len(found) - len(left), len(found))


def left_of(audit: Audit, manifest: Manifest) -> Audit:
    """What an audit found of samples that are in the dataset still, with the same label."""
    now = {one.id: one.label for one in find_by_id(manifest, _ids(audit))}

    def is_there(sample: Sample) -> bool:
        return sample.id in now and now[sample.id] == sample.label

    suspects = audit.suspects and [one for one in audit.suspects if is_there(one.sample)]
    twins = [one for one in audit.twins if one.first.id in now and one.second.id in now]
    return replace(audit, suspects=suspects, twins=twins)


def _ids(audit: Audit) -> list[str]:
    found = [one.sample for one in audit.suspects or ()]
    found += [one for pair in audit.twins for one in (pair.first, pair.second)]
    return list(dict.fromkeys(one.id for one in found))
