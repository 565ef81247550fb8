"""`stats`: what the cache did, by what is recorded of runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import prod
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import LayerNotFound, NotFound
from headstart.registry.entities import FeatureSet, Run
from headstart.registry.rates import cost_of
from headstart.registry.references import exact
from headstart.values.moments import moment
from headstart.values.showable import Showable

EXTRACT, TRAIN = "extract", "train"


@dataclass
class Work(Showable):
    """What extractions did.

    Attributes:
        name: of the backbone, or the day (UTC).
        runs: how many.
        computed: samples that were computed.
        reused: samples whose rows were there.
        seconds: that the runs took.
        saved_seconds: that computing the reused ones would have taken, at the rate at which the
            same features were computed; None where that was never measured.
    """

    name: str
    runs: int = 0
    computed: int = 0
    reused: int = 0
    seconds: float = 0.0
    saved_seconds: float | None = None

    @property
    def hit_rate(self) -> float | None:
        """Share of samples whose rows were there; None of no samples."""
        seen = self.computed + self.reused
        return self.reused / seen if seen else None

    @property
    def rate(self) -> float | None:
        """Samples a second that were computed, the starts of the runs included; None where none
        were."""
        return self.computed / self.seconds if self.computed and self.seconds else None

    def _facts(self) -> dict[str, object]:
        return {**vars(self), "hit_rate": self.hit_rate, "rate": self.rate}

    def add(self, run: Run, saved: float | None) -> None:
        """Count a run, and what its reused samples saved."""
        self.runs += 1
        self.computed += run.counts.get("computed") or 0
        self.reused += run.counts.get("reused") or 0
        self.seconds = round(self.seconds + run.seconds, 3)
        if saved is not None:
            self.saved_seconds = round((self.saved_seconds or 0.0) + saved, 3)


@dataclass(frozen=True)
class Stats(Showable):
    """What the cache did.

    An extraction that found all of its rows is not recorded as a run, so that the hit rate is that
    of extractions that had something to do.

    Attributes:
        since: from when on, ISO 8601; None for ever.
        total: of all extractions.
        backbones: of each backbone, the one that took longest first.
        days: of each day.
        trained: heads that were trained on cached features.
        trained_seconds: that their fits took.
        served_rows: rows that those fits, and extractions, took from the cache.
        served_bytes: of these rows, where the size of a row is known.
        sets: feature sets that are stored.
        rows: their rows.
        bytes: of their shards.
    """

    since: str | None
    total: Work
    backbones: list[Work] = field(default_factory=list)
    days: list[Work] = field(default_factory=list)
    trained: int = 0
    trained_seconds: float = 0.0
    served_rows: int = 0
    served_bytes: int = 0
    sets: int = 0
    rows: int = 0
    bytes: int = 0


def stats(context: Context, since: str | datetime | None = None) -> Stats:
    """What extractions computed and reused, and what that saved.

    Args:
        context: of the workspace.
        since: a moment, as `headstart log --since` takes it.
    """
    start = None if since is None else moment(since)
    runs = [one for one in context.runs.find_kinds([EXTRACT, TRAIN]) if _is_later(one, start)]
    extracts = [one for one in runs if one.kind == EXTRACT]
    trains = [one for one in runs if one.kind == TRAIN]
    costs = _costs(extracts)
    total = Work("all")
    backbones: dict[str, Work] = {}
    days: dict[str, Work] = {}
    for run in extracts:
        cost = costs.get(run.subject)
        saved = None if cost is None else cost * (run.counts.get("reused") or 0)
        backbone = run.subject.partition("@")[0].partition(":")[0]
        day = run.created_at.date().isoformat() if run.created_at else "?"
        for work in (
            total,
            backbones.setdefault(backbone, Work(backbone)),
            days.setdefault(day, Work(day)),
        ):
            work.add(run, saved)
    sets = context.feature_sets.find_sets()
    shards = [shard for one in sets for shard in context.feature_sets.find_shards(one.id)]
    heads = {f"{one.name}:{one.version}": one for one in context.heads.find_all()}
    served, size = total.reused, _bytes_reused(context, extracts, sets)
    row_bytes = {one.key: _row_bytes(one) for one in sets}
    for run in trains:
        names = ("n_train", "n_validation", "n_test")
        rows = sum(run.counts.get(name) or 0 for name in names)
        head = heads.get(run.subject)
        served += rows
        size += rows * (0 if head is None else row_bytes.get(head.feature_key, 0))
    return Stats(
        None if start is None else start.isoformat(timespec="seconds"),
        total,
        sorted(backbones.values(), key=lambda one: -one.seconds),
        [days[name] for name in sorted(days)],
        len(trains),
        round(sum(one.seconds for one in trains), 3),
        served,
        size,
        len(sets),
        sum(shard.rows for shard in shards),
        sum(shard.size for shard in shards),
    )


def _is_later(run: Run, start: datetime | None) -> bool:
    return start is None or (run.created_at is not None and run.created_at >= start)


def _costs(runs: Iterable[Run]) -> dict[str, float]:
    """Seconds of a further sample by what was asked for, from the runs that computed something."""
    told = defaultdict[str, list[tuple[dict[str, Any], float]]](list)
    for run in runs:
        told[run.subject].append((run.counts, run.seconds))
    costs = {name: cost_of(of) for name, of in told.items()}
    return {name: cost.each for name, cost in costs.items() if cost is not None}


def _bytes_reused(context: Context, runs: Iterable[Run], sets: Iterable[FeatureSet]) -> int:
    """Bytes of the rows that extractions found; 0 of a backbone that is gone."""
    row_bytes = {one.trunk_fingerprint: _row_bytes(one) for one in sets}
    reused = defaultdict[str, int](int)
    for run in runs:
        reused[run.subject] += run.counts.get("reused") or 0
    found = 0
    for subject, rows in reused.items():
        with suppress(NotFound, LayerNotFound):  # it was removed, or has no such cut any more
            _, cuts = context.resolve(exact(subject))
            found += rows * sum(row_bytes.get(cut.fingerprint, 0) for cut in cuts)
    return found


def _row_bytes(one: FeatureSet) -> int:
    """Of a row as it is served."""
    return np.dtype(one.dtype).itemsize * prod(one.shape)


def prometheus(found: Stats) -> str:
    """The same in the text format of Prometheus
    (https://prometheus.io/docs/instrumenting/exposition_formats/)."""
    lines = []

    def tell(name: str, what: str, kind: str, values: Iterable[tuple[str, float]]) -> None:
        lines.append(f"# HELP headstart_{name} {what}")
        lines.append(f"# TYPE headstart_{name} {kind}")
        lines.extend(f"headstart_{name}{labels} {value:g}" for labels, value in values)

    each = [(f'{{backbone="{_escaped(one.name)}"}}', one) for one in found.backbones]
    for name, what, of in (
        ("extractions_total", "Extractions that had something to do.", "runs"),
        ("samples_computed_total", "Samples that were computed.", "computed"),
        ("samples_reused_total", "Samples whose rows were there.", "reused"),
        ("extraction_seconds_total", "Seconds that extractions took.", "seconds"),
        ("saved_seconds_total", "Seconds that the reused rows saved.", "saved_seconds"),
    ):
        values = [(labels, getattr(one, of)) for labels, one in each]
        tell(name, what, "counter", [pair for pair in values if pair[1] is not None])
    for name, what, kind, value in (
        ("heads_trained_total", "Heads that were trained.", "counter", found.trained),
        ("rows_served_total", "Rows taken from the cache.", "counter", found.served_rows),
        ("bytes_served_total", "Bytes of these rows.", "counter", found.served_bytes),
        ("feature_sets", "Feature sets that are stored.", "gauge", found.sets),
        ("feature_rows", "Rows that are stored.", "gauge", found.rows),
        ("feature_bytes", "Bytes of the shards.", "gauge", found.bytes),
    ):
        tell(name, what, kind, [("", value)])
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
