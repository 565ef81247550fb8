"""`features import`: features that were made elsewhere become those of a backbone's cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headstart.backbone_model import open_engine, prepare
from headstart.context import Context
from headstart.errors import FeatureError
from headstart.extractors.cache.feature_cache import Rows, encoding_of
from headstart.extractors.cache.feature_import import FeatureFile, Imported, import_rows
from headstart.extractors.datasets import reader_of
from headstart.extractors.difference import largest, relative_error
from headstart.extractors.run.keys import keys_of
from headstart.extractors.runtime import versions
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset, FeatureSet

TOLERANCE = 1e-4
"""Of an imported row against the real model: relative L2 error, as engines are held to."""


def import_features(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    path: str | Path,
    *,
    check: int = 16,
    seed: int = 0,
    progress: Progress = silent,
) -> Imported:
    """See `Cache.import_features`."""
    entity, cuts = context.resolve(backbone)
    record = context.datasets.get(dataset)
    manifest = context.manifest(record)
    cut, (key,) = cuts[0], keys_of(entity, cuts[:1]).values()
    file = FeatureFile(Path(path).expanduser(), manifest)
    if file.key not in (None, key):
        raise FeatureError(
            f"{file.path} says its feature key is {file.key[:12] if file.key else None}, that "
            f"of {entity.label}@{cut.name} is {key[:12]}",
            hint="Other weights, another cut or another preprocessing: `headstart features "
            "explain`.",
        )
    wanted = FeatureSet(
        key=key,
        backbone=entity.label,
        cut=cut.name,
        cut_fingerprint=cut.point.fingerprint,
        trunk_fingerprint=cut.fingerprint,
        preprocessing=entity.preprocessing,
        preprocessing_fingerprint=entity.preprocessing_fingerprint,
        precision=cut.precision,
        view=0,
        shape=tuple(file.shape[1:]),
        dtype=cut.point.dtype,
        storage=cut.point.dtype,
    )
    known = context.feature_sets.find_set(key)
    _refuse_other_rows(file, known or wanted, cut.shape)
    own = [row for row, digest in enumerate(file.digests) if digest is not None]
    rng = np.random.default_rng(seed)
    rows = sorted(rng.permutation(own)[:check].tolist()) if check and own else []
    difference = _compare(context, backbone, dataset, file, rows) if rows else None
    feature_set = context.feature_sets.ensure_set(known or wanted)
    cache = context.cache()

    def commit(digests: list[str], features: np.ndarray) -> None:
        rows = features.astype(feature_set.dtype, copy=False)
        if not (np.isfinite(rows).all() and encoding_of(feature_set).fits(rows).all()):
            raise FeatureError(
                f"{file.path} holds NaN, infinity or numbers too large for "
                f"{feature_set.storage}, at or behind sample digest {digests[0][:12]}",
                hint="The rows before those were stored.",
            )
        if not _has_lengths(rows):
            raise FeatureError(
                f"{file.path} holds numbers so large that float32 has no square of a row's "
                f"length, at or behind sample digest {digests[0][:12]}",
                hint="Neither distances nor heads come of them. The rows before those were stored.",
            )
        cache.commit([Rows(feature_set, digests, rows)], "import", versions())

    added, reused, foreign = import_rows(
        file, lambda digests: cache.open_index(key).find(digests).present, commit, progress
    )
    cache.save()
    return Imported(len(file.digests), added, reused, foreign, len(rows), difference, key)


def _has_lengths(rows: np.ndarray) -> bool:
    """Whether distances between rows are numbers, also of means and differences of two."""
    flat = rows.reshape(len(rows), -1).astype(np.float32, copy=False)
    with np.errstate(over="ignore"):
        return bool(np.isfinite(4 * np.einsum("ij,ij->i", flat, flat)).all())


def _compare(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    file: FeatureFile,
    rows: list[int],
) -> float:
    """The largest difference between some rows of a file and the real model."""
    entity, cuts = context.resolve(backbone)
    record = context.datasets.get(dataset)
    manifest = context.manifest(record)
    wanted = [digest for row in rows if (digest := file.digests[row]) is not None]
    columns = manifest.columns
    own = columns.where(columns.have(set(wanted)))
    first = {sample.digest: sample for sample in reversed(list(own))}
    samples = [first[digest] for digest in wanted]
    read = reader_of(record)
    inputs = prepare(context, entity, samples, read)
    (computed,) = open_engine(context, entity, cuts[:1]).run(inputs)
    given = file.rows(rows).astype(computed.dtype)
    for sample, one, other in zip(samples, given, computed, strict=True):
        error = relative_error([one[None]], [other[None]])
        if not error <= TOLERANCE:
            raise FeatureError(
                f"{file.path} is not what {entity.label}@{cuts[0].name} gives: the row of "
                f"sample {sample.id!r} differs by {error:.2g} (relative L2 error)",
                hint="Nothing was stored. --check 0 trusts the file.",
            )
    return largest(given, computed)


def _refuse_other_rows(
    file: FeatureFile, feature_set: FeatureSet, shape: tuple[int | None, ...]
) -> None:
    rows = tuple(file.shape[1:])
    fits = len(shape) == len(rows) and all(
        size in (None, given) for size, given in zip(shape, rows, strict=True)
    )
    if not fits or rows != feature_set.shape:
        raise FeatureError(
            f"{file.path} has rows of shape {rows}; the cut has "
            f"{feature_set.shape if fits else shape}"
        )
