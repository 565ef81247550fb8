"""`ws.datasets.add`: a source is looked at and registered as a dataset."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import DatasetError, NotFound
from headstart.extractors import datasets as sources
from headstart.notices import warn
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.registry.names import check_name
from headstart.storage.manifest import Manifest

NAMED = 8
"""Things that a source holds and does not use, in one warning."""


def add(
    context: Context,
    name: str,
    source: str | Path,
    *,
    kind: str | None = None,
    split: str | None = None,
    progress: Progress = silent,
    **options: Any,
) -> Dataset:
    """See `Datasets.add`."""
    check_name(name, "dataset")
    chosen, place = sources.kind_of(source, kind), sources.located(source)
    known = sources.SOURCES
    given = sources.checked(known[chosen], options, known.values())
    before = _find_same(context, name, chosen, place)
    if split is None and before is not None:
        given |= sources.split_options(before.options)
    else:
        given |= sources.asked(known[chosen], split)
    previous = _find_previous(context, name)
    opened = sources.open_source(chosen, place, given)
    manifest = sources.scan(opened, given, previous, progress)
    if unused := opened.unused():
        more = f" and {len(unused) - NAMED:,} more" if len(unused) > NAMED else ""
        warn(f"{opened.source}: not used: {', '.join(unused[:NAMED])}{more}")
    stored = sources.settled(given, getattr(opened, "found", {}))
    return context.datasets.add(described(context, name, manifest, stored, previous))


def described(
    context: Context,
    name: str,
    manifest: Manifest,
    options: dict[str, Any],
    previous: Manifest | None,
) -> Dataset:
    """What the registry knows of a dataset; its manifest is written."""
    return Dataset(
        name=name,
        kind=manifest.kind,
        source=manifest.source,
        options=options,
        digest=manifest.digest,
        manifest=manifest.write(context.config.manifests, previous),
        samples=len(manifest.samples),
        unique=manifest.unique,
        classes=[str(label) for label in manifest.classes],
    )


def _find_same(context: Context, name: str, kind: str, place: str) -> Dataset | None:
    """The dataset of that name, if it is of the same source: it is only looked at again."""
    with suppress(NotFound):
        known = context.datasets.get(name)
        return known if (known.kind, known.source) == (kind, place) else None
    return None


def _find_previous(context: Context, name: str) -> Manifest | None:
    with suppress(NotFound, DatasetError):
        return context.manifest(name)
    return None
