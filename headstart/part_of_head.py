"""The samples that a head was trained and tested on, where there was no time for all: found again
by what its settings have of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.cached import features_of_some
from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.tasks import Task, task_of
from headstart.heads.trials.subsample import nested
from headstart.origins.blocks import Blocks
from headstart.registry.entities import Dataset, Head
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.views import FeatureView

PART = "part"
"""In a head's settings: how many `samples` it was trained and tested on, `of` how many with a
label, of each class in each split `least` first, and the `seed` of the choice; nothing where it was
of all."""


def samples_of_part(columns: SampleColumns, part: dict[str, Any], task: Task) -> SampleColumns:
    """The samples that were taken, of all as they were then."""
    order = nested(columns, task, part["least"], part["seed"]).rows
    return columns.take(np.sort(order[: part["samples"]]))


def features_of_part(
    context: Context, record: Head, blocks: Blocks, scales: Sequence[float], dataset: Dataset
) -> FeatureView:
    """The features of the samples that a head is of.

    Raises:
        FeaturesMissing: they are not cached any more.
        HeadError: the dataset is not what it was then.
    """
    part = record.settings[PART]
    if dataset.digest != record.dataset_digest:
        raise HeadError(
            f"head {record.name!r} is of {part['samples']:,} samples of {dataset.name!r}; which "
            "these are is not known, as the dataset has changed",
            hint=f"`headstart head retrain {record.name}` trains a next version on all of it.",
        )
    samples = samples_of_part(context.manifest(dataset).columns, part, task_of(record.settings))
    return features_of_some(context, blocks, dataset, samples, scales)


def part_text(part: dict[str, Any]) -> str:
    """What a head is of, in words."""
    return f"{part['samples']:,} of {part['of']:,} samples, of each class and split a share"
