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
    reasons: dict[str, list[str]] = {}
    for failure in context.feature_sets.find_all_failures():
        reasons.setdefault(failure.digest, []).append(failure.reason)
    samples = manifest.columns
    return Results(
        Unread(sample.id, sample.place, "; ".join(dict.fromkeys(reasons[sample.digest])))
        for sample in samples.where(samples.have(reasons))
    )


def forget_failures(context: Context, dataset: str) -> Results[Unread]:
    """Let them be tried again by the next extraction; gives what was on record."""
    manifest = context.manifest(dataset)
    found, samples = failures_in(context, manifest), manifest.columns
    failures = context.feature_sets.find_all_failures()
    own = samples.where(samples.have({one.digest for one in failures}))
    digests = {sample.digest for sample in own}
    context.feature_sets.forget_failures(one for one in failures if one.digest in digests)
    return found
