"""Rows of features for prediction: of what is cached, and of what a backbone computes now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.backbone_model import chooser_of, pipeline_of
from headstart.context import Context
from headstart.extractors.datasets.windows.source import Window
from headstart.extractors.preprocessing.augmentation import Views, in_view
from headstart.extractors.preprocessing.batches import Batch, Prepared, stack
from headstart.origins.blocks import Block, Blocks
from headstart.registry.entities import Backbone
from headstart.storage.joined.rows import factor_of
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Sample

Read = Callable[[int, Callable[[], list[Prepared]]], list[Prepared] | None]
"""Called with the place of a part and what gives it decoded, in each view; None of one that is
skipped."""


@dataclass(frozen=True)
class Part:
    """What one row is computed of: a sample, or a window of one.

    Attributes:
        name: of it.
        number: of the sample among all.
        raw: its content.
    """

    name: str
    number: int
    raw: Any


@dataclass(frozen=True)
class Begun:
    """Of some parts, by place: rows in the cache, one a cut of each view, and the others while they
    are decoded."""

    cached: dict[int, list[np.ndarray]]
    decoding: dict[int, Future[list[Prepared]]]


class BackboneRows:
    """Rows of the cuts of one backbone, which runs once for all of them; for each view again.

    Args:
        context: whose cache.
        backbone: which.
        blocks: its cuts.
        total: how many samples there are, about, for the choice of an engine.
        views: so many augmented views besides the samples as they are.
    """

    def __init__(
        self,
        context: Context,
        backbone: Backbone,
        blocks: Sequence[Block],
        total: int,
        views: int = 0,
    ) -> None:
        self._context, self._backbone, self._blocks = context, backbone, blocks
        seen = [in_view(backbone, view) for view in range(views + 1)]
        self._keys = [Block(one, block.cut).key for one in seen for block in blocks]
        pipelines = [pipeline_of(context, one) for one in seen]
        self._shortened = pipelines[0].shortened
        self._views = Views(pipelines)
        self._cache, self._total = context.cache(), total
        self._engine: Any = None
        self._has_decoded = False

    @property
    def shortened(self) -> Any:
        """What was left out of samples that are longer than the backbone takes."""
        return self._shortened

    def begin(self, pool: ThreadPoolExecutor, parts: Sequence[Part]) -> Begun:
        """Look for parts in the cache, and begin to decode the others.

        The very first is decoded alone, for the reason given in `Tasks`.
        """
        samples = [Sample(one.name, digest_of(one.raw), None, "test", "") for one in parts]
        found = [self._cached(key, samples) for key in self._keys]
        everywhere = set.intersection(*(set(rows) for rows in found))
        cached = {place: [rows[place] for rows in found] for place in sorted(everywhere)}
        decoding: dict[int, Future[list[Prepared]]] = {}
        for place, part in enumerate(parts):
            if place not in cached:
                decoding[place] = pool.submit(self._prepare, part.raw)
                if not self._has_decoded:
                    wait(decoding.values())
                    self._has_decoded = True
        return Begun(cached, decoding)

    def _cached(self, key: str, samples: Sequence[Sample]) -> dict[int, np.ndarray]:
        found, view = self._cache.open_present(key, samples)
        rows = () if view is None else view.to_numpy()
        return dict(zip(found.tolist(), rows, strict=True))

    def _prepare(self, raw: Any) -> list[Prepared]:
        return self._views.prepare(raw.cut() if isinstance(raw, Window) else raw)

    def finish(self, begun: Begun, read: Read) -> dict[int, list[np.ndarray]]:
        """The rows of all parts that can be read, one a cut of each view, by place."""
        decoded = {place: read(place, future.result) for place, future in begun.decoding.items()}
        prepared = {place: value for place, value in decoded.items() if value is not None}
        rows = dict(begun.cached)
        if prepared:
            in_views = zip(*prepared.values(), strict=True)
            computed = [rows for view in in_views for rows in self._run(stack(list(view)))]
            each = map(list, zip(*computed, strict=True))
            rows.update(zip(prepared, each, strict=True))
        return rows

    def _run(self, batch: Batch) -> list[np.ndarray]:
        if self._engine is None:
            cuts = [block.cut for block in self._blocks]
            chooser = chooser_of(self._context, self._backbone)
            self._engine = chooser.choose(
                "auto", cuts[0].precision, cuts, lambda: batch, self._total
            ).engine
        return self._engine.run(batch)


class FeatureRows:
    """Rows as a head takes them, of one backbone or of several side by side.

    Args:
        context: whose cache.
        blocks: what the head takes, in order.
        scales: by what each is divided; nothing of one.
        total: see `BackboneRows`.
        views: likewise.
    """

    def __init__(
        self,
        context: Context,
        blocks: Blocks,
        scales: Sequence[float],
        total: int,
        views: int = 0,
    ) -> None:
        self._views = views + 1
        self._factors = [factor_of(scale) for scale in scales]
        of: dict[str, list[int]] = {}
        for number, block in enumerate(blocks):
            of.setdefault(block.backbone.reference, []).append(number)
        self._numbers = list(of.values())
        self._sources = [
            BackboneRows(context, blocks[own[0]].backbone, [blocks[n] for n in own], total, views)
            for own in self._numbers
        ]

    def clear(self) -> None:
        """Forget what was left out of samples."""
        for one in self._sources:
            one.shortened.clear()

    def lines(self) -> Iterator[str]:
        """What was left out of samples, in words."""
        for one in self._sources:
            yield from one.shortened.lines()

    def begin(self, pool: ThreadPoolExecutor, parts: Sequence[Part]) -> list[Begun]:
        """See `BackboneRows.begin`, for each backbone."""
        return [one.begin(pool, parts) for one in self._sources]

    def finish(self, begun: Sequence[Begun], read: Read) -> tuple[list[int], list[np.ndarray]]:
        """The places of the parts that every backbone can read, and their rows, (n, …), in each
        view; none where there are no such parts."""
        lost = set[int]()

        def read_once(place: int, get: Callable[[], list[Prepared]]) -> list[Prepared] | None:
            found = None if place in lost else read(place, get)
            if found is None:
                lost.add(place)
            return found

        found: dict[int, dict[tuple[int, int], np.ndarray]] = {}
        for one, own, numbers in zip(self._sources, begun, self._numbers, strict=True):
            names = [(view, number) for view in range(self._views) for number in numbers]
            for place, rows in one.finish(own, read_once).items():
                found.setdefault(place, {}).update(zip(names, rows, strict=True))
        places = sorted(place for place in found if place not in lost)
        if not places:
            return [], []
        return places, [
            np.stack([self._row(found[place], view) for place in places])
            for view in range(self._views)
        ]

    def _row(self, rows: dict[tuple[int, int], np.ndarray], view: int) -> np.ndarray:
        """The row of a part in a view, those of several blocks side by side."""
        if not self._factors:
            return rows[view, 0]
        return np.concatenate(
            [
                rows[view, number].astype(np.float32, copy=False).ravel() * factor
                for number, factor in enumerate(self._factors)
            ]
        )
