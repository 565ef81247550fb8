"""`ws.map`: two numbers a sample, kept until the dataset's samples are others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.cached import check_one_cut, features_of, of_samples
from headstart.context import Context
from headstart.extractors.cache import kept_maps
from headstart.extractors.cache.kept_maps import KeptMap, MapIdentity, contents_of
from headstart.extractors.run.keys import keys_of
from headstart.heads.exploration.coordinates import (
    METHODS,
    check_method,
    coordinates_of,
    load,
    shown_of,
)
from headstart.heads.rows import rows_of
from headstart.jobs.exploration.interruption import unless_ended
from headstart.jobs.heads.cross_validation import ROOM
from headstart.jobs.named import both_named
from headstart.progress import watching
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.views import FeatureView
from headstart.storage.windowed.wholes import are_windows, numbered
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Mapped(Showable):
    """A map of a dataset.

    Attributes:
        kept: what it is of, and where it is.
        coordinates: (n, 2), float32.
        samples: those that it shows, in that order.
        is_new: whether it was made now.
    """

    kept: KeptMap
    coordinates: np.ndarray
    samples: SampleColumns
    is_new: bool

    def _facts(self) -> dict[str, Any]:
        kept = self.kept
        return {
            "map": kept.key,
            "backbone": kept.backbone,
            "precision": kept.precision,
            "feature_key": kept.identity.feature_key,
            "dataset": kept.dataset,
            "method": kept.identity.method,
            "seed": kept.identity.seed,
            "coordinates": kept.words,
            "samples": kept.samples,
            "total": kept.total,
            "seconds": kept.seconds,
            "is_new": self.is_new,
        }

    def _line(self) -> str:
        kept = self.kept
        return f"{kept.words}, {kept.samples:,} samples of {kept.dataset} by {kept.backbone}"


def map_samples(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    method: str = METHODS[0],
    *,
    seed: int = 0,
    precision: str = "float32",
) -> Mapped:
    """See `Workspace.map`."""
    check_method(method)
    names = both_named(context, backbone, dataset)
    record = context.datasets.get(names[1])
    samples = context.manifests.open(record.manifest).columns
    entity, cuts = context.resolve(names[0], precision)
    check_one_cut(entity, cuts)
    (key,) = keys_of(entity, cuts[:1]).values()
    identity = identity_of(context, key, record, samples, contents_of(samples), (method, seed))
    kept = context.maps.find(identity.key)
    is_new = kept is None
    if kept is None:
        view = of_samples(features_of(context, *names, precision))
        kept = _make(context, identity, view, wholes_in(samples))
    rows = context.maps.rows(kept)
    shown = wholes_in(samples).take(rows.astype(np.int64))
    return Mapped(kept, context.maps.coordinates(kept), shown, is_new)


def identity_of(
    context: Context,
    key: str,
    dataset: Dataset,
    samples: SampleColumns,
    contents: str,
    way: tuple[str, int],
) -> MapIdentity:
    """What a map of a dataset as it is now depends on.

    Args:
        context: whose cache.
        key: of the features.
        dataset: which.
        samples: of the dataset.
        contents: see `kept_maps.contents_of`.
        way: the method and its seed.
    """
    cache = context.cache(reads_rows=False, puts_aside=False)  # it only looks
    return MapIdentity(
        key, dataset.name, contents, *way, rows=kept_maps.rows_of(cache, key, samples)
    )


def wholes_in(samples: SampleColumns) -> SampleColumns:
    """What points of a map are: the samples, or those that windows are of."""
    return SampleColumns.of(numbered(samples)[0]) if are_windows(samples) else samples


def places_in(all_of_them: SampleColumns, some: SampleColumns) -> np.ndarray:
    """The number among all of each of some samples, which stand in the same order, (n,) int64."""
    if len(some) == len(all_of_them):
        return np.arange(len(some))
    wanted = set(some.ids)
    return np.flatnonzero([id_ in wanted for id_ in all_of_them.ids])


def _make(
    context: Context, identity: MapIdentity, view: FeatureView, samples: SampleColumns
) -> KeptMap:
    started = time.perf_counter()
    rows = shown_of(np.arange(len(view)), identity.method, identity.seed)
    features = rows_of(view, chosen=rows, room=ROOM)
    load(identity.method)  # an import that is broken off is half done for all
    found, words = unless_ended(
        watching(), lambda: coordinates_of(features, identity.method, identity.seed)
    )
    origin = view.origin
    kept = KeptMap(
        identity,
        f"{origin.backbone.label}@{origin.cut.name}",
        origin.cut.precision,
        len(rows),
        len(samples),
        words,
        {},
        time.perf_counter() - started,
    )
    return context.maps.keep(kept, found, places_in(samples, view.samples)[rows])
