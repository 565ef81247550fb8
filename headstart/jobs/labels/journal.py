"""What people say of labels: written down, taken back, exported, and applied as a new version of
the dataset, whose source is never edited."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from headstart.context import Context
from headstart.errors import DatasetChanged, DatasetError, InvalidValue, NotFound
from headstart.jobs.datasets.correct import Corrected, correct, doubts_of_new
from headstart.jobs.datasets.corrections_file import EXCLUDE as EXCLUDE_COLUMN
from headstart.jobs.datasets.corrections_file import ID, LONGEST, NEW, Wanted, check_new
from headstart.jobs.datasets.corrections_file import LABEL as LABEL_COLUMN
from headstart.jobs.exploration.samples import find_by_id
from headstart.registry.audit.corrections import (
    ACTIONS,
    APPLIED,
    EXCLUDE,
    KEEP,
    LABEL,
    PENDING,
    SUPERSEDED,
    UNDONE,
    Correction,
)
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Label, Manifest, Sample
from headstart.values.showable import Results

COLUMNS = (ID, LABEL_COLUMN, NEW, EXCLUDE_COLUMN, "user", "when")


def say(
    context: Context,
    dataset: Dataset,
    manifest: Manifest,
    id_: str,
    action: str,
    label: str | None = None,
) -> Correction:
    """As `say_all`, of one sample."""
    return say_all(context, dataset, manifest, [id_], action, label)[0]


def say_all(
    context: Context,
    dataset: Dataset,
    manifest: Manifest,
    ids: Sequence[str],
    action: str,
    label: str | None = None,
) -> list[Correction]:
    """Write down what somebody says of samples, of all or of none; nothing is changed by it yet.

    Args:
        context: of the workspace.
        dataset: of the samples.
        manifest: of the dataset.
        ids: of the samples, one at least.
        action: `label`, `exclude` or `keep`.
        label: that they are to have, of `label`.

    Raises:
        InvalidValue: there is no such action, or a label is wanted.
        NotFound: there is no such sample.
        DatasetError: it can be no label.
    """
    if action not in ACTIONS:
        raise InvalidValue(f"action is {action[:80]!r}", hint=f"One of {', '.join(ACTIONS)}.")
    wanted = list(dict.fromkeys(ids))
    samples = find_by_id(manifest, wanted)
    if gone := set(wanted) - {one.id for one in samples}:
        first = next(id_ for id_ in wanted if id_ in gone)
        raise NotFound(
            f"dataset {dataset.name!r} has no sample {first[:200]!r}",
            hint="It may have changed since the page was opened.",
        )
    after = _label_of(manifest, samples[0], label) if action == LABEL else None
    return context.corrections.add_all(
        [Correction(dataset.name, one.id, one.digest, action, one.label, after) for one in samples]
    )


def _label_of(manifest: Manifest, sample: Sample, label: str | None) -> Label:
    """A label that was given as text, as those of the dataset are."""
    if not label or len(label) > LONGEST:
        raise InvalidValue("no label is given, or a very long one", hint="Name a class.")
    known = {str(one): one for one in manifest.classes}
    if label not in known:
        check_new(sample.id, label)
    return known.get(label, label)


def find_pending(context: Context, dataset: str) -> Results[Correction]:
    """What was said and not applied yet: of each sample the latest, the newest first."""
    return latest_of(find_all_pending(context, dataset))


def find_all_pending(context: Context, dataset: str) -> Results[Correction]:
    """What was said and not applied yet, the newest first; of a sample all of it."""
    return context.corrections.find(dataset, (PENDING,))


def latest_of(said: Results[Correction]) -> Results[Correction]:
    """Of each sample the first of what is given."""
    latest: dict[str, Correction] = {}
    for one in said:
        latest.setdefault(one.sample, one)
    return Results(latest.values())


def doubts_of(dataset: Dataset, manifest: Manifest, pending: Sequence[Correction]) -> list[str]:
    """What `dataset correct` would warn of: new classes that may be another, or are too small."""
    given = Counter(one.after for one in pending if one.action == LABEL and one.after is not None)
    if all(label in manifest.classes for label in given):
        return []
    return [doubt for doubt, _ in doubts_of_new(dataset.name, given, manifest)]


def undo(context: Context, dataset: str, number: int | None = None) -> Correction:
    """Take something back that was not applied yet.

    Args:
        context: of the workspace.
        dataset: its name.
        number: of what was said; the latest without it.

    Raises:
        InvalidValue: there is nothing to take back.
    """
    pending = find_all_pending(context, dataset)
    found = next((one for one in pending if number in (None, one.id)), None)
    if found is None or not context.corrections.mark([found.id], UNDONE):
        raise InvalidValue(
            "there is nothing to take back", hint="What was applied is corrected once more instead."
        )
    return found


def to_csv(said: Results[Correction]) -> str:
    """What was said as a file that `headstart dataset correct` takes."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for one in reversed(said):
        writer.writerow(
            {
                ID: one.sample,
                LABEL_COLUMN: "" if one.before is None else one.before,
                NEW: one.after if one.action == LABEL else "",
                EXCLUDE_COLUMN: "x" if one.action == EXCLUDE else "",
                "user": one.user,
                "when": "" if one.created_at is None else one.created_at.isoformat(),
            }
        )
    return file.getvalue()


def apply(context: Context, dataset: str) -> Corrected:
    """Make all that is pending a new version of the dataset.

    Raises:
        DatasetError: nothing is pending, or a sample is not there any more, or has another label or
            another content by now; nothing is changed.
        DatasetChanged: somebody else took back or applied some of it meanwhile; likewise.
    """
    said = find_all_pending(context, dataset)
    pending = latest_of(said)
    wanted = _wanted(pending)
    if not wanted.labels and not wanted.excluded:
        raise DatasetError(
            f"no correction of {dataset!r} is pending", hint="Say first what is wrong."
        )
    latest = {one.id for one in pending}
    older = [one.id for one in said if one.id not in latest]
    # Reading a large dataset takes longer than others should wait for the registry: what was
    # pending before is marked at the end, if all of it still is.
    return correct(
        context, dataset, wanted, closing=lambda now: _close(context, now, [*latest], older)
    )


def _wanted(pending: Sequence[Correction]) -> Wanted:
    labels: dict[str, tuple[Label, str | None]] = {
        one.sample: (one.after, "" if one.before is None else str(one.before))
        for one in pending
        if one.action == LABEL and one.after is not None
    }
    excluded = tuple(one.sample for one in pending if one.action == EXCLUDE)
    contents = {one.sample: one.digest for one in pending if one.action != KEEP}
    return Wanted(labels, excluded, contents=contents)


def _close(context: Context, now: Dataset, latest: Sequence[int], older: Sequence[int]) -> None:
    """Mark what was applied, and what it took the place of, all of it or nothing."""
    with context.database.together():
        marked = context.corrections.mark(latest, APPLIED, now.digest)
        marked += context.corrections.mark(older, SUPERSEDED)
        if marked != len(latest) + len(older):
            raise DatasetChanged(
                f"corrections of {now.name!r} were taken back or applied by somebody else "
                "meanwhile",
                hint="Nothing was corrected; look at what is pending, and apply again.",
            )
