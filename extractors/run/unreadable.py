"""The samples of a run that cannot be read: known from before, met now, skipped or refused."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.errors import HeadstartError, SampleUnreadable
from headstart.registry.entities import Backbone, Failure
from headstart.registry.features import FeatureRepository
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Sample

IN_HAND = "in hand"
"""In the place of the dataset's name, in runs: samples of no dataset. No name holds a space."""
WITHOUT = "Leave it out; `similar` goes on without it by --on-error skip (on_error='skip')."
"""What to do about a sample of no dataset."""


class Unreadable:
    """Reasons by sample digest.

    Args:
        backbone: of the run; what its preprocessing could not read once is not tried again.
        dataset: its name, for messages.
        on_error: `fail` at the first that is met now, or `skip` them.
        repository: where failures are registered.
    """

    def __init__(
        self,
        backbone: Backbone,
        dataset: str,
        on_error: str,
        repository: FeatureRepository,
    ) -> None:
        self._preprocessing = backbone.preprocessing_fingerprint
        self._dataset = dataset
        self._on_error = on_error
        self._repository = repository
        self._reasons: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._reasons)

    def __contains__(self, digest: object) -> bool:
        return digest in self._reasons

    def recall(self, digests: Sequence[str]) -> None:
        """Leave out those that could not be read before: somebody said then that they be skipped,
        or they would not be on record."""
        if not digests:
            return
        known = self._repository.find_failures(self._preprocessing)
        self._reasons.update({digest: known[digest] for digest in digests if digest in known})

    def add(self, sample: Sample, error: SampleUnreadable) -> None:
        """Take up one that could not be read now.

        Raises:
            SampleUnreadable: `on_error` is `fail`.
        """
        if self._on_error == "fail":
            raise self._refusal(sample, error.message, error.hint) from error
        self._reasons[sample.digest] = error.message
        if isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
            return  # the disk's fault, not the content's: it is tried again next time
        self._repository.record_failures(
            [Failure(sample.digest, self._preprocessing, error.message)]
        )

    def give_up(self, digests: Sequence[str], reason: str) -> None:
        """Leave these out from now on, whatever `on_error` says: they cost a process each time."""
        if digests:
            self._reasons.update(dict.fromkeys(digests, reason))
            self._repository.record_failures(
                [Failure(digest, self._preprocessing, reason) for digest in digests]
            )

    def listed(self, samples: SampleColumns) -> list[dict[str, str]]:
        """Id and reason of each of these samples that could not be read."""
        return [
            {"id": sample.id, "reason": self._reasons[sample.digest]}
            for sample in samples.where(samples.have(self._reasons))
        ]

    def _refusal(self, sample: Sample, reason: str, hint: str | None = None) -> HeadstartError:
        if self._dataset == IN_HAND:
            return SampleUnreadable(f"{sample.id} cannot be read: {reason}", hint=WITHOUT)
        return SampleUnreadable(
            f"sample {sample.id!r} of dataset {self._dataset!r} cannot be read: {reason} "
            f"({sample.place})",
            hint=hint or "Fix or remove it, or go on without it: --on-error skip.",
        )
