"""Samples as a job keeps them: by id and content, to be found again in the dataset as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headstart.jobs.exploration.samples import find_by_id
from headstart.storage.manifest import Manifest, Sample


def told_of(sample: Sample) -> dict[str, Any]:
    """A sample as JSON values, for `KeptSamples`."""
    return {"id": sample.id, "digest": sample.digest, "label": sample.label}


class KeptSamples:
    """Those that a dataset still has.

    Args:
        manifest: of the dataset.
        told: by `told_of`.
    """

    def __init__(self, manifest: Manifest, told: Iterable[dict[str, Any]]) -> None:
        ids = list(dict.fromkeys(one["id"] for one in told))
        self._known = {(one.id, one.digest): one for one in find_by_id(manifest, ids)}

    def find(self, one: dict[str, Any]) -> Sample | None:
        """None of one that is gone, or has another content by now."""
        return self._known.get((one["id"], one["digest"]))

    def find_alike(self, one: dict[str, Any]) -> Sample | None:
        """None, too, of one that was given another label."""
        sample = self.find(one)
        return None if sample is None or sample.label != one["label"] else sample
