"""`ws.datasets.refresh`: a dataset's source is looked at again."""

from __future__ import annotations

from headstart.context import Context
from headstart.errors import SourceGone
from headstart.extractors import datasets as sources
from headstart.jobs.datasets.add import described, warn_of_copies, warn_of_new, warn_of_skipped
from headstart.jobs.datasets.details import DatasetDetails, details_of
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Manifest


def refresh(context: Context, name: str | Dataset, progress: Progress = silent) -> DatasetDetails:
    """Look at the source again; only files that changed are read.

    Raises:
        SourceGone: the source is not there; the dataset is kept as it was.
    """
    return details_of(context, *look_again(context, name, progress))


def look_again(
    context: Context, name: str | Dataset, progress: Progress = silent
) -> tuple[Dataset, Manifest]:
    """As `refresh`, without asking what could not be read: every extraction begins with it.

    Where somebody else changed the dataset meanwhile (dealt it anew, say), it is looked at once
    more, from what they made of it.

    Raises:
        SourceGone: see `refresh`.
    """
    while True:
        dataset = context.datasets.get(name)
        if sources.is_gone(dataset.source):
            raise SourceGone(
                f"the source of dataset {dataset.name!r}, {dataset.source}, is not there",
                hint="Put it back; features in the cache can still be used.",
            )
        previous = context.manifest(dataset)
        options, skipped = sources.as_stored(dataset.options), list[str]()
        opened = sources.open_source(dataset.kind, dataset.source, options, context.artifacts)
        manifest = sources.rescan(opened, options, previous, progress, skipped)
        if manifest is previous:
            return dataset, previous
        own = ("skipped", "unused")
        others = {key: value for key, value in dataset.options.items() if key not in own}
        stored = others | sources.listed(skipped)
        stored |= warn_of_new(opened, dataset.options.get("unused"))
        if manifest == previous and stored == dataset.options:
            return dataset, previous
        found = described(context, dataset.name, manifest, stored, previous)
        updated = context.datasets.update(found, instead_of=dataset)
        if updated is not None:
            if stored.get("skipped") != dataset.options.get("skipped"):
                warn_of_skipped(opened.source, skipped)
            warn_of_copies(opened.source, manifest, previous)
            return updated, manifest
