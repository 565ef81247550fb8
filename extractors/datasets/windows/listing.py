"""From a source's long samples to a manifest of their windows.

Long samples are read, split and grouped as any others; their windows then stand where they stand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial

from headstart.errors import DatasetError, SampleError
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.scan import rescan as rescan_plain
from headstart.extractors.datasets.scan import scan as scan_plain
from headstart.extractors.datasets.source import DatasetSource, Options
from headstart.extractors.datasets.windows.source import WindowSource
from headstart.progress import Progress, silent
from headstart.storage.manifest import Manifest, Sample
from headstart.storage.windowed.places import Located, find_window
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
    return _in_windows(source, found, options, {}, left_out)


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
    return _in_windows(source, found, options, _known(previous), left_out)


def _known(manifest: Manifest) -> dict[str, Parts]:
    """The windows of each content that a manifest lists; of copies, those of the first."""
    known: defaultdict[str, Parts] = defaultdict(list)
    owner: dict[str, str] = {}
    for one in manifest.samples if are_windows(manifest.samples) else ():
        found = find_window(one.location)
        whole, _, name = one.id.rpartition("#")
        if found is not None and owner.setdefault(found.content, whole) == whole:
            known[found.content].append((name, one.digest, found.text))
    return known


def _in_windows(
    source: WindowSource,
    manifest: Manifest,
    options: Options,
    known: Mapping[str, Parts],
    skipped: list[str],
) -> Manifest:
    skipping, windows = Skipping(options), list[Sample]()
    for whole in manifest.samples:
        parts = skipping.of(partial(_parts, source, whole, known))
        windows += windows_of(whole, parts or [])
        if len(windows) > MOST:
            raise DatasetError(
                f"{source.source}: more than {MOST:,} windows", hint="Take a larger --hop."
            )
    skipped += skipping.skipped
    if not windows:
        raise DatasetError(
            f"{source.source}: all {len(manifest.samples):,} samples were skipped, such as "
            f"{skipping.skipped[0]}"
        )
    return Manifest(manifest.kind, manifest.source, tuple(windows))


def _parts(source: WindowSource, whole: Sample, known: Mapping[str, Parts]) -> Parts:
    """The windows of a sample.

    Raises:
        DatasetError: it cannot be cut so.
    """
    if parts := known.get(whole.digest):
        # A copy has the same windows elsewhere.
        return [(name, digest, _moved(at, whole.location)) for name, digest, at in parts]
    try:
        places = source.medium.places(source.inner.read(whole.location))
    except SampleError as error:
        raise DatasetError(
            f"{source.source}: sample {whole.id!r} cannot be cut into windows: {error.message}",
            hint=error.hint or "Mend or remove it, or leave it out: --on-error skip.",
        ) from error
    return [
        (name, place.digest_in(whole.digest), Located(whole.location, whole.digest, place).text)
        for name, place in places
    ]


def _moved(location: str, of: str | int) -> str:
    found = find_window(location)
    assert found is not None
    return Located(of, found.content, found.place).text
