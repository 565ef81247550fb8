"""What a person should label, as a job keeps it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from headstart.jobs.heads.care.label_next import ToLabel
from headstart.jobs.labels.kept_samples import KeptSamples, told_of
from headstart.storage.manifest import Manifest


def told_of_next(found: Sequence[ToLabel]) -> list[Any]:
    """As JSON values, for `next_of`."""
    return [[told_of(one.sample), one.guess, one.probability] for one in found]


def next_of(told: list[Any], manifest: Manifest) -> list[ToLabel]:
    """Those that are in the dataset as it is now, with the label that they had. JSON has no NaN,
    which is the probability of several labels: it is null there."""
    kept = KeptSamples(manifest, (one for one, *_ in told))
    return [
        ToLabel(sample, guess, math.nan if probability is None else probability)
        for one, guess, probability in told
        if (sample := kept.find_alike(one)) is not None
    ]
