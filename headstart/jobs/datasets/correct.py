"""`ws.datasets.correct`, `exclude`: labels are changed and samples left out, by a person; a new
version of the dataset, its source untouched."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import DatasetError
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.corrections import Change, Corrections, Wholes, some
from headstart.extractors.datasets.rows import to_label
from headstart.extractors.runtime import versions
from headstart.jobs.datasets.add import described
from headstart.jobs.datasets.refresh import look_again
from headstart.notices import DifferingCopies, tell, warn
from headstart.registry.entities import Dataset, Run
from headstart.storage.columns.finder import ABSENT
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Label, Manifest
from headstart.values.showable import Showable

ID, LABEL, NEW, EXCLUDE = "id", "label", "new_label", "exclude"
"""Columns of a file of corrections; the others are for people."""
NOT = ("no", "n", "false", "0")
"""What says in the column `exclude`, in any case, that a sample stays."""


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


@dataclass(frozen=True)
class Wanted:
    """What a person wants: new labels and samples to leave out, by id.

    Attributes:
        labels: of each sample the text or number, and the label that it was thought to have, if
            that was said.
        excluded: ids.
        untouched: rows that say nothing.
    """

    labels: dict[str, tuple[Label, str | None]]
    excluded: tuple[str, ...] = ()
    untouched: int = 0


def read_corrections(path: Path) -> Wanted:
    """What stands in a CSV file with the columns `id`, `new_label` and `exclude`, one of these two
    at least; and `label`, which is compared with what the label is.

    Raises:
        DatasetError: it is no such file, or a row says two things.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)  # a quote that stays open is no label
            rows, columns = list(reader), set(reader.fieldnames or ())
    except csv.Error as error:
        why = str(error).replace("unexpected end of data", "a quote that is opened is not closed")
        raise DatasetError(f"{path} cannot be read: {why}", hint="Give a CSV file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}", hint="Give a CSV file.") from error
    if not columns:
        raise DatasetError(f"{path} is empty", hint="Give a CSV file with a header.")
    if ID not in columns or not columns & {NEW, EXCLUDE}:
        raise DatasetError(
            f"{path} has the columns {', '.join(sorted(columns))}",
            hint=f"It needs {ID}, and {NEW} or {EXCLUDE}, as `features audit --output` writes.",
        )
    labels: dict[str, tuple[Label, str | None]] = {}
    excluded, untouched = dict[str, None](), 0
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DatasetError(
                f"{path}, row {number}: it has {'more' if None in row else 'fewer'} cells than the "
                "header",
                hint="Put cells with commas into quotes. Nothing was corrected.",
            )
        id_, new, leaves = (str(row.get(name) or "").strip() for name in (ID, NEW, EXCLUDE))
        leaves = "" if leaves.lower() in NOT else leaves
        if id_ in labels or id_ in excluded or (new and leaves):
            why = "has a new label, and exclude" if new and leaves else "was named before"
            raise DatasetError(f"{path}, row {number}: sample {id_!r} {why}", hint="Say one.")
        if new:
            labels[id_] = new, row.get(LABEL)
        elif leaves:
            excluded[id_] = None
        else:
            untouched += 1
    return Wanted(labels, tuple(excluded), untouched)


def wanted_of(given: Any) -> Wanted:
    """From a file, or labels by id, as Python has them.

    Raises:
        DatasetError: see `read_corrections`; or a label is neither a text nor a number.
    """
    if isinstance(given, Mapping):
        return Wanted({str(id_): (_read(id_, label), None) for id_, label in given.items()})
    return read_corrections(Path(given))


def _read(id_: Any, label: Any) -> Label:
    """A label as sources read one: a fraction is a text."""
    try:
        return to_label(label, f"sample {str(id_)!r}")
    except DatasetError as error:
        error.hint = (
            "Give a class, a number, or several with | between them, such as 'dog|grass'; "
            "`exclude` leaves a sample out. Nothing was corrected."
        )
        raise


