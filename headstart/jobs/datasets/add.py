"""`ws.datasets.add`: a source is looked at and registered as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import DatasetError, NotFound
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.corrections import Corrections, after_others, corrected
from headstart.jobs.datasets.details import DatasetDetails, details_of
from headstart.jobs.datasets.fetched import fetched_from
from headstart.jobs.datasets.kept_data import holding
from headstart.jobs.datasets.orientation import warn_of_turned
from headstart.jobs.datasets.tokenizer import with_tokenizer
from headstart.jobs.datasets.what_changed import tell_of_changes
from headstart.notices import DifferingCopies, FewSamples, tell, warn
from headstart.progress import Progress, silent
from headstart.registry.datasets import taken
from headstart.registry.entities import Dataset
from headstart.registry.names import check_name
from headstart.storage.columns.finder import ABSENT, DigestFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.contents import Contents
from headstart.storage.manifest import SPLITS, Label, Manifest
from headstart.storage.samples import BETWEEN
from headstart.storage.windowed.wholes import wholes_of
from headstart.values.quantities import look_like_numbers, range_of

TRACKED = 200
"""Things that are not used, of which a refresh says when there are new ones."""
NAMED = 8
"""Things that a source holds and does not use, in one warning."""


@holding
def add(
    context: Context,
    name: str,
    source: Any,
    *,
    kind: str | None = None,
    split: str | Sequence[float] | None = None,
    seed: int | None = None,
    on_error: str = "fail",
    progress: Progress = silent,
    **options: Any,
) -> DatasetDetails:
    """See `Datasets.add`, whose `weights` is among the options; `usual_split` is how samples are
    split where neither `split` nor the source says it, of a dataset that is new; with `of_numbers`
    labels are known to be numbers, and nothing is said of them as classes."""
    check_name(name, "dataset", source)
    usual_split, weights = options.pop(sources.USUAL, None), options.pop("weights", None)
    of_classes = not options.pop("of_numbers", False)
    split, seed = sources.spelled(split), sources.checked_seed(seed)
    windows, options = sources.window_options(options)
    windows = with_tokenizer(context, windows)
    asked_for = options | sources.checked_on_error(on_error)
    contents, known = Contents(context.config.contents), partial(fetched_from, context)
    kept = sources.kept_in(contents, source, kind, asked_for, known, weights)
    if kept is not None:
        source, kind, options = kept.path, kept.kind, {**options, **kept.options}
    chosen, place = sources.kind_of(source, kind), sources.located(source)
    made = sources.SOURCES[chosen]
    options = _left(options, made, kept)
    before = _find_same(context, name, chosen, place, is_kept=kept is not None)
    given = sources.checked(made, options, sources.SOURCES.values())
    stays = before is not None and sources.is_same_way(before.options, split, seed, given)
    how = _split_options(made, split, seed, before, stays=stays)
    if before is None and split is None and usual_split is not None:
        how = sources.usual(made, usual_split, seed or 0)
    given = sources.joined(given, how) | sources.checked_on_error(on_error) | windows
    given |= {} if kept is None else kept.stored
    given = (sources.own_root(chosen, place) if kept is None else {}) | given
    given = _with_corrections(given, before)
    previous, skipped = _find_previous(context, name), list[str]()
    opened = sources.open_source(chosen, place, given, context.artifacts)
    with sources.in_words(place, None if kept is None else kept.origin):
        manifest = sources.scan(opened, given, previous, progress, keeps=stays, skipped=skipped)
        manifest = corrected(manifest, given)
        _warn(opened.source, opened.unused(), skipped)
        warn_of_turned(place, manifest.samples, opened, given)
        _tell_of_samples(place, manifest, given, of_classes=of_classes)
    if before is not None and previous is not None:
        tell_of_changes(name, previous, manifest)
    stored = settled(opened, given, manifest) | sources.listed(skipped)
    stored |= {} if kept is None else {"origin": kept.origin}
    stored |= unused_in(opened)
    if before is not None and manifest.digest != before.digest:
        stored = after_others(stored)
    if before is not None and not stays:
        stored = sources.voiding(stored, sources.voided_in(before.options))
        stored = sources.voiding(stored, _warn_of_heads(context, name))
        previous = None
    dataset = context.datasets.add(described(context, name, manifest, stored, previous))
    return details_of(context, dataset, manifest)


def _with_corrections(given: dict[str, Any], before: Dataset | None) -> dict[str, Any]:
    """Options with the corrections of the dataset that is added again; which are of contents, and
    so of no others."""
    return given if before is None else Corrections.of(before.options).stored(given)


def _left(
    options: dict[str, Any], made: type[sources.DatasetSource], kept: sources.Kept | None
) -> dict[str, Any]:
    """Options without those that were used already, and that the source does not know."""
    own = {option.name for option in made.options}
    used = set() if kept is None else set(kept.used) - own
    return {name: value for name, value in options.items() if name not in used}


def _split_options(
    made: type[sources.DatasetSource],
    split: str | None,
    seed: int | None,
    before: Dataset | None,
    *,
    stays: bool,
) -> dict[str, Any]:
    """The options that say how samples are dealt out: those of before, or as it is asked now.

    Args:
        made: the kind of source.
        split: as it was asked, spelled out.
        seed: likewise.
        before: the dataset of that name and source, if there is one.
        stays: whether what is asked is what was asked before.
    """
    if before is not None and stays:
        return sources.split_options(before.options)
    how = sources.asked(made, split, seed or 0)
    if before is None or split == "hash" or "layout" not in before.options:
        return how
    return {"layout": before.options["layout"], **how}  # what its folders are was found, or asked


def _tell_of_samples(
    place: str, manifest: Manifest, given: dict[str, Any], *, of_classes: bool
) -> None:
    """Say what is odd of samples: windows, few of a class, copies among splits, no labels."""
    wholes = wholes_of(manifest)
    if wholes is not manifest:
        tell(f"{place}: {len(manifest.samples):,} windows of {len(wholes.samples):,} samples")
    if of_classes and (few := sources.few_of(wholes.columns, given)):
        warn(f"{place}: scores will say little: {_some(few)}", FewSamples)
    warn_of_copies(place, manifest)
    warn_of_differing_copies(place, manifest)
    is_odd, labels = _tell_of_odd(place, wholes.columns), wholes.columns.labels
    if of_classes and not is_odd:
        _tell_of_labels(place, labels, str(given.get("split", "")))
    if of_classes:
        _tell_of_whole_numbers(place, labels)
    if not manifest.classes:
        tell(
            f"{place}: {len(manifest.samples):,} samples without labels, to map, search and "
            "predict; heads and rankings need labels"
        )


def described(
    context: Context,
    name: str,
    manifest: Manifest,
    options: dict[str, Any],
    previous: Manifest | None = None,
) -> Dataset:
    """What the registry knows of a dataset; its manifest is written.

    Args:
        context: where.
        name: of the dataset.
        manifest: its samples.
        options: as they are stored.
        previous: as it was, if samples keep their splits: also those that are gone, for when they
            come back.
    """
    if previous is not None and sources.rule_of(options, _labels(manifest)).remembers:
        before, after = wholes_of(previous).columns, wholes_of(manifest).columns
        departed = sources.departed_of(before, after, options.get("departed", {}))
        options = {**options, **({"departed": departed} if departed else {})}
    return Dataset(
        name=name,
        kind=manifest.kind,
        source=manifest.source,
        options=options,
        digest=manifest.digest,
        manifest=context.manifests.write(manifest, previous),
        samples=len(manifest.samples),
        unique=manifest.unique,
        classes=[str(label) for label in manifest.classes],
    )


def settled(opened: Any, options: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The options as they are stored, with what the source found out."""
    return sources.settled(options, getattr(opened, "found", {}), _labels(manifest))


