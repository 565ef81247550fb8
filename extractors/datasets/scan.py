"""From a source's samples to a manifest: digests, splits, and what must hold of every dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from headstart.errors import DatasetError
from headstart.extractors.datasets.places import is_far
from headstart.extractors.datasets.remote.ahead import READERS
from headstart.extractors.datasets.rows import Grouping, Skipping, check_groups, is_utf8
from headstart.extractors.datasets.source import DatasetSource, Entry, Options
from headstart.extractors.datasets.split_rule import ignores_own, rule_of
from headstart.extractors.datasets.splits import dealt, kept_of
from headstart.notices import warn
from headstart.progress import Progress, silent
from headstart.storage.manifest import Manifest, Sample
from headstart.storage.memory import uncollected

DIGESTING_THREADS = 4
BLOCK = 4096
"""Names that are checked together."""


def scan(
    source: DatasetSource,
    options: Options,
    previous: Manifest | None = None,
    progress: Progress = silent,
    *,
    keeps: bool = True,
    skipped: list[str] | None = None,
) -> Manifest:
    """Read a source into a manifest.

    Args:
        source: opened.
        options: `group_pattern` finds the group of a sample where the source says none; those of
            `split_rule` say how samples are split.
        previous: what was known; digests of samples whose location and `stat` are the same are
            taken from it, not computed.
        progress: called with (samples digested, samples in all).
        keeps: whether samples keep the splits that they have in `previous`.
        skipped: to which is added why samples were left out, if the option `on_error` is `skip`.

    Raises:
        DatasetError: the source is not a valid dataset; the message names file and row.
    """
    place = source.source
    if not is_utf8(place):
        raise DatasetError(f"the path {place} is not UTF-8", hint="Rename it, or its folder.")
    with uncollected():
        entries = _without_own_splits(list(source.scan()), options, place)
        if options.get("group_pattern") is not None:
            entries = list(_grouped(entries, Grouping(options)))
    if previous is not None and previous.kind != source.kind:
        previous = None
    skipping = Skipping(options)
    skipping.skipped.extend(getattr(source, "skipped", ()))
    entries, digests = _digested(source, entries, previous, progress, skipping)
    _check_some(entries, skipping.skipped, place)
    if skipped is not None:
        skipped.extend(skipping.skipped)
    with uncollected():
        rule = rule_of(options, [entry.label for entry in entries])
        kept = None
        if previous is not None and keeps and (rule.remembers or not source.splits_may_move):
            kept = kept_of(previous.samples, options.get("departed", {}))
        splits = dealt(entries, digests, rule, kept)
        samples = _placed(entries, digests, splits, previous)
    _check_texts(samples, place)
    _check_ids(samples, place)
    check_groups(samples, place)
    return Manifest(source.kind, place, tuple(samples))


def rescan(
    source: DatasetSource,
    options: Options,
    previous: Manifest,
    progress: Progress = silent,
    skipped: list[str] | None = None,
) -> Manifest:
    """As `scan` with the options of before; a source that is the same as a whole is not read, and
    `previous` is given back."""
    stamp = source.stamp()
    if stamp and previous.samples[0].stat == stamp:
        return previous
    return scan(source, options, previous, progress, skipped=skipped)


def _without_own_splits(entries: list[Entry], options: Options, place: str) -> list[Entry]:
    """Entries without the splits that the source says, where they are to be dealt out."""
    if not ignores_own(options) or all(entry.split is None for entry in entries):
        return entries
    warn(f"{place}: not used: the splits that it says, as --split {options['split']} deals them")
    return [entry._replace(split=None) for entry in entries]


def _grouped(entries: Iterable[Entry], grouping: Grouping) -> Iterator[Entry]:
    """Entries with the group that is in their ids, where the source says none."""
    return (
        entry if entry.group is not None else entry._replace(group=grouping.group_of(entry.id))
        for entry in entries
    )


def _digested(
    source: DatasetSource,
    entries: list[Entry],
    previous: Manifest | None,
    progress: Progress,
    skipping: Skipping,
) -> tuple[list[Entry], list[str]]:
    """Entries and their digests; only what changed is digested, on several threads."""
    known = {sample.location: sample for sample in (previous.samples if previous else ())}
    digests = [_known(entry, known.get(entry.location)) for entry in entries]
    changed = [number for number, digest in enumerate(digests) if digest is None]
    done = len(entries) - len(changed)
    are_far = any(is_far(entries[number].location) for number in changed)
    with ThreadPoolExecutor(READERS if are_far else DIGESTING_THREADS) as pool:
        places = (entries[number].location for number in changed)
        found = pool.map(lambda place: skipping.of(partial(source.digest, place)), places)
        for number, digest in zip(changed, found, strict=True):
            digests[number] = digest
            progress(done := done + 1, len(entries))
    both = [(e, d) for e, d in zip(entries, digests, strict=True) if d is not None]
    return [entry for entry, _ in both], [digest for _, digest in both]


def _check_some(entries: list[Entry], skipped: Sequence[str], place: str) -> None:
    if entries:
        return
    if skipped:
        raise DatasetError(
            f"{place}: all {len(skipped):,} samples were skipped, such as {skipped[0]}"
        )
    raise DatasetError(f"{place} lists no samples")


def _known(entry: Entry, before: Sample | None) -> str | None:
    """The digest of an entry whose content is known."""
    if entry.digest is not None:
        return entry.digest
    is_same = before is not None and entry.stat and before.stat == entry.stat
    return before.digest if before is not None and is_same else None


def _placed(
    entries: list[Entry], digests: list[str], splits: list[str], previous: Manifest | None
) -> list[Sample]:
    """Samples in the entries' order; the same objects as before, where they are all the same."""
    known = {sample.id: sample for sample in (previous.samples if previous else ())}
    samples = []
    for entry, digest, split in zip(entries, digests, splits, strict=True):
        made = Sample(entry.id, digest, entry.label, split, entry.location, entry.stat, entry.group)
        before = known.get(entry.id)
        samples.append(before if before is not None and before == made else made)
    return samples


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
