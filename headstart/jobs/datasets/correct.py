"""`ws.datasets.correct`, `exclude`: labels are changed and samples left out, by a person; a new
version of the dataset, its source untouched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unicodedata import normalize

from headstart.context import Context
from headstart.errors import DatasetChanged, DatasetError, SampleNotFound
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.corrections import NAMED, Change, Corrections, Wholes, some
from headstart.extractors.datasets.labels import FEW
from headstart.extractors.runtime import versions
from headstart.jobs.datasets.add import described, warn_of_differing_copies
from headstart.jobs.datasets.corrections_file import (
    PERHAPS,
    Wanted,
    check_new,
    find_alike,
    wanted_of,
)
from headstart.jobs.datasets.refresh import look_again
from headstart.notices import FewSamples, HeadstartWarning, tell, warn
from headstart.registry.entities import Dataset, Run
from headstart.storage.columns.finder import ABSENT
from headstart.storage.manifest import Label, Manifest
from headstart.values.showable import Showable
from headstart.visible import in_number


@dataclass(frozen=True)
class Corrected(Showable):
    """What became of a dataset.

    Attributes:
        dataset: as it is now.
        labels: ids of the samples whose labels were changed, each with the one before and after.
        excluded: ids of the samples that were left out.
        restored: ids of the samples that were taken back.
        untouched: rows of the file that say nothing.
    """

    dataset: Dataset
    labels: dict[str, tuple[Label | None, Label]]
    excluded: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    untouched: int = 0

    def _line(self) -> str:
        return (
            f"{self.dataset.name!r}, {len(self.labels):,} labels, {len(self.excluded):,} excluded"
        )


def correct(
    context: Context, name: str, given: Any, *, closing: Callable[[Dataset], None] | None = None
) -> Corrected:
    """See `Datasets.correct`.

    Args:
        context: of the workspace.
        name: of the dataset.
        given: what is wanted; see `wanted_of`.
        closing: done with the dataset as it is then, in the short transaction that stores it, also
            where nothing is left to change; if it fails, nothing is stored.
    """
    wanted = wanted_of(given)
    dataset = context.datasets.get(name)
    manifest, known = context.manifest(dataset), Corrections.of(dataset.options)
    wholes = Wholes(manifest)
    wanted = wanted.renamed(_own_ids(wholes, known, [*wanted.labels, *wanted.excluded]))
    out = [id_ for id_ in wanted.excluded if id_ not in known.excluded]
    asked = [*wanted.labels, *out]
    numbers = _numbers(wholes, asked, name)
    _check_contents(name, wholes, numbers, wanted)
    labels, told, changes = dict(known.labels), dict[str, tuple[Label | None, Label]](), {}
    for id_, (text, thought) in wanted.labels.items():
        sample = wholes.samples[numbers[id_]]
        new = _as_label(id_, text, manifest)
        if new == sample.label:
            continue
        _check_thought(name, id_, sample.label, thought)
        told[id_] = sample.label, new
        changes[numbers[id_]] = new
        first = labels[id_].before if id_ in labels else sample.label
        labels[id_] = Change(sample.digest, first, new)
        if first == new:
            del labels[id_]  # as the source has it
    _tell_of_new(name, told, manifest)
    left = {id_: wholes.samples[numbers[id_]].digest for id_ in out}
    made = wholes.changed(changes, [numbers[id_] for id_ in out])
    warn_of_differing_copies(name, made)
    now = replace(known, labels=labels, excluded={**known.excluded, **left})
    done = Corrected(dataset, told, tuple(left), untouched=wanted.untouched)
    return _stored(context, done, made, now, closing)


def exclude(context: Context, name: str, ids: Iterable[str], *, undo: bool = False) -> Corrected:
    """See `Datasets.exclude`."""
    dataset = context.datasets.get(name)
    known = Corrections.of(dataset.options)
    wholes = Wholes(context.manifest(dataset))
    listed = tuple(dict.fromkeys(_own_ids(wholes, known, list(ids)).values()))
    if undo:
        return _take_back(context, name, listed)
    numbers = _numbers(wholes, [one for one in listed if one not in known.excluded], name)
    left = {id_: wholes.samples[number].digest for id_, number in numbers.items()}
    made = wholes.changed({}, numbers.values())
    now = replace(known, excluded={**known.excluded, **left})
    return _stored(context, Corrected(dataset, {}, tuple(left)), made, now)


def _take_back(context: Context, name: str, ids: tuple[str, ...]) -> Corrected:
    """Samples that were excluded are looked for in the source, as `refresh` looks at it."""

    def without(options: dict[str, Any]) -> dict[str, Any]:
        known = Corrections.of(options)
        if other := [id_ for id_ in ids if id_ not in known.excluded]:
            raise SampleNotFound(
                f"not excluded from {name!r}: {some(other)}",
                hint=f"Excluded are {some(known.excluded) or 'none'}.",
            )
        left = {id_: digest for id_, digest in known.excluded.items() if id_ not in ids}
        return replace(known, excluded=left).stored(options)

    def journal(before: Dataset, after: Dataset) -> None:
        _record(context, before, Corrected(after, {}, restored=ids))

    dataset, manifest = look_again(context, name, amended=without, journal=journal)
    found = Wholes(manifest).find(ids)
    if gone := [id_ for id_, number in zip(ids, found, strict=True) if number == ABSENT]:
        warn(f"{name}: excluded no more, and not in the source any more: {some(gone)}")
    return Corrected(dataset, {}, restored=tuple(id_ for id_ in ids if id_ not in gone))


def _own_ids(wholes: Wholes, known: Corrections, ids: list[str]) -> dict[str, str]:
    """The id that a sample has, or had, for each that is given: a file system or a spreadsheet
    may have written its accents otherwise (Unicode's forms NFC and NFD)."""
    found = {}
    for form in (str, partial(normalize, "NFC"), partial(normalize, "NFD")):
        forms = {id_: form(id_) for id_ in ids if id_ not in found}
        numbers = zip(forms.items(), wholes.find(forms.values()), strict=True)
        there = ((pair, number != ABSENT or pair[1] in known.excluded) for pair, number in numbers)
        found |= dict(pair for pair, is_there in there if is_there)
    return {id_: found.get(id_, id_) for id_ in ids}


def _numbers(wholes: Wholes, ids: list[str], name: str) -> dict[str, int]:
    """The number of each sample.

    Raises:
        DatasetError: one is not there.
    """
    numbers = dict(zip(ids, wholes.find(ids), strict=True))
    if unknown := [id_ for id_, number in numbers.items() if number == ABSENT]:
        raise SampleNotFound(
            f"dataset {name!r} has no sample {some(unknown)}",
            hint="Ids are those of `features audit` and `head predict`; nothing was changed.",
        )
    return numbers


def _check_thought(name: str, id_: str, label: Label | None, thought: str | None) -> None:
    """See that a label is still what it was when somebody looked at it."""
    if thought is not None and thought.strip() != ("" if label is None else str(label).strip()):
        raise DatasetError(
            f"sample {id_!r} of {name!r} is labelled {label!r}, the file says {thought!r}",
            hint="Run the audit again: the dataset has changed. Nothing was corrected.",
        )


def _check_contents(name: str, wholes: Wholes, numbers: Mapping[str, int], wanted: Wanted) -> None:
    """See that samples still hold what they did when somebody looked at them."""
    thought = {id_: wanted.contents[id_] for id_ in numbers if id_ in wanted.contents}
    samples = wholes.samples
    if stale := [id_ for id_, one in thought.items() if samples[numbers[id_]].digest != one]:
        raise DatasetError(
            f"{some(stale)} of {name!r} has another content than when it was looked at",
            hint="Take back what was said of it, and look again. Nothing was corrected.",
        )


def _as_label(id_: str, text: Label, manifest: Manifest) -> Label:
    """A label as those of a dataset are: a class's own, or a number where all are numbers.

    Raises:
        DatasetError: it is none of them, and can be none.
    """
    known = {str(label): label for label in manifest.classes}
    if str(text) in known:
        return known[str(text)]
    check_new(id_, text)
    are_whole = all(isinstance(label, int) for label in known.values())
    are_numbers = known and (are_whole or sources.have_fractions(known))
    if are_numbers and isinstance(text, str) and text.lstrip("-").isdecimal():
        return int(text)
    return text


def _tell_of_new(name: str, told: Mapping[str, tuple[Label | None, Label]], old: Manifest) -> None:
    counts = Counter(after for _, after in told.values())
    if new := _new_in(counts, old):
        tell(f"{name}: new classes: {some([str(one) for one in new])}")
    for doubt, kind in doubts_of_new(name, counts, old):
        warn(doubt, kind)


def _new_in(counts: Mapping[Label, int], old: Manifest) -> list[Label]:
    classes = set(old.classes)
    if sources.are_numbers_in(old.columns) or sources.several_in(classes):  # no class is one label
        return []
    return [label for label in counts if label not in classes]


def doubts_of_new(
    name: str, counts: Mapping[Label, int], old: Manifest
) -> list[tuple[str, type[HeadstartWarning]]]:
    """What speaks against new classes: what is told of them, and the kind of warning.

    Args:
        name: of the dataset.
        counts: of each label that samples are to have, how many.
        old: the samples as they are.
    """
    new = {str(one): counts[one] for one in _new_in(counts, old)}
    spelled = {str(label): label for label in old.classes}
    doubts: list[tuple[str, type[HeadstartWarning]]] = [
        (
            f"{name}: {one!r} is a new class, and {str(near)!r} is spelled almost like it; "
            f"if that was meant, give the samples {str(near)!r} as their new_label",
            HeadstartWarning,
        )
        for one in new
        if (near := find_alike(one, spelled)) is not None
    ]
    few = [_few(one, count, spelled) for one, count in new.items() if count < FEW]
    if few:
        more = f" and {len(few) - NAMED:,} more" if len(few) > NAMED else ""
        told = f"{', '.join(few[:NAMED])}{more}"
        doubts.append((f"{name}: new classes with too few samples to learn: {told}", FewSamples))
    return doubts


def _few(new: str, count: int, known: Mapping[str, Label]) -> str:
    """A new class with too few samples, and what may have been meant by it."""
    near = find_alike(new, known, PERHAPS)
    meant = "" if near is None else f" (did you mean {str(near)!r}?)"
    return in_number(f"{new!r} with {count:,} samples{meant}")


def _stored(
    context: Context,
    done: Corrected,
    manifest: Manifest,
    corrections: Corrections,
    closing: Callable[[Dataset], None] | None = None,
) -> Corrected:
    """The next version of a dataset, and the journal of it, in one transaction.

    Args:
        context: where.
        done: what was done, to the dataset as it was.
        manifest: as it is to be.
        corrections: all of them by now.
        closing: see `correct`.

    Raises:
        DatasetError: somebody else changed it meanwhile, or no sample is left.
    """
    before = done.dataset
    if not len(manifest.samples):
        raise DatasetError(f"no sample of {before.name!r} would be left", hint="Leave some in.")
    if manifest.digest != before.digest:
        corrections = replace(corrections, versions=(*corrections.versions, before.digest))
    options = corrections.stored(before.options)
    if (manifest.digest, options) == (before.digest, before.options):
        if closing is not None:
            closing(before)
        return done
    made = described(context, before.name, manifest, options, context.manifest(before))
    with context.database.together():
        updated = context.datasets.update(made, before)
        if updated is None:
            raise DatasetChanged(
                f"dataset {before.name!r} was changed by somebody else meanwhile",
                hint="Nothing was corrected; do it again.",
            )
        done = replace(done, dataset=updated)
        _record(context, before, done)
        if closing is not None:
            closing(updated)
    return done


def _record(context: Context, before: Dataset, done: Corrected) -> None:
    """The journal: what was changed when, of which version."""
    name = done.dataset.name
    counts = {
        "labels": {id_: list(pair) for id_, pair in done.labels.items()},
        "excluded": list(done.excluded),
        "restored": list(done.restored),
        "before": before.digest,
        "after": done.dataset.digest,
    }
    context.runs.add(Run("correct", name, name, "done", counts, 0.0, versions()))
