"""Reading a dataset's source into a manifest, and its samples' content again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError, SampleChanged, StorageError
from headstart.extractors.datasets.arrays import (
    ARRAY_SUFFIXES,
    Options,
    load_arrays,
    scan_arrays,
    to_raw,
)
from headstart.extractors.datasets.folders import folder_rows
from headstart.extractors.datasets.named_files import HINT, read_named, root_of
from headstart.extractors.datasets.rows import (
    FileRow,
    Grouping,
    check_groups,
    is_utf8,
    placed,
    stat_of,
)
from headstart.extractors.datasets.tables import TABLE_SUFFIXES, Table
from headstart.progress import Progress
from headstart.storage.files import sha256_of_file
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Manifest, Sample

KINDS = ("folder", "csv", "arrays")
"""`csv` stands for every table: CSV, TSV and JSON Lines."""
HASHING_THREADS = 4


def _silent(_done: int, _total: int) -> None:
    """The progress of callers who do not look."""


def kind_of(source: Path, kind: str | None) -> str:
    """The dataset's kind: as given, or by what the source is.

    Raises:
        DatasetError: the source does not exist, or is none of the known kinds.
    """
    if kind is not None and kind not in KINDS:
        raise DatasetError(f"no dataset kind {kind!r}", hint=f"The kinds are {', '.join(KINDS)}.")
    if not source.exists():
        raise DatasetError(f"no file or folder {source}", hint="Check the path.")
    if kind is not None:
        return kind
    if source.is_dir():
        return "folder"
    if source.suffix.lower() in TABLE_SUFFIXES:
        return "csv"
    if source.suffix.lower() in ARRAY_SUFFIXES:
        return "arrays"
    raise DatasetError(
        f"{source} is none of: a folder of class folders, .csv, .tsv, .jsonl, .npz, .npy",
        hint="Say which with --kind, or convert it.",
    )


def scan(
    source: Path,
    kind: str,
    options: Options,
    previous: Manifest | None = None,
    progress: Progress = _silent,
) -> Manifest:
    """Read a source into a manifest.

    Args:
        source: absolute path.
        kind: one of `KINDS`.
        options: of the kind: `path_column`, `text_column`, `values`, `label_column`,
            `split_column`, `id_column`, `group_column` for tables, `labels` for arrays,
            `group_pattern` for all.
        previous: what was known; digests of files whose size, mtime and inode are unchanged are
            taken from it, not computed.
        progress: called with (files looked at, files in all).

    Raises:
        DatasetError: the source is not a valid dataset; the message names file and row.
    """
    if not is_utf8(str(source)):
        raise DatasetError(f"the path {source} is not UTF-8", hint="Rename it, or its folder.")
    if kind == "arrays":
        stat = _stat_of_arrays(source, options)
        if previous is not None and previous.samples[0].stat == stat:
            return previous
        samples = scan_arrays(source, options, stat)
    elif kind == "folder":
        rows = list(folder_rows(source, Grouping(options), root_of(options)))
        samples = _digest_files(rows, previous, progress)
    else:
        samples = _scan_table(Table(source, options), previous, progress)
    if not samples:
        raise DatasetError(f"{source} lists no samples")
    _check_texts(samples, source)
    _check_ids(samples, source)
    check_groups(samples, source)
    return Manifest(kind, str(source), tuple(samples))


def _check_texts(samples: Sequence[Sample], source: Path) -> None:
    """See that all names can be written as UTF-8: bytes of a file name may be no text at all."""
    for sample in samples:
        for text in (sample.id, sample.label, sample.group, sample.location):
            if isinstance(text, str) and not is_utf8(text):
                raise DatasetError(
                    f"{source}: the name {text} is not UTF-8",
                    hint="Rename the file, or mend the row; `convmv` renames whole folders.",
                )


class SampleReader:
    """Gives a sample's raw content, after it was found to be what the manifest says."""

    def __init__(self, manifest: Manifest, options: Options) -> None:
        self._manifest = manifest
        self._options = options
        self._root = root_of(options)

    def read(self, sample: Sample) -> Any:
        """The bytes of a file or a text, a row of an array, or those by the inputs' names.

        Raises:
            SampleChanged: the content is not what was registered, or the file is gone.
        """
        if not isinstance(sample.location, int):
            raw = read_named(Path(sample.location), self._root)
        elif self._manifest.kind == "arrays":
            if sample.location >= len(self._values):
                raise SampleChanged(f"row {sample.id} is gone from the arrays", hint=HINT)
            raw = to_raw(self._values[sample.location])
        else:
            raw = self._table.raw(sample.location)
        if digest_of(raw) != sample.digest:
            raise SampleChanged(
                f"sample {sample.id!r} has changed since the dataset was read", hint=HINT
            )
        return raw

    @cached_property
    def _values(self) -> Any:
        return load_arrays(Path(self._manifest.source), self._options)["values"]

    @cached_property
    def _table(self) -> Table:
        return Table(Path(self._manifest.source), self._options)


