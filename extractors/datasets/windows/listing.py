"""From a source's long samples to a manifest of their windows.

Long samples are read, split and grouped as any others; their windows then stand where they stand.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from headstart.errors import DatasetError, SampleError
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.scan import rescan as rescan_plain
from headstart.extractors.datasets.scan import scan as scan_plain
from headstart.extractors.datasets.source import DatasetSource, Options
from headstart.extractors.datasets.windows.source import WindowSource
from headstart.progress import Progress, silent
from headstart.storage.columns.block import Block, Lists
from headstart.storage.columns.samples import LARGEST_BLOCK, SampleColumns
from headstart.storage.manifest import Manifest, Sample
from headstart.storage.windowed.places import Located, find_content, find_window
from headstart.storage.windowed.wholes import are_windows, wholes_of, windows_of

MOST = 10_000_000
"""Windows of a dataset."""
Parts = list[tuple[str, str, str]]
"""Of each window of a sample its name, its digest and its location."""


def scan(
    source: DatasetSource,
    options: Options,
    previous: Manifest | None = None,
    progress: Progress = silent,
    *,
    keeps: bool = True,
    skipped: list[str] | None = None,
) -> Manifest:
    """As `extractors.datasets.scan.scan`, with the samples cut into windows where that was asked.

    Raises:
        DatasetError: also where a sample cannot be cut so.
    """
    left_out = [] if skipped is None else skipped
    before = None if previous is None else wholes_of(previous)
    inner = source.inner if isinstance(source, WindowSource) else source
    found = scan_plain(inner, options, before, progress, keeps=keeps, skipped=left_out)
    if not isinstance(source, WindowSource):
        return found
    return _in_windows(source, found, options, _Known(None), left_out)


def rescan(
    source: DatasetSource,
    options: Options,
    previous: Manifest,
    progress: Progress = silent,
    skipped: list[str] | None = None,
) -> Manifest:
    """As `extractors.datasets.scan.rescan`; samples that are as before have the windows of before,
    and are not looked at."""
    if not isinstance(source, WindowSource):
        return rescan_plain(source, options, previous, progress, skipped)
    before, left_out = wholes_of(previous), [] if skipped is None else skipped
    found = rescan_plain(source.inner, options, before, progress, left_out)
    if found is before:
        return previous
    return _in_windows(source, found, options, _Known(previous), left_out)


class _Known:
    """The windows of each content that a manifest lists; of copies, those of the first.

    Where they stand is kept, and not what they are: there may be millions.
    """

    def __init__(self, manifest: Manifest | None) -> None:
        self._columns = SampleColumns.of(()) if manifest is None else manifest.columns
        self._rows: dict[str, tuple[int, int]] = {}
        row, before, first = 0, None, 0
        are_there = manifest is not None and are_windows(manifest.samples)
        for block in self._columns.blocks() if are_there else ():
            for id_, location in zip(block.ids, block.locations, strict=True):
                whole = id_.rpartition("#")[0], find_content(location)
                if whole != before:
                    self._end(before, first, row)
                    before, first = whole, row
                row += 1
        self._end(before, first, row)

    def parts(self, content: str) -> Parts:
        """Those of a content; none where it is not known."""
        if content not in self._rows:
            return []
        start, stop = self._rows[content]
        return [
            (one.id.rpartition("#")[2], one.digest, str(one.location))
            for one in self._columns.take(np.arange(start, stop))
        ]

    def _end(self, whole: tuple[str, str | None] | None, first: int, row: int) -> None:
        if whole is not None and whole[1] is not None:
            self._rows.setdefault(whole[1], (first, row))


def _in_windows(
    source: WindowSource,
    manifest: Manifest,
    options: Options,
    known: _Known,
    skipped: list[str],
) -> Manifest:
    skipping, blocks, windows, count = Skipping(options), list[Block](), list[Sample](), 0
    for whole in manifest.samples:
        parts = skipping.of(partial(_parts, source, whole, known)) or []
        windows += windows_of(whole, parts)
        count += len(parts)
        if count > MOST:
            raise DatasetError(
                f"{source.source}: more than {MOST:,} windows", hint="Take a larger --hop."
            )
        if len(windows) >= LARGEST_BLOCK:
            blocks.append(Block.of(Lists.of(windows), manifest.source))
            windows = []
    if windows:
        blocks.append(Block.of(Lists.of(windows), manifest.source))
    skipped += skipping.skipped
    if not blocks:
        raise DatasetError(
            f"{source.source}: all {len(manifest.samples):,} samples were skipped, such as "
            f"{skipping.skipped[0]}"
        )
    return Manifest(manifest.kind, manifest.source, SampleColumns(manifest.source, blocks))


def _parts(source: WindowSource, whole: Sample, known: _Known) -> Parts:
    """The windows of a sample.

    Raises:
        DatasetError: it cannot be cut so.
    """
    if parts := known.parts(whole.digest):
        # A copy has the same windows elsewhere.
        return [(name, digest, _moved(at, whole.location)) for name, digest, at in parts]
    try:
        places = source.medium.places(source.inner.read(whole.location))
    except SampleError as error:
        raise DatasetError(
            f"{source.source}: sample {whole.id!r} cannot be cut into windows: {error.message}",
            hint=error.hint or "Fix or remove it, or leave it out: --on-error skip.",
        ) from error
    return [
        (name, place.digest_in(whole.digest), Located(whole.location, whole.digest, place).text)
        for name, place in places
    ]


def _moved(location: str, of: str | int) -> str:
    found = find_window(location)
    assert found is not None
    return Located(of, found.content, found.place).text
