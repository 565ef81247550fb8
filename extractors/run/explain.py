"""What an extraction would compute, why it would have to, and what that would cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.cache.lost_shards import lost_of
from headstart.extractors.run.keys import keys_of
from headstart.extractors.run.space import row_bytes
from headstart.registry.entities import Backbone, FeatureSet, Run
from headstart.registry.features import FeatureRepository
from headstart.registry.rates import cost_of
from headstart.storage.index import Index
from headstart.storage.manifest import Manifest, Sample
from headstart.values.showable import Showable

NEW = "new sample: its content was never seen at this cut"
LOST = "its row was in a shard that is missing or damaged"


@dataclass(frozen=True)
class Reason(Showable):
    """Why some samples have no row: the reason, how many they are, and the id of one."""

    why: str
    samples: int
    example: str


@dataclass(frozen=True)
class CutReport(Showable):
    """What is missing at one cut.

    Attributes:
        cut: its name.
        feature_key: of the feature set wanted.
        present: different contents that have their row.
        missing: those that have none, and could have one.
        unreadable: those that could not be read when it was tried.
        damaged_shards: put aside before, or found missing or damaged now; some of what is missing
            was in them.
        reasons: why, the most frequent first.
        precision: that features are in.
        calibration: in int8, by which dataset and how many samples it was calibrated, and how its
            features compare with those in float32; None where it is not yet.
    """

    cut: str
    feature_key: str
    present: int
    missing: int
    unreadable: int
    damaged_shards: int
    reasons: list[Reason] = field(default_factory=list)
    precision: str = "float32"
    calibration: dict[str, Any] | None = None


@dataclass(frozen=True)
class Explanation(Showable):
    """What a run would do.

    Attributes:
        samples: in the dataset.
        unique: different contents among them.
        to_compute: contents that would go through the backbone.
        seconds: about how long that takes, by the rate of the last runs and their start; None
            without any.
        rate: contents a second in those runs once they came; with the start where the runs were too
            short to tell.
        bytes: about what it would store; None where a cut has no fixed shape.
        cuts: one report each.
    """

    samples: int
    unique: int
    to_compute: int
    seconds: float | None
    rate: float | None
    bytes: int | None
    cuts: list[CutReport]

    def _facts(self) -> dict[str, Any]:
        return {**vars(self), "unique_samples": self.unique}


def explain(
    backbone: Backbone,
    cuts: Sequence[Cut],
    manifest: Manifest,
    repository: FeatureRepository,
    cache: FeatureCache,
    runs: Sequence[Run],
) -> Explanation:
    """Look everything up, compute nothing.

    Args:
        backbone: the backbone.
        cuts: of an extraction.
        manifest: of its dataset.
        repository: feature sets in SQL.
        cache: their rows.
        runs: extractions of this backbone, from which the rate is taken.
    """
    first: dict[str, Sample] = {}
    for sample in manifest.samples:
        first.setdefault(sample.digest, sample)
    unreadable = set(repository.find_failures(backbone.preprocessing_fingerprint)) & first.keys()
    keys = keys_of(backbone, cuts)
    reports, missing_anywhere, size = [], set(), 0
    for cut in cuts:
        key = keys[cut.name]
        present = cache.open_index(key).find(list(first)).present
        has_row = {digest for digest, has in zip(first, present, strict=True) if has}
        missing = [digest for digest in first if digest not in has_row | unreadable]
        missing_anywhere.update(missing)
        known = repository.find_set(key)
        size += len(missing) * row_bytes(cut, known.storage if known else None)
        report = CutReport(
            cut.name,
            key,
            present=len(has_row),
            missing=len(missing),
            unreadable=len(unreadable - has_row),
            damaged_shards=len(lost_of(repository, cache, key).shards),
            reasons=_reasons(backbone, cut, key, missing, first, repository, cache),
            precision=cut.precision,
        )
        reports.append(report)
    cost = cost_of((run.counts, run.seconds) for run in runs)
    return Explanation(
        samples=len(manifest.samples),
        unique=len(first),
        to_compute=len(missing_anywhere),
        seconds=cost and round(cost.of(len(missing_anywhere)) if missing_anywhere else 0.0, 1),
        rate=cost and round(1 / cost.each, 1),
        bytes=None if math.isnan(size) else int(size),
        cuts=reports,
    )


def _reasons(
    backbone: Backbone,
    cut: Cut,
    key: str,
    missing: list[str],
    first: dict[str, Sample],
    repository: FeatureRepository,
    cache: FeatureCache,
) -> list[Reason]:
    """Each missing sample is looked for in shards of the set that are lost, then in the sets that
    differ least from the one wanted."""
    others = [one for one in repository.find_sets() if one.key != key]
    nearest = [
        (list(_differences(backbone, cut, one)), one)
        for one in others
        if _is_akin(backbone, cut, one)
    ]
    nearest.sort(key=lambda pair: len(pair[0]))
    reasons: dict[str, Reason] = {}
    lost = lost_of(repository, cache, key)
    left = _passed(lost.index, LOST, missing, reasons, first)
    for differences, other in nearest:
        if not left:
            break
        left = _passed(cache.open_index(other.key), "; ".join(differences), left, reasons, first)
    _count(reasons, _new_or_lost(lost.untold), left, first)
    return sorted(reasons.values(), key=lambda reason: -reason.samples)


def _passed(
    index: Index,
    why: str,
    missing: list[str],
    reasons: dict[str, Reason],
    first: dict[str, Sample],
) -> list[str]:
    """Count those of some samples that an index has; gives the others."""
    if not missing:
        return missing
    present = index.find(missing).present
    _count(reasons, why, [missing[number] for number in np.flatnonzero(present)], first)
    return [missing[number] for number in np.flatnonzero(~present)]


def _new_or_lost(rows: int) -> str:
    """Why a sample has no row of which nobody has heard; so many rows are lost without a trace."""
    return f"new sample, or one of {rows:,} in shards that are missing or damaged" if rows else NEW


def _count(
    reasons: dict[str, Reason], why: str, digests: list[str], first: dict[str, Sample]
) -> None:
    if digests:
        reason = reasons.get(why, Reason(why, 0, first[digests[0]].id))
        reasons[why] = replace(reason, samples=reason.samples + len(digests))


def _is_akin(backbone: Backbone, cut: Cut, other: FeatureSet) -> bool:
    """Whether a set is of the same cut, or of a backbone of that name at a cut of that name."""
    if other.cut_fingerprint == cut.point.fingerprint:
        return True
    return other.backbone.partition(":")[0] == backbone.name and other.cut == cut.name


def _differences(backbone: Backbone, cut: Cut, other: FeatureSet) -> Iterator[str]:
    if other.cut_fingerprint != cut.point.fingerprint:
        yield f"other weights: it was computed by {other.backbone}"
    elif other.trunk_fingerprint != cut.fingerprint:
        yield f"other pooling: it was computed for {other.cut}"
    if other.preprocessing_fingerprint != backbone.preprocessing_fingerprint:
        fields = list(json_differences(other.preprocessing, backbone.preprocessing))
        yield "other preprocessing: " + ", ".join(fields)
    if other.precision != cut.precision:
        yield f"other precision: it was {other.precision}"
    if other.view != 0:
        yield f"other view: it was {other.view}"


def json_differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """What differs between two JSON values, as `path old → new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            inner = f"{where}.{name}" if where else name
            if name not in old or name not in new:
                yield f"{inner} {'added' if name in new else 'removed'}"
            else:
                yield from json_differences(old[name], new[name], inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True), start=1):
            name = one.get("step") if isinstance(one, dict) else None
            yield from json_differences(one, other, f"{where}[{name or number}]")
    elif old != new:
        yield f"{where} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "+".join(str(step.get("step", "?")) for step in value)
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