def heads_on(context: Context, dataset: str) -> list[str]:
    """The heads that were trained on a dataset: `name:version`."""
    return [one.reference for one in context.heads.find_lines() if one.dataset == dataset]


def _labels(manifest: Manifest) -> list[Any]:
    return wholes_of(manifest).columns.labels


def unused_in(opened: Any) -> dict[str, list[str]]:
    """What a source holds and does not use, as it is stored, so that a refresh can say what is new;
    of more things than `TRACKED`, nothing."""
    unused = list(opened.unused())
    return {"unused": unused} if len(unused) <= TRACKED else {}


def warn_of_new(opened: Any, known: Sequence[str] | None) -> dict[str, list[str]]:
    """Name what a source holds by now and does not use; gives it as it is stored.

    Args:
        opened: the source, read again.
        known: what was known of it; None where that is not tracked.
    """
    if known is None:
        return {}
    found = unused_in(opened)
    if new := [one for one in found.get("unused", ()) if one not in known]:
        warn(f"{opened.source}: not used, and new there: {_some(new)}")
    return found


def _warn(place: str, unused: Sequence[str], skipped: Sequence[str]) -> None:
    """Name what the source holds and is not used."""
    if unused:
        warn(f"{place}: not used: {_some(unused)}")
    warn_of_skipped(place, skipped)


def _tell_of_odd(place: str, samples: SampleColumns) -> bool:
    """Name samples whose labels are none among numbers, such as `nan`: if there are any."""
    labels = samples.labels
    if not (odd := sources.odd_among_numbers(labels)):
        return False
    named = [f"{samples.ids[row]!r} ({labels[row]!r})" for row in odd[:NAMED]]
    more = f" and {len(odd) - NAMED:,} more" if len(odd) > NAMED else ""
    warn(
        f"{place}: {len(labels) - len(odd):,} labels are numbers, and of {', '.join(named)}{more} "
        "none is: fix them, or leave those cells empty and give --on-error skip"
    )
    return True