def correct(context: Context, name: str, given: Any) -> Corrected:
    """See `Datasets.correct`."""
    wanted = wanted_of(given)
    dataset = context.datasets.get(name)
    manifest, known = context.manifest(dataset), Corrections.of(dataset.options)
    wholes = Wholes(manifest)
    out = [id_ for id_ in wanted.excluded if id_ not in known.excluded]
    asked = [*wanted.labels, *out]
    numbers = _numbers(wholes, asked, name)
    labels, told, changes = dict(known.labels), dict[str, tuple[Label | None, Label]](), {}
    for id_, (text, thought) in wanted.labels.items():
        sample = wholes.samples[numbers[id_]]
        new = _as_label(text, manifest)
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
    _warn_of_copies(name, made.columns)
    now = replace(known, labels=labels, excluded={**known.excluded, **left})
    done = Corrected(dataset, told, tuple(left), untouched=wanted.untouched)
    return _stored(context, done, made, now)


def exclude(context: Context, name: str, ids: Iterable[str], *, undo: bool = False) -> Corrected:
    """See `Datasets.exclude`."""
    listed = tuple(dict.fromkeys(ids))
    if undo:
        return _take_back(context, name, listed)
    dataset = context.datasets.get(name)
    known = Corrections.of(dataset.options)
    wholes = Wholes(context.manifest(dataset))
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
            raise DatasetError(
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


def _numbers(wholes: Wholes, ids: list[str], name: str) -> dict[str, int]:
    """The number of each sample.

    Raises:
        DatasetError: one is not there.
    """
    numbers = dict(zip(ids, wholes.find(ids), strict=True))
    if unknown := [id_ for id_, number in numbers.items() if number == ABSENT]:
        raise DatasetError(
            f"dataset {name!r} has no sample {some(unknown)}",
            hint="Ids are those of `features audit` and `head predict`; nothing was changed.",
        )
    return numbers


def _check_thought(name: str, id_: str, label: Label | None, thought: str | None) -> None:
    """See that a label is still what it was when somebody looked at it."""
    if thought is not None and thought.strip() != ("" if label is None else str(label)):
        raise DatasetError(
            f"sample {id_!r} of {name!r} is labelled {label!r}, the file says {thought!r}",
            hint="Run the audit again: the dataset has changed. Nothing was corrected.",
        )


def _as_label(text: Label, manifest: Manifest) -> Label:
    """A label as those of a dataset are: a class's own, or a number where all are numbers."""
    known = {str(label): label for label in manifest.classes}
    if str(text) in known:
        return known[str(text)]
    are_whole = all(isinstance(label, int) for label in known.values())
    are_numbers = known and (are_whole or sources.are_numbers(known.values()))
    if are_numbers and isinstance(text, str) and text.lstrip("-").isdecimal():
        return int(text)
    return text


def _tell_of_new(name: str, told: Mapping[str, tuple[Label | None, Label]], old: Manifest) -> None:
    classes = set(old.classes)
    if sources.are_numbers(classes) or sources.several_in(classes):  # no class is one label
        return
    if new := list(dict.fromkeys(str(after) for _, after in told.values() if after not in classes)):
        tell(f"{name}: new classes: {some(new)}")


def _warn_of_copies(name: str, samples: SampleColumns) -> None:
    count, first = sources.differing_copies(samples)
    if count:
        warn(
            f"{name}: copies with different labels: {count:,}, such as {first[0]}", DifferingCopies
        )


def _stored(
    context: Context, done: Corrected, manifest: Manifest, corrections: Corrections
) -> Corrected:
    """The next version of a dataset, and the journal of it, in one transaction.

    Args:
        context: where.
        done: what was done, to the dataset as it was.
        manifest: as it is to be.
        corrections: all of them by now.

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
        return done
    made = described(context, before.name, manifest, options, context.manifest(before))
    with context.database.together():
        updated = context.datasets.update(made, before)
        if updated is None:
            raise DatasetError(
                f"dataset {before.name!r} was changed by somebody else meanwhile",
                hint="Nothing was corrected; do it again.",
            )
        done = replace(done, dataset=updated)
        _record(context, before, done)
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
