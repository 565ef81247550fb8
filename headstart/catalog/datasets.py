"""`ws.datasets`: the datasets of a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.catalog.collection import Collection
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Manifest
from headstart.values.showable import Results

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.jobs.datasets.details import DatasetDetails
    from headstart.jobs.datasets.failures import Unread


class Datasets(Collection[Dataset]):
    """`ws.datasets`: register, refresh, list."""

    _table = "datasets"

    def add(
        self,
        name: str,
        source: str | Path,
        *,
        kind: str | None = None,
        progress: Progress = silent,
        **options: Any,
    ) -> Dataset:
        """Register a dataset.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a folder of class folders, a CSV, TSV or JSON Lines file, an `.npz` or `.npy`.
            kind: `folder`, `csv` (any table), `arrays`, or one of a plug-in; by what the source is
                without it.
            progress: called with (samples digested, samples in all).
            **options: `path_column`, `text_column`, `values`, `label_column`, `split_column`,
                `id_column`, `group_column` of a table; `labels`, a file, for arrays;
                `group_pattern`, found in the ids, for all; `root`, of a table or folder: a folder
                outside of which nothing is read, wherever paths, `..` and links lead.

        Raises:
            DatasetError: it is no dataset, or is of a kind that does not know an option.
            RegistryError: the name cannot be one.

        Warns:
            HeadstartWarning: the source holds columns or arrays that are not used.
        """
        from headstart.jobs.datasets.add import add

        added = add(self._context, name, source, kind=kind, progress=progress, **options)
        return added.dataset

    def refresh(self, name: str, progress: Progress = silent) -> Dataset:
        """Look at the source again; only files that changed are read.

        Raises:
            SourceGone: the source is not there; the dataset is kept as it was.
        """
        from headstart.jobs.datasets.refresh import refresh

        return refresh(self._context, name, progress).dataset

    def get(self, reference: str | Dataset) -> Dataset:
        """The dataset of that name."""
        return self._context.datasets.get(reference)

    def details(self, name: str | Dataset) -> DatasetDetails:
        """A dataset with its samples counted, by class and split."""
        from headstart.jobs.datasets.details import details

        return details(self._context, self.get(name))

    def list(self) -> Results[Dataset]:
        return Results(self._context.datasets.find_all())

    def failures(self, name: str) -> Results[Unread]:
        """The samples that could not be read; extractions and heads leave them out."""
        from headstart.jobs.datasets.failures import find_failures

        return find_failures(self._context, name)

    def forget_failures(self, name: str) -> Results[Unread]:
        """Let the next extraction try them again; gives what was on record."""
        from headstart.jobs.datasets.failures import forget_failures

        return forget_failures(self._context, name)

    def remove(self, name: str) -> Dataset:
        """Forget a dataset; features stay, other datasets may share them."""
        return self._context.datasets.remove(name)

    def manifest(self, dataset: Dataset | str) -> Manifest:
        """The samples of a dataset as they were last looked at."""
        return self._context.manifest(dataset)
