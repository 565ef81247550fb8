"""From a source's samples to a manifest: digests, splits, and what must hold of every dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from headstart.errors import DatasetError
from headstart.extractors.datasets.rows import Grouping, check_groups, is_utf8, placed
from headstart.extractors.datasets.source import DatasetSource, Entry, Options
from headstart.progress import Progress, silent
from headstart.storage.manifest import Manifest, Sample

DIGESTING_THREADS = 4
BLOCK = 4096
"""Names that are checked together."""


def scan(
    source: DatasetSource,
    options: Options,
    previous: Manifest | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Read a source into a manifest.

    Args:
        source: opened.
        options: `group_pattern` finds the group of a sample where the source says none.
        previous: what was known; digests of samples whose location and `stat` are the same are
            taken from it, not computed.
        progress: called with (samples digested, samples in all).

    Raises:
        DatasetError: the source is not a valid dataset; the message names file and row.
    """
    place = source.source
    if not is_utf8(place):
        raise DatasetError(f"the path {place} is not UTF-8", hint="Rename it, or its folder.")
    entries = source.scan()
    if options.get("group_pattern") is not None:
        entries = _grouped(entries, Grouping(options))
    samples = _digested(source, entries, previous, progress)
    if not samples:
        raise DatasetError(f"{place} lists no samples")
    _check_texts(samples, place)
    _check_ids(samples, place)
    check_groups(samples, place)
    return Manifest(source.kind, place, tuple(samples))


def rescan(
    source: DatasetSource, options: Options, previous: Manifest, progress: Progress = silent
) -> Manifest:
    """As `scan` with the options of before: a source that is the same as a whole is not read."""
    stamp = source.stamp()
    if stamp and previous.samples[0].stat == stamp:
        return previous
    return scan(source, options, previous, progress)


def _grouped(entries: Iterable[Entry], grouping: Grouping) -> Iterator[Entry]:
    """Entries with the group that is in their ids, where the source says none."""
    return (
        entry if entry.group is not None else entry._replace(group=grouping.group_of(entry.id))
        for entry in entries
    )


def _digested(
    source: DatasetSource, entries: Iterable[Entry], previous: Manifest | None, progress: Progress
) -> list[Sample]:
    """Samples in the entries' order; only what changed is digested, on several threads.

    An entry that is as before is dropped at once: a hundred thousand that are kept would be gone
    through by the garbage collector again and again, which is a third of the time.
    """
    known = {sample.location: sample for sample in (previous.samples if previous else ())}
    is_same_kind = previous is not None and previous.kind == source.kind
    is_still = is_same_kind and not source.splits_may_move
    samples: list[Sample | None] = []
    changed: dict[int, Entry] = {}
    for number, entry in enumerate(entries):
        sample = _known(entry, known.get(entry.location), is_still)
        if sample is None:
            changed[number] = entry
        samples.append(sample)
    done = len(samples) - len(changed)
    with ThreadPoolExecutor(DIGESTING_THREADS) as pool:
        found = pool.map(source.digest, (entry.location for entry in changed.values()))
        for (number, entry), digest in zip(changed.items(), found, strict=True):
            samples[number] = _placed(entry, digest)
            progress(done := done + 1, len(samples))
    return [sample for sample in samples if sample is not None]


def _known(entry: Entry, before: Sample | None, is_still: bool) -> Sample | None:
    """The sample of an entry whose content is known; the same object, if it is all the same."""
    if entry.digest is not None:
        return _placed(entry, entry.digest)
    if before is None or not entry.stat or before.stat != entry.stat:
        return None
    is_same = (entry.id, entry.label, entry.group) == (before.id, before.label, before.group)
    if is_same and (is_still if entry.split is None else entry.split == before.split):
        return before
    sample = _placed(entry, before.digest)
    return before if sample == before else sample


def _placed(entry: Entry, digest: str) -> Sample:
    return placed(
        entry.id,
        digest,
        entry.label,
        entry.location,
        entry.stat,
        split=entry.split,
        group=entry.group,
    )


def _check_texts(samples: Sequence[Sample], source: str) -> None:
    """See that all names can be written as UTF-8: bytes of a file name may be no text at all."""
    for start in range(0, len(samples), BLOCK):
        texts = [
            text
            for sample in samples[start : start + BLOCK]
            for text in (sample.id, sample.label, sample.group, sample.location)
            if isinstance(text, str)
        ]
        if is_utf8("".join(texts)):  # one by one takes five times as long
            continue
        text = next(text for text in texts if not is_utf8(text))
        raise DatasetError(
            f"{source}: the name {text} is not UTF-8",
            hint="Rename the file, or mend the row; `convmv` renames whole folders.",
        )


def _check_ids(samples: Sequence[Sample], source: str) -> None:
    counts = Counter(sample.id for sample in samples)
    twice = [id_ for id_, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(
            f"{source}: the id {twice[0]!r} occurs {counts[twice[0]]} times"
            + (f" (and {len(twice) - 1} more ids)" if len(twice) > 1 else ""),
            hint="Ids must be unique; give a column of ids with --id-column.",
        )
