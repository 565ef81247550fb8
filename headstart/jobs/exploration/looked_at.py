"""The cached features that are looked around in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headstart.cached import features_of, of_samples
from headstart.context import Context
from headstart.errors import FeatureError, InvalidValue
from headstart.heads.labelled import some_rows
from headstart.heads.rows import Rows, StoredRows, rows_of
from headstart.jobs.heads.cross_validation import ROOM
from headstart.jobs.named import both_named
from headstart.origins.blocks import JoinedOrigin, Origin
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Sample
from headstart.storage.views import FeatureView
from headstart.values.sizes import MILLION


@dataclass(frozen=True)
class LookedAt:
    """Samples of a dataset with their features, all of them or some chosen by a seed.

    Attributes:
        context: whose cache.
        view: of all of the dataset's.
        samples: those that are looked at.
        chosen: their rows in the view, (n,) int64.
        choice: how they were chosen, in words; empty of all.
    """

    context: Context
    view: FeatureView
    samples: SampleColumns
    chosen: np.ndarray
    choice: str = ""

    @cached_property
    def rows(self) -> Rows:
        """Their features, (n, width), in memory if they fit there."""
        return rows_of(self.view, chosen=self.chosen, room=ROOM)

    @property
    def stored(self) -> Rows:
        """The same where they lie, read when they are sliced."""
        return StoredRows(self.view).only(self.chosen)

    @property
    def origin(self) -> Origin | JoinedOrigin:
        assert self.view.origin is not None  # it is had from `features_of`
        return self.view.origin

    def sample(self, row: int) -> Sample:
        return self.samples[int(row)]

    @staticmethod
    def of(
        context: Context,
        backbone: str | Backbone,
        dataset: str | Dataset,
        precision: str,
        *,
        limit: int | None = MILLION,
        seed: int = 0,
    ) -> LookedAt:
        """From the cache; of samples with windows the mean of theirs. Backbone and dataset may be
        named by their sources; without a limit all samples are looked at.

        Raises:
            FeaturesMissing: some have not been extracted.
            FeatureError: there are no samples.
        """
        if limit is not None:
            check_count(limit, "limit")
        names = both_named(context, backbone, dataset)
        view = of_samples(features_of(context, *names, precision))
        if not len(view):
            raise FeatureError(
                f"dataset {names[1]!r} has no samples", hint="There is nothing to compare."
            )
        rows = some_rows(np.arange(len(view)), len(view) if limit is None else limit, seed)
        choice = f"{limit} by seed {seed}" if len(rows) < len(view) else ""
        return LookedAt(context, view, view.samples.take(rows), rows, choice)


def rows_named(samples: SampleColumns, ids: Iterable[str]) -> dict[str, int]:
    """The rows of the samples that have one of some ids, the first of each."""
    wanted, found, before = set(ids), dict[str, int](), 0
    for block in samples.blocks():
        for row, id_ in enumerate(block.ids, start=before):
            if id_ in wanted:
                found.setdefault(id_, row)
        before += len(block)
    return found


def check_count(value: int, name: str) -> None:
    """See that it is a number of things.

    Raises:
        InvalidValue: it is less than 1.
    """
    if value < 1:
        raise InvalidValue(f"{name} is {value}", hint="Give 1 or more.")
