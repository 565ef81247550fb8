"""`ws.verify`: some cached rows computed again through the real model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.backbone_model import chooser_of, open_engine, pipeline_of, prepare
from headstart.context import Context
from headstart.errors import FeatureError, InvalidFeatureSetting
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.datasets import reader_of
from headstart.extractors.engines.engine import INT8, kind_of
from headstart.extractors.engines.parity import tolerance
from headstart.extractors.preprocessing.batches import stack
from headstart.extractors.run.keys import keys_of
from headstart.extractors.run.verification import compare_rows
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.manifest import Sample
from headstart.values.options import taken
from headstart.values.showable import Record


@dataclass(frozen=True)
class Verified(Record):
    """How cached rows compare with computed ones.

    Attributes:
        rows: how many were compared.
        max_abs_diff: between cached and computed; None where there was nothing to compare.
        max_relative_error: of a row, relative L2 error; likewise.
        tolerance: of that, by engine, precision and storage; likewise.
        ok: whether all rows are within it, no shard was damaged, and there were rows to compare, if
            the dataset has samples.
        corrupt: shards that were found damaged, and quarantined.
        feature_key: of the set.
    """

    rows: int
    max_abs_diff: float | None
    max_relative_error: float | None
    tolerance: float | None
    ok: bool
    corrupt: int
    feature_key: str


def verify(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    rows: int = 16,
    seed: int = 0,
    *,
    full: bool = False,
    precision: str = "float32",
    progress: Progress = silent,
) -> Verified:
    """See `Workspace.verify`."""
    rows, seed = (
        taken("rows", rows, "int", InvalidFeatureSetting),
        taken("seed", seed, "int", InvalidFeatureSetting),
    )
    if rows < 1:
        raise FeatureError(f"rows is {rows}", hint="Give 1 or more.")
    entity, cuts = context.resolve(backbone, precision)
    record = context.datasets.get(dataset)
    manifest = context.manifest(record)
    cache = context.cache()
    damaged_before = cache.quarantined
    (key,) = keys_of(entity, cuts[:1]).values()
    if full:
        cache.check_all(key, progress)
    view, chosen, stored = cache.read_some(key, manifest.samples, rows, seed)
    if view is None:
        corrupt = cache.quarantined - damaged_before
        is_empty = not len(manifest.samples)
        return Verified(0, None, None, None, is_empty and not corrupt, corrupt, key)
    read = reader_of(record)
    computed = _computed(context, entity, cuts[0], [view.samples[row] for row in chosen], read)
    check = compare_rows(stored, computed, _tolerance(context, key, precision))
    corrupt = cache.quarantined - damaged_before
    return Verified(**asdict(check), ok=check.ok and not corrupt, corrupt=corrupt, feature_key=key)


def _computed(
    context: Context,
    backbone: Backbone,
    cut: Cut,
    samples: Sequence[Sample],
    read: Callable[[Sample], Any],
) -> np.ndarray:
    """Rows computed anew: by TensorFlow in float32, in int8 by the calibrated trunk itself."""
    if kind_of(cut.precision) != INT8:
        inputs = prepare(context, backbone, samples, read)
        return open_engine(context, backbone, [cut]).run(inputs)[0]
    pixels = pipeline_of(context, backbone).pixels
    batch = stack([pixels.prepare(read(sample)) for sample in samples])
    chooser = chooser_of(context, backbone)
    chosen = chooser.choose("auto", cut.precision, [cut], lambda: batch, len(samples))
    return chosen.engine.run(batch)[0]


def _tolerance(context: Context, key: str, precision: str) -> float:
    """Of the rows of a feature set, whoever computed them."""
    found = context.feature_sets.find_set(key)
    assert found is not None  # its rows were read
    engines = {shard.engine for shard in context.feature_sets.find_shards(found.id)}
    return tolerance(engines, precision, found.storage)
