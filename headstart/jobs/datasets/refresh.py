"""`ws.datasets.refresh`: a dataset's source is looked at again."""

from __future__ import annotations

from pathlib import Path

from headstart.context import Context
from headstart.errors import SourceGone
from headstart.extractors import datasets as sources
from headstart.jobs.datasets.add import described
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset


def refresh(context: Context, name: str, progress: Progress = silent) -> Dataset:
    """Look at the source again; only files that changed are read.

    Raises:
        SourceGone: the source is not there; the dataset is kept as it was.
    """
    dataset = context.datasets.get(name)
    path = Path(dataset.source)
    if not path.exists():
        raise SourceGone(
            f"the source of dataset {name!r}, {path}, is not there",
            hint="Put it back; features in the cache can still be used.",
        )
    previous = context.manifest(dataset)
    manifest = sources.scan(path, dataset.kind, dataset.options, previous, progress)
    if manifest == previous:
        return dataset
    return context.datasets.update(described(context, name, manifest, dataset.options, previous))
