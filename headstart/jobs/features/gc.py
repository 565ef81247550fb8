"""`features gc`: what may be deleted, and deleting it."""

from __future__ import annotations

from dataclasses import replace

from headstart.context import Context
from headstart.extractors.cache.gc import Choice, Collector, Garbage
from headstart.extractors.cache.strays import Strays


def find_garbage(context: Context, choice: Choice | None = None) -> list[Garbage]:
    """What may be deleted: files that nobody needs, and what `choice` says besides."""
    chosen = choice or Choice()
    keys = tuple(context.feature_sets.get_set(key).key for key in chosen.sets)
    return collector_of(context).find(replace(chosen, sets=keys))


def collect(context: Context, found: list[Garbage]) -> list[Garbage]:
    """Delete what `find_garbage` found, as far as nobody uses it; gives what was deleted."""
    return collector_of(context).collect(found)


def collector_of(context: Context) -> Collector:
    """Knows what the rows of the database need now."""
    needed = {dataset.manifest for dataset in context.datasets.find_all()}
    return Collector(
        context.feature_sets,
        context.cache(),
        context.backbones.find_all(),
        context.config.manifests,
        needed,
        Strays(context.artifacts, context.config.locks, context.needed_artifacts),
        context.config.root,
    )
