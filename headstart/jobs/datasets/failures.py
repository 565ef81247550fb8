"""`ws.datasets.failures`: the samples of a dataset that a backbone's preprocessing cannot read."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.context import Context
from headstart.storage.manifest import Manifest
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class Unread(Showable):
    """A sample that could not be read when somebody said that such ones be skipped.

    Attributes:
        id: of the sample.
        place: its file, or where in its file it is.
        reason: what was wrong with it.
    """

    id: str
    place: str
    reason: str


def find_failures(context: Context, dataset: str) -> Results[Unread]:
    """What is on record, in the dataset's order; a reason each."""
    return failures_in(context, context.manifest(dataset))


def failures_in(context: Context, manifest: Manifest) -> Results[Unread]:
    """As `find_failures`, for samples that are at hand."""
    samples = manifest.samples
    found = context.feature_sets.find_failures_of({sample.digest for sample in samples})
    reasons: dict[str, list[str]] = {}
    for failure in found:
        reasons.setdefault(failure.digest, []).append(failure.reason)
    return Results(
        Unread(sample.id, sample.place, reason)
        for sample in samples
        for reason in ["; ".join(dict.fromkeys(reasons.get(sample.digest, ())))]
        if reason
    )


def forget_failures(context: Context, dataset: str) -> Results[Unread]:
    """Let them be tried again by the next extraction; gives what was on record."""
    manifest = context.manifest(dataset)
    found = failures_in(context, manifest)
    digests = {sample.digest for sample in manifest.samples}
    context.feature_sets.forget_failures(context.feature_sets.find_failures_of(digests))
    return found