def _scan_table(table: Table, previous: Manifest | None, progress: Progress) -> list[Sample]:
    if table.is_of_files:
        rows = [FileRow(row.id, *table.file(row), row.label, row.split, row.group) for row in table]
        return _digest_files(rows, previous, progress)
    stat = _stat_of(table.source)
    samples = []
    for row in table:
        digest = digest_of(table.raw(row.number))
        samples.append(
            placed(row.id, digest, row.label, row.number, stat, split=row.split, group=row.group)
        )
    return samples


def _digest_files(
    rows: list[FileRow], previous: Manifest | None, progress: Progress
) -> list[Sample]:
    """Samples in the rows' order; only files that changed are read."""
    known = {sample.location: sample for sample in (previous.samples if previous else ())}
    # The splits of a table may have come from a column; those of a folder follow from content.
    is_folder = previous is not None and previous.kind == "folder"
    samples = [_known(row, known.get(row.location), is_folder) for row in rows]
    changed = [number for number, sample in enumerate(samples) if sample is None]
    done = len(rows) - len(changed)
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        found = pool.map(_digest_file, (rows[number] for number in changed))
        for number, digest in zip(changed, found, strict=True):
            samples[number] = _placed(rows[number], digest)
            progress(done := done + 1, len(rows))
    return [sample for sample in samples if sample is not None]


def _known(row: FileRow, before: Sample | None, is_folder: bool) -> Sample | None:
    """The sample of a file that has not changed; the same object, if its row has not either."""
    if before is None or before.stat != row.stat:
        return None
    if is_folder and (row.id, row.label, row.group) == (before.id, before.label, before.group):
        return before
    sample = _placed(row, before.digest)
    return before if sample == before else sample


def _placed(row: FileRow, digest: str) -> Sample:
    return placed(
        row.id, digest, row.label, row.location, row.stat, split=row.split, group=row.group
    )


def _digest_file(row: FileRow) -> str:
    try:
        return sha256_of_file(Path(row.location))
    except StorageError:
        raise
    except OSError as error:
        raise DatasetError(f"cannot read {row.location}: {error.strerror or error}") from error


def _stat_of(path: Path) -> tuple[int, ...]:
    try:
        return stat_of(path.stat())
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def _stat_of_arrays(source: Path, options: Options) -> tuple[int, ...]:
    labels = options.get("labels")
    return _stat_of(source) + (_stat_of(Path(labels)) if labels is not None else ())


def _check_ids(samples: Sequence[Sample], source: Path) -> None:
    counts = Counter(sample.id for sample in samples)
    twice = [id_ for id_, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(
            f"{source}: the id {twice[0]!r} occurs {counts[twice[0]]} times"
            + (f" (and {len(twice) - 1} more ids)" if len(twice) > 1 else ""),
            hint="Ids must be unique; give a column of ids with --id-column.",
        )
