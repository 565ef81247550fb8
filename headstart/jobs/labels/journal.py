"""What people say of labels: written down, taken back, exported, and applied as a new version of
the dataset, whose source is never edited."""

from __future__ import annotations

import csv
import io

from headstart.context import Context
from headstart.errors import DatasetError, InvalidValue, NotFound
from headstart.jobs.datasets.correct import Corrected, correct
from headstart.jobs.datasets.corrections_file import EXCLUDE as EXCLUDE_COLUMN
from headstart.jobs.datasets.corrections_file import ID, LONGEST, NEW, Wanted, check_new
from headstart.jobs.datasets.corrections_file import LABEL as LABEL_COLUMN
from headstart.jobs.exploration.samples import find_by_id
from headstart.registry.audit.corrections import (
    ACTIONS,
    APPLIED,
    EXCLUDE,
    LABEL,
    PENDING,
    UNDONE,
    Correction,
)
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Manifest
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
    """Write down what somebody says of a sample; nothing is changed by it yet.

    Args:
        context: of the workspace.
        dataset: of the sample.
        manifest: of the dataset.
        id_: of the sample.
        action: `label`, `exclude` or `keep`.
        label: that it is to have, of `label`.

    Raises:
        InvalidValue: there is no such action, or a label is wanted.
        NotFound: there is no such sample.
        DatasetError: it can be no label.
    """
    if action not in ACTIONS:
        raise InvalidValue(f"action is {action[:80]!r}", hint=f"One of {', '.join(ACTIONS)}.")
    sample = next(iter(find_by_id(manifest, [id_])), None)
    if sample is None:
        raise NotFound(
            f"dataset {dataset.name!r} has no sample {id_[:200]!r}",
            hint="It may have changed since the page was opened.",
        )
    after: str | int | None = None
    if action == LABEL:
        if not label or len(label) > LONGEST:
            raise InvalidValue("no label is given, or a very long one", hint="Name a class.")
        known = {str(one): one for one in manifest.classes}
        if label not in known:
            check_new(sample.id, label)
        after = known.get(label, label)
    said = Correction(dataset.name, sample.id, sample.digest, action, sample.label, after)
    return context.corrections.add(said)


def find_pending(context: Context, dataset: str) -> Results[Correction]:
    """What was said and not applied yet: of each sample the latest, the newest first."""
    return _latest(context.corrections.find(dataset, (PENDING,)))


def _latest(said: Results[Correction]) -> Results[Correction]:
    latest: dict[str, Correction] = {}
    for one in said:
        latest.setdefault(one.sample, one)
    return Results(latest.values())


def undo(context: Context, dataset: str, number: int | None = None) -> Correction:
    """Take something back that was not applied yet.

    Args:
        context: of the workspace.
        dataset: its name.
        number: of what was said; the latest without it.

    Raises:
        InvalidValue: there is nothing to take back.
    """
    pending = context.corrections.find(dataset, (PENDING,))
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
        DatasetError: nothing is pending, a sample is not there any more, or has another label by
            now; nothing is changed.
    """
    said = context.corrections.find(dataset, (PENDING,))
    pending = _latest(said)
    wanted = Wanted(
        {
            one.sample: (one.after, "" if one.before is None else str(one.before))
            for one in pending
            if one.action == LABEL and one.after is not None
        },
        tuple(one.sample for one in pending if one.action == EXCLUDE),
    )
    if not wanted.labels and not wanted.excluded:
        raise DatasetError(
            f"no correction of {dataset!r} is pending", hint="Say first what is wrong."
        )
    with context.database.together():
        done = correct(context, dataset, wanted)
        context.corrections.mark([one.id for one in said], APPLIED, done.dataset.digest)
    return done
