"""A kept map as somebody looks at it: what its points are, and what lies near one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headstart.cached import of_samples
from headstart.context import Context
from headstart.errors import FeatureError, NotFound
from headstart.extractors.cache.kept_maps import KeptMap, contents_of
from headstart.extractors.engines.engine import kind_of
from headstart.extractors.run.keys import keys_of
from headstart.extractors.run.settings import Settings
from headstart.heads.dense_stack import flat
from headstart.heads.exploration.similarity import most_similar
from headstart.heads.rows import Rows, check_rows, rows_of
from headstart.jobs.exploration.looked_at import check_count, rows_named
from headstart.jobs.exploration.map import identity_of, places_in, wholes_in
from headstart.jobs.exploration.map_columns import MapColumn, column_of
from headstart.jobs.features.extract_raw import extract_raw
from headstart.jobs.heads.cross_validation import ROOM
from headstart.jobs.raw_samples import RawSample
from headstart.registry.entities import Dataset
from headstart.registry.references import exact
from headstart.storage.manifest import Manifest, Sample
from headstart.values.showable import Showable

OPEN = 3
"""Maps that are kept open: of a million samples one has some hundred megabytes."""
COLUMNS = 16


@dataclass(frozen=True)
class Near(Showable):
    """A sample that is similar to another.

    Attributes:
        sample: which.
        row: the number of its point; None where the map does not show it.
        distance: 1 - cosine of the features of both.
    """

    sample: Sample
    row: int | None
    distance: float


class OpenedMap:
    """A map with the samples that it shows.

    Args:
        context: where all is.
        kept: the map.
        dataset: of its samples, as it is now.
        manifest: of the dataset.

    Attributes:
        samples: all of the dataset, as points are of.
        rows: the numbers of those that have a point, (n,).
    """

    def __init__(
        self, context: Context, kept: KeptMap, dataset: Dataset, manifest: Manifest
    ) -> None:
        self.context = context
        self.kept = kept
        self.dataset = dataset
        self.samples = wholes_in(manifest.columns)
        self.rows = context.maps.rows(kept).astype(np.int64)
        self._manifest = manifest
        self._columns: OrderedDict[str, MapColumn] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.rows)

    def coordinates(self) -> np.ndarray:
        """(n, 2), float32."""
        return self.context.maps.coordinates(self.kept)

    def column(self, colour: str) -> MapColumn:
        """See `column_of`; those asked for last are kept."""
        with self._lock:  # a legend and its numbers are asked for at once: made once
            if colour not in self._columns:
                made = column_of(self.context, self.dataset, self.samples, self.rows, colour)
                self._columns[colour] = made
            self._columns.move_to_end(colour)
            if len(self._columns) > COLUMNS:
                self._columns.popitem(last=False)
            return self._columns[colour]

    def sample(self, row: int) -> Sample:
        """The sample of a point.

        Raises:
            NotFound: there is no such point.
        """
        self._check(row)
        return self.samples[int(self.rows[row])]

    def ids(self) -> list[str]:
        """Of all points."""
        return self.samples.take(self.rows).ids

    def find(self, text: str) -> int | None:
        """The first point whose sample's id is a text, or else has it in it."""
        shown = self.samples.take(self.rows)
        named = rows_named(shown, [text])
        if named:
            return named[text]
        found = (row for row, id_ in enumerate(shown.ids) if text.lower() in id_.lower())
        return next(found, None)

    def near(self, row: int, count: int = 24) -> list[Near]:
        """The samples of the dataset most similar to that of a point, which is left out.

        Raises:
            NotFound: there is no such point.
            FeaturesMissing: the features are not cached any more.
        """
        check_count(count, "count")
        self._check(row)
        numbers, features = self._features
        own = int(np.searchsorted(numbers, self.rows[row]))
        cosines, found = most_similar(flat(features[own : own + 1]), features, count + 1)
        pairs = zip(cosines[0].tolist(), found[0].tolist(), strict=True)
        others = [(cosine, place) for cosine, place in pairs if place != own][:count]
        return [self._near(int(numbers[place]), cosine) for cosine, place in others]

    def like(self, content: bytes, count: int = 24) -> list[Near]:
        """The samples of the dataset most similar to one that somebody has in hand.

        Args:
            content: the bytes of a file or of a text; never a path or a name.
            count: how many.

        Raises:
            SampleError: it cannot be read as the backbone's samples are.
            FeatureError: the backbone gives other features by now.
        """
        check_count(count, "count")
        kept, precision = self.kept, kind_of(self.kept.precision)
        backbone, cuts = self.context.resolve(exact(kept.backbone), precision)
        if keys_of(backbone, cuts[:1])[cuts[0].name] != kept.identity.feature_key:
            raise FeatureError(
                f"{kept.backbone} does not give the features of this map any more",
                hint="Make the map again.",
            )
        items = [RawSample("what was given", lambda: content)]
        given = extract_raw(self.context, backbone, cuts[0], items, Settings(precision=precision))
        numbers, features = self._features
        asked = flat(given.to_numpy())
        check_rows(asked, [items[0].name])
        cosines, found = most_similar(asked, features, count)
        pairs = zip(cosines[0].tolist(), found[0].tolist(), strict=True)
        return [self._near(int(numbers[place]), cosine) for cosine, place in pairs]

    @cached_property
    def _features(self) -> tuple[np.ndarray, Rows]:
        """The numbers of the samples that have features, ascending, and these."""
        key = self.kept.identity.feature_key
        view = of_samples(self.context.cache().open_view(key, self._manifest))
        return places_in(self.samples, view.samples), rows_of(view, room=ROOM)

    def _near(self, number: int, cosine: float) -> Near:
        place = int(np.searchsorted(self.rows, number))
        is_shown = place < len(self.rows) and self.rows[place] == number
        return Near(self.samples[number], place if is_shown else None, max(0.0, 1 - cosine))

    def _check(self, row: int) -> None:
        if not 0 <= row < len(self.rows):
            raise NotFound(f"the map has no point {row}", hint=f"It has {len(self.rows):,}.")