def _tell_of_labels(place: str, labels: Sequence[Label | None], split: str) -> None:
    """Say what is odd of labels as classes: several of a sample, one sample of each, no value."""
    known = set(labels)
    if empty := sources.no_labels_in(known):
        count = sum(label in empty for label in labels)
        warn(
            f"{place}: {count:,} samples are of a class called {min(empty)!r}; if that is no "
            "label, leave those cells empty and give --on-error skip"
        )
    if several := sources.several_in(known):
        without = {None, *(label for label in several if not str(label).strip(f"{BETWEEN} "))}
        none = sum(label in without for label in labels)
        count = sum(label in several and label not in without for label in labels)
        and_none = f", {none:,} have none" if none else ""
        tell(
            f"{place}: {count:,} of {len(labels):,} samples have several labels, such as "
            f"{min(set(several) - without, default=BETWEEN)!r}{and_none}; "
            "`head train --task multi-label` takes each by itself"
        )
    elif sources.are_numbers(labels):
        several = any(isinstance(label, str) and BETWEEN in label for label in known)
        what = "several numbers per sample" if several else "numbers"
        ends = range_of([one for one in known if one is not None], len(labels))
        what += "" if ends is None else f" from {ends[0]:.6g} to {ends[1]:.6g}"
        tell(f"{place}: labels are {what}: `head train --task regression` learns them")
    elif split in ("", "stratified") and sources.are_hardly_shared(labels):
        warn(
            f"{place}: {len(known):,} labels on {len(labels):,} samples are too many to be "
            "classes: they are split by hash, which may leave a label out of a split",
            FewSamples,
        )


def _tell_of_whole_numbers(place: str, labels: Sequence[Label | None]) -> None:
    """Say that labels which are taken for classes may be quantities."""
    known = {label for label in labels if label is not None}
    if look_like_numbers(known, len(labels)):
        tell(
            f"{place}: labels are {len(known):,} different whole numbers from {min(known):,} to "
            f"{max(known):,}: if they are quantities, and no classes, "
            "`head train --task regression` learns them"
        )


def warn_of_copies(place: str, manifest: Manifest, previous: Manifest | None = None) -> None:
    """Of contents that stand in several splits, as the source says so or what was dealt before is
    connected only now; not of those that did so in `previous`."""
    samples = wholes_of(manifest).columns
    before = None if previous is None else wholes_of(previous).columns
    for split, doing in (("test", "test on"), ("validation", "validate on")):
        found = _copies_of(split, samples)
        if found and (before is None or set(found) - set(_copies_of(split, before))):
            others = "to train or validate on" if split == "test" else "to train on"
            warn(
                f"{place}: {len(found):,} samples {others} are copies of samples to {doing}, such "
                f"as {found[0]!r}; scores on those say nothing. --split stratified deals copies "
                "into one split"
            )


def warn_of_differing_copies(
    place: str, manifest: Manifest, previous: Manifest | None = None
) -> None:
    """Of contents that have several labels; not where `previous` had the same."""
    found = sources.differing_copies(wholes_of(manifest).columns)
    if previous is not None and found == sources.differing_copies(wholes_of(previous).columns):
        return
    differing, first = found
    if differing:
        told = ", ".join([*first, *(["…"] if differing > len(first) else [])])
        said = f"{place}: copies with different labels: {differing:,}, such as {told}"
        warn(said, DifferingCopies)


def _copies_of(split: str, samples: SampleColumns) -> list[str]:
    """Ids of the samples in earlier splits whose content stands in one, too."""
    finder, found = DigestFinder(samples.of_split(split)), list[str]()
    for block in samples.blocks():
        rows = np.flatnonzero(block.split_codes < SPLITS.index(split))
        copies = rows[finder.find(block.digests[rows]) != ABSENT]
        found += block.take(copies).ids if len(copies) else []
    return found


def warn_of_skipped(place: str, skipped: Sequence[str]) -> None:
    """Count and name the rows and files that are no samples, and were left out as was asked for."""
    if skipped:
        warn(f"{place}: {len(skipped):,} samples skipped: {_some(skipped)}")


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else ""
    return f"{', '.join(texts[:NAMED])}{more}"


def _warn_of_heads(context: Context, name: str) -> list[str]:
    """Name the heads whose scores count no more; gives them."""
    heads = heads_on(context, name)
    if heads:
        warn(
            f"the samples of {name} are dealt again: scores of heads that were trained on it "
            f"before no longer count: {_some(heads)}"
        )
    return heads


def _find_same(
    context: Context, name: str, kind: str, place: str, *, is_kept: bool
) -> Dataset | None:
    """The dataset of that name, which is of the same source, or was given in memory, too: it is
    only looked at again.

    Raises:
        AlreadyExists: it is of another source.
    """
    with suppress(NotFound):
        known = context.datasets.get(name)
        if (known.kind, known.source) == (kind, place):
            return known
        if is_kept and Contents(context.config.contents).find_name(known.source):
            tell(f"dataset {name!r} held other data before, {known.samples:,} samples")
            return known
        raise taken(known)  # before anything is read, and said
    return None


def _find_previous(context: Context, name: str) -> Manifest | None:
    with suppress(NotFound, DatasetError):
        return context.manifest(name)
    return None
