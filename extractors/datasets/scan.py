"""From a source's samples to a manifest: digests, splits, and what must hold of every dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.errors import DatasetError, SourceEmpty
from headstart.extractors.datasets.listing import OPEN, Listing, listed
from headstart.extractors.datasets.rows import Grouping, Skipping, check_groups, is_utf8
from headstart.extractors.datasets.source import DatasetSource, Options
from headstart.extractors.datasets.split_rule import OWN_SPLITS, ignores_own, rule_of
from headstart.extractors.datasets.splits import Kept, dealt
from headstart.notices import warn
from headstart.progress import Progress, silent
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Manifest
from headstart.storage.memory import uncollected


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
        return _scanned(source, options, previous, progress, keeps, skipped)


def _scanned(
    source: DatasetSource,
    options: Options,
    previous: Manifest | None,
    progress: Progress,
    keeps: bool,
    skipped: list[str] | None,
) -> Manifest:
    place = source.source
    if previous is not None and previous.kind != source.kind:
        previous = None
    skipping, grouping = Skipping(options), Grouping(options)
    listing = listed(source, grouping, previous, progress, skipping)
    skipping.skipped[:0] = getattr(source, "skipped", ())
    listing = _without_own_splits(listing, options, place)
    _check_some(listing, skipping.skipped, place)
    _note_own_splits(source, listing)
    if skipped is not None:
        skipped.extend(skipping.skipped)
    rule = rule_of(options, listing.columns.labels)
    kept = None
    if (
        previous is not None
        and keeps
        and (
            rule.remembers
            or not source.splits_may_move
            or previous.columns.has_groups  # which copies may join at any time
        )
    ):
        kept = Kept(previous.columns, options.get("departed", {}))
    columns = listing.with_splits(dealt(listing, rule, kept))
    _check_ids(columns, listing.id_hashes, place)
    check_groups(columns, place)
    return Manifest(source.kind, place, columns)


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


def _without_own_splits(listing: Listing, options: Options, place: str) -> Listing:
    """A listing without the splits that the source says, where they are to be dealt out."""
    if not ignores_own(options) or (listing.said == OPEN).all():
        return listing
    warn(f"{place}: not used: the splits that it says, as --split {options['split']} deals them")
    return replace(listing, said=np.full_like(listing.said, OPEN))


def _note_own_splits(source: DatasetSource, listing: Listing) -> None:
    """Among what a source found out: whether it says the splits of `all` samples, or of `some`."""
    if listing.is_own.any():
        said = "all" if listing.is_own.all() else "some"
        source.found = {**getattr(source, "found", {}), OWN_SPLITS: said}  # type: ignore[attr-defined]


def _check_some(listing: Listing, skipped: Sequence[str], place: str) -> None:
    if len(listing.columns):
        return
    if skipped:
        raise DatasetError(
            f"{place}: all {len(skipped):,} samples were skipped, such as {skipped[0]}"
        )
    raise SourceEmpty(f"{place} lists no samples")


def _check_ids(columns: SampleColumns, hashes: np.ndarray, source: str) -> None:
    ordered = np.sort(hashes)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(shared):
        return
    counts = Counter(columns.where(np.isin(hashes, shared)).ids)
    twice = [id_ for id_, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(
            f"{source}: the id {twice[0]!r} occurs {counts[twice[0]]} times"
            + (f" (and {len(twice) - 1} more ids)" if len(twice) > 1 else ""),
            hint="Ids must be unique; for a table --id-column names a column of other ids, and "
            "--id-column none numbers the rows, so that rows may be repeated.",
        )