class OpenedMaps:
    """The maps that were looked at last.

    Args:
        context: where they are.
        manifest_of: gives the samples of a dataset.
    """

    def __init__(self, context: Context, manifest_of: Callable[[Dataset], Manifest]) -> None:
        self._context = context
        self._manifest_of = manifest_of
        self._opened: OrderedDict[tuple[str, str], OpenedMap] = OrderedDict()
        self._contents: dict[str, str] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> OpenedMap:
        """A map, while its dataset has the samples that it was made of.

        Raises:
            NotFound: there is none, or it is of a dataset that was removed or has changed.
        """
        with self._lock:
            kept = self._context.maps.get(key)
            dataset = self._context.datasets.get(kept.dataset)
            if (key, dataset.manifest) not in self._opened:
                if self.contents_of(dataset) != kept.identity.contents:
                    raise NotFound(
                        f"dataset {dataset.name!r} has other samples than when the map was made",
                        hint="Make it again: `headstart features map`.",
                    )
                made = OpenedMap(self._context, kept, dataset, self._manifest_of(dataset))
                self._opened[key, dataset.manifest] = made
            self._opened.move_to_end((key, dataset.manifest))
            if len(self._opened) > OPEN:
                self._opened.popitem(last=False)
            return self._opened[key, dataset.manifest]

    def find(self, feature_key: str, dataset: Dataset, method: str, seed: int) -> KeptMap | None:
        """What is kept of a map of a dataset as it is now; None if nothing is."""
        samples, contents = self._manifest_of(dataset).columns, self.contents_of(dataset)
        way = method, seed
        identity = identity_of(self._context, feature_key, dataset, samples, contents, way)
        return self._context.maps.find(identity.key)

    def contents_of(self, dataset: Dataset) -> str:
        """See `kept_maps.contents_of`."""
        name = dataset.manifest
        if name not in self._contents:
            if len(self._contents) >= COLUMNS:
                self._contents.clear()
            self._contents[name] = contents_of(self._manifest_of(dataset).columns)
        return self._contents[name]


def point_facts(sample: Sample) -> dict[str, Any]:
    """What is told of a sample at its point."""
    label = None if sample.label is None else str(sample.label)
    return {"id": sample.id, "label": label, "split": sample.split}
