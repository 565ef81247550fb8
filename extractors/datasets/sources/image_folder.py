"""Hugging Face's imagefolder: a folder of files with a `metadata.csv` or `.jsonl` that names them.

https://huggingface.co/docs/datasets/image_dataset, "ImageFolder": the column `file_name` has paths
relative to the metadata, which stand at the top or in the folders of splits.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from headstart.errors import DatasetError, StorageError
from headstart.extractors.datasets.named_files import (
    check_relative,
    digest_of_file,
    is_folder,
    is_there,
    own_root_of,
    read_named,
)
from headstart.extractors.datasets.options import (
    GROUP_COLUMN,
    GROUP_PATTERN,
    ID_COLUMN,
    LABEL_COLUMN,
    ROOT,
    SPLIT_COLUMN,
    WEIGHT_COLUMN,
)
from headstart.extractors.datasets.places import is_far
from headstart.extractors.datasets.rows import Skipping, find_split
from headstart.extractors.datasets.source import NO, SURE, Entry, Location, Option, Options
from headstart.extractors.datasets.sources.folder_files import entries_below
from headstart.extractors.datasets.sources.folders import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    TEXT_SUFFIXES,
)
from headstart.extractors.datasets.sources.tables.columns import UNLABELLED, cell_in
from headstart.extractors.datasets.sources.tables.files import Placed
from headstart.extractors.datasets.sources.tables.tables import Table, TableRow
from headstart.extractors.datasets.split_rule import is_unsettled
from headstart.notices import tell
from headstart.storage.files import open_regular

METADATA = ("metadata.csv", "metadata.jsonl")
FILE_NAME = "file_name"
HEAD = 1 << 16
"""Bytes of a metadata file that are looked at to tell whether it names files."""


class ImageFolderSource:
    """A folder with metadata; see `DatasetSource`. A sample's location is the path of its file."""

    kind: ClassVar[str] = "imagefolder"
    what: ClassVar[str] = "a folder with metadata.csv or .jsonl (Hugging Face's imagefolder)"
    options: ClassVar[tuple[Option, ...]] = (
        LABEL_COLUMN,
        SPLIT_COLUMN,
        GROUP_COLUMN,
        GROUP_PATTERN,
        WEIGHT_COLUMN,
        ID_COLUMN,
        ROOT,
    )
    splits_may_move: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.skipped: list[str] = []
        self._folder = Path(source)
        self._options = options
        self._within = own_root_of(source, options)
        self._unused: list[str] = []

    @staticmethod
    def recognise(source: str) -> float:
        is_one = is_folder(Path(source)) and any(_names_files(one) for one in _found(Path(source)))
        return SURE if is_one else NO

    def stamp(self) -> tuple[int, ...]:
        return ()  # the metadata may be the same, and a file that they name another

    def scan(self) -> Iterator[Entry]:
        """The files that the metadata name, in their order.

        Raises:
            DatasetError: there are no metadata, they have no column of labels and none may be it,
                or name a file that is not there.
        """
        skipping = Skipping(self._options)
        self.skipped = skipping.skipped
        tables = [Table(one, self._of_table) for one in self._metadata]
        self._say(tables)
        used: set[str] = set()
        for table in tables:
            for number, placed in enumerate(table.rows()):
                entry = skipping.of(partial(self._entry, table, number, placed))
                if entry is not None:
                    used.add(str(entry.location))
                    yield entry
        columns = dict.fromkeys(one for table in tables for one in table.unused())
        self._unused = [*columns, *self._files_beside(used)]

    def digest(self, location: Location) -> str:
        return digest_of_file(Path(str(location)), self._within)

    def locations(self) -> Iterator[Location]:
        options = {**self._of_table, "label_column": UNLABELLED}
        for one in self._metadata:
            table = Table(one, options)
            for number, placed in enumerate(table.rows()):
                yield self._file(table, table.read(number, placed))[0]

    def read(self, location: Location) -> Any:
        return read_named(Path(str(location)), self._within)

    def unused(self) -> Sequence[str]:
        """Columns that nothing is taken from, and files that no metadata name."""
        return self._unused

    @cached_property
    def _metadata(self) -> list[Path]:
        found = _found(self._folder)
        if not found:
            raise DatasetError(
                f"{self.source} holds no {' or '.join(METADATA)}",
                hint="--kind folder takes the folders for classes.",
            )
        return found

    @property
    def _of_table(self) -> dict[str, Any]:
        root = None if self._within is None else str(self._within)
        return {**self._options, "root": root, "path_column": FILE_NAME}

    def _entry(self, table: Table, number: int, placed: Placed) -> Entry:
        row = table.read(number, placed)
        path, stat = self._file(table, row)
        folder = Path(table.source).parent
        above = folder.relative_to(self._folder).as_posix()
        id_ = row.id if above == "." else f"{above}/{row.id}"
        split = row.split or self._splits.get(_top(folder, self._folder))
        if split is None:
            split = self._splits.get(_top(Path(path).parent, self._folder))
        return Entry(id_, path, stat, row.label, split, row.group, weight=row.weight)

    def _file(self, table: Table, row: TableRow) -> tuple[str, tuple[int, ...]]:
        """The file of a row, and by what its change is seen; see `Table.stat`.

        Raises:
            DatasetError: also if its name leads out of the folder.
        """
        check_relative(cell_in(row.content, FILE_NAME, row.where), row.where)
        place = table.place(row)
        if is_far(place):
            raise DatasetError(
                f"{row.where}: {FILE_NAME} is an address, and no file of the folder",
                hint="A table of addresses is a dataset of its own: --kind csv.",
            )
        return place, table.stat(row)

    @cached_property
    def _splits(self) -> dict[str, str]:
        """The split of each folder at the top, where all are called like splits, of which there
        are several."""
        names = [one.name for one in self._folder.iterdir() if one.is_dir()]
        names = [name for name in names if not name.startswith(".")]
        found = {name: split for name in names if (split := find_split(name))}
        is_said = len(found) == len(names) and len(set(found.values())) > 1
        return found if is_said else {}

    def _files_beside(self, used: set[str]) -> list[str]:
        """Files that can be samples, and are not named by the metadata."""
        known = IMAGE_SUFFIXES | AUDIO_SUFFIXES | TEXT_SUFFIXES
        others: list[Any] = []
        found = [*entries_below(self._folder, known, self._within, others), *others]
        read = {*used, *(str(one) for one in self._metadata)}
        left = [one.path for one in found if one.path not in read]
        return [f"file {str(Path(path).relative_to(self._folder))!r}" for path in left]

    def _say(self, tables: Sequence[Table]) -> None:
        if not is_unsettled(self._options):
            return
        names = ", ".join(str(Path(one.source).relative_to(self._folder)) for one in tables)
        label = tables[0].label_column
        labels = f"labels are those of column {label!r}" if label else "they have no labels"
        splits = f"; {', '.join(sorted(self._splits))} are splits" if self._splits else ""
        tell(f"{self.source}: the samples are those that {names} names; {labels}{splits}")


def _top(path: Path, folder: Path) -> str:
    """The folder at the top in which a path is; empty where it is none."""
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
    return parts[0] if parts else ""


def _found(folder: Path) -> list[Path]:
    """The metadata of a folder: at the top, else in its folders."""
    try:
        beside = [folder / name for name in METADATA]
        top = [one for one in beside if is_there(one)]
        if top:
            return top
        return sorted(one for name in METADATA for one in folder.glob(f"*/{name}"))
    except OSError:
        return []


def _names_files(path: Path) -> bool:
    """Whether the first row of a metadata file has a column of files."""
    try:
        with open_regular(path) as file:
            return names_files(file.read(HEAD))
    except (OSError, StorageError):
        return False


def names_files(head: bytes) -> bool:
    """Whether the first row of metadata has a column of files, by their first `HEAD` bytes: a table
    that begins with names, or lines of JSON."""
    line = head.decode("utf-8-sig", "replace").lstrip().partition("\n")[0]
    try:
        if not line.startswith("{"):
            return FILE_NAME in next(csv.reader([line]), [])
        return FILE_NAME in json.loads(line)
    except (ValueError, TypeError, RecursionError, csv.Error):
        return False
