"""An audit as a job keeps it, without what the manifest says of the samples."""

from __future__ import annotations

from typing import Any

from headstart.jobs.datasets.audit import Audit, Suspect
from headstart.jobs.datasets.twins import Twins
from headstart.jobs.labels.kept_samples import KeptSamples, told_of
from headstart.storage.manifest import Manifest


def told_of_audit(audit: Audit) -> dict[str, Any]:
    """An audit as JSON values, for `audit_of`."""
    suspects = audit.suspects
    return {
        "samples": audit.samples,
        "suspects": suspects and [[told_of(one.sample), one.guess, one.margin] for one in suspects],
        "twins": [
            [told_of(one.first), told_of(one.second), one.distance, one.evidence]
            for one in audit.twins
        ],
        "pictures": audit.pictures,
        "all_pairs": audit.all_pairs,
    }


def audit_of(told: dict[str, Any], manifest: Manifest) -> Audit:
    """The audit, without samples that have gone since, or have another content, or were given
    another label.

    Args:
        told: by `told_of_audit`.
        manifest: of the dataset as it is now.
    """
    named = [one[0] for one in told["suspects"] or ()]
    named += [one for pair in told["twins"] for one in pair[:2]]
    kept = KeptSamples(manifest, named)
    suspects = told["suspects"] and [
        Suspect(sample, guess, margin)
        for one, guess, margin in told["suspects"]
        if (sample := kept.find_alike(one)) is not None
    ]
    twins = [
        Twins(first, second, distance, evidence)
        for one, other, distance, evidence in told["twins"]
        if (first := kept.find(one)) is not None and (second := kept.find(other)) is not None
    ]
    return Audit(told["samples"], suspects, twins, told["pictures"], told["all_pairs"])
