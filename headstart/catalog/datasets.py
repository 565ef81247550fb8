"""`ws.datasets`: the datasets of a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.jobs.datasets import add, refresh
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Manifest


class Datasets:
    """`ws.datasets`: register, refresh, list."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def add(
        self,
        name: str,
        source: str | Path,
        *,
        kind: str | None = None,
        split: str | None = None,
        progress: Progress = silent,
        **options: Any,
    ) -> Dataset:
        """Register a dataset.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a folder of class folders, a CSV, TSV or JSON Lines file, an `.npz` or `.npy`.
            kind: `folder`, `csv` (any table), `arrays`, or one of a plug-in; by what the source is
                without it.
            split: `folders` called train, val, test (in any case), or `hash`, by the content; by
                what the source says without it. A dataset that is added again stays as it was.
            progress: called with (samples digested, samples in all).
            **options: `path_column`, `text_column`, `values`, `label_column`, `split_column`,
                `id_column`, `group_column` of a table; `labels`, a file, for arrays;
                `group_pattern`, found in the ids, for all; `root`, of a table or folder: a folder
                outside of which nothing is read, wherever paths, `..` and links lead.

        Raises:
            DatasetError: it is no dataset, is of a kind that does not know an option, or it cannot
                be told whether a folder is a class or a split.
            RegistryError: the name cannot be one.

        Warns:
            HeadstartWarning: the source holds columns, arrays or files that are not used.
            HeadstartNote: folders, or members of an `.npz`, are taken for splits.
        """
        return add.add(
            self._context, name, source, kind=kind, split=split, progress=progress, **options
        )

    def refresh(self, name: str, progress: Progress = silent) -> Dataset:
        """Look at the source again; only files that changed are read.

        Raises:
            SourceGone: the source is not there; the dataset is kept as it was.
        """
        return refresh.refresh(self._context, name, progress)

    def get(self, name: str) -> Dataset:
        return self._context.datasets.get(name)

    def list(self) -> list[Dataset]:
        return self._context.datasets.find_all()

    def remove(self, name: str) -> Dataset:
        """Forget a dataset; features stay, other datasets may share them."""
        return self._context.datasets.remove(name)

    def manifest(self, dataset: Dataset | str) -> Manifest:
        """The samples of a dataset as they were last looked at."""
        return self._context.manifest(dataset)
