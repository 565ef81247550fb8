"""`features gc`: what may be deleted, and deleting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headstart.context import Context
from headstart.extractors.cache.gc import Choice, Collector, Garbage, Needed
from headstart.extractors.cache.strays import Strays
from headstart.registry.jobs import UNFINISHED
from headstart.storage.contents import Contents
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class Collected(Showable):
    """What was found, and what of it was deleted.

    Attributes:
        found: all of it.
        deleted: of that; nothing where it was only looked for.
        is_applied: whether it was to be deleted.
    """

    found: Results[Garbage]
    deleted: Results[Garbage]
    is_applied: bool

    @property
    def bytes(self) -> int:
        """That were freed, or would be."""
        chosen = self.deleted if self.is_applied else self.found
        return sum(one.size for one in chosen if not one.held)

    def _facts(self) -> dict[str, Any]:
        return {
            "applied": self.is_applied,
            "bytes": self.bytes,
            "found": self.found,
            "deleted": [one.what for one in self.deleted],
        }

    def _line(self) -> str:
        done = "freed" if self.is_applied else "to be freed"
        return f"{len(self.found):,} found, {self.bytes:,} bytes {done}"


def gc(context: Context, choice: Choice | None = None, *, apply: bool = False) -> Collected:
    """See `Cache.gc`."""
    found = find_garbage(context, choice)
    return Collected(found, collect(context, found) if apply else Results(), apply)


def find_garbage(context: Context, choice: Choice | None = None) -> Results[Garbage]:
    """What may be deleted: files that nobody needs, and what `choice` says besides."""
    chosen = choice or Choice()
    keys = tuple(context.feature_sets.get_set(key).key for key in chosen.sets)
    return Results(collector_of(context).find(replace(chosen, sets=keys)))


def collect(context: Context, found: Sequence[Garbage]) -> Results[Garbage]:
    """Delete what `find_garbage` found, as far as nobody uses it; gives what was deleted."""
    return Results(collector_of(context).collect(found))


def collector_of(context: Context) -> Collector:
    """Knows what the rows of the database need, whenever it looks."""
    contents = Contents(context.config.contents)

    def find_needed() -> Needed:
        datasets = context.datasets.find_all()
        kept = {contents.find_name(one.source) for one in datasets}
        planned = {
            job.plan["manifest"] for job in context.jobs.find_all(UNFINISHED) if not job.is_task
        }
        return Needed({one.manifest for one in datasets} | planned, kept - {None})

    return Collector(
        context.feature_sets,
        context.cache(),
        context.backbones.find_all(),
        context.manifests,
        find_needed,
        Strays(context.artifacts, context.holds, context.needed_artifacts),
        context.config.root,
    )
