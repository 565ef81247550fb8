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
from headstart.extractors.preprocessing.batches import Batch, Prepared, stack
from headstart.origins.blocks import Block, Blocks
from headstart.registry.entities import Backbone
from headstart.storage.joined.rows import factor_of
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Sample

Read = Callable[[int, Callable[[], Prepared]], Prepared | None]
"""Called with the place of a part and what gives it decoded; None of one that is skipped."""


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
    """Of some parts, by place: rows in the cache, one a cut, and the others while they are
    decoded."""

    cached: dict[int, list[np.ndarray]]
    decoding: dict[int, Future[Prepared]]


class BackboneRows:
    """Rows of the cuts of one backbone, which runs once for all of them.

    Args:
        context: whose cache.
        backbone: which.
        blocks: its cuts.
        total: how many samples there are, about, for the choice of an engine.
    """

    def __init__(
        self, context: Context, backbone: Backbone, blocks: Sequence[Block], total: int
    ) -> None:
        self._context, self._backbone, self._blocks = context, backbone, blocks
        self._pixels = pipeline_of(context, backbone).pixels
        self._cache, self._total = context.cache(), total
        self._engine: Any = None
        self._has_decoded = False

    @property
    def shortened(self) -> Any:
        """What was left out of samples that are longer than the backbone takes."""
        return self._pixels.shortened

    def begin(self, pool: ThreadPoolExecutor, parts: Sequence[Part]) -> Begun:
        """Look for parts in the cache, and begin to decode the others.

        The very first is decoded alone, for the reason given in `Tasks`.
        """
        samples = [Sample(one.name, digest_of(one.raw), None, "test", "") for one in parts]
        found = [self._cached(block.key, samples) for block in self._blocks]
        everywhere = set.intersection(*(set(rows) for rows in found))
        cached = {place: [rows[place] for rows in found] for place in sorted(everywhere)}
        decoding: dict[int, Future[Prepared]] = {}
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

    def _prepare(self, raw: Any) -> Prepared:
        return self._pixels.prepare(raw.cut() if isinstance(raw, Window) else raw)

    def finish(self, begun: Begun, read: Read) -> dict[int, list[np.ndarray]]:
        """The rows of all parts that can be read, one a cut, by place."""
        decoded = {place: read(place, future.result) for place, future in begun.decoding.items()}
        prepared = {place: value for place, value in decoded.items() if value is not None}
        rows = dict(begun.cached)
        if prepared:
            computed = self._run(stack(list(prepared.values())))
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
    """

    def __init__(
        self, context: Context, blocks: Blocks, scales: Sequence[float], total: int
    ) -> None:
        self._factors = [factor_of(scale) for scale in scales]
        of: dict[str, list[int]] = {}
        for number, block in enumerate(blocks):
            of.setdefault(block.backbone.reference, []).append(number)
        self._numbers = list(of.values())
        self._sources = [
            BackboneRows(context, blocks[own[0]].backbone, [blocks[n] for n in own], total)
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

    def finish(self, begun: Sequence[Begun], read: Read) -> tuple[list[int], np.ndarray | None]:
        """The places of the parts that every backbone can read, and their rows, (n, …)."""
        lost = set[int]()

        def read_once(place: int, get: Callable[[], Prepared]) -> Prepared | None:
            found = None if place in lost else read(place, get)
            if found is None:
                lost.add(place)
            return found

        found: dict[int, dict[int, np.ndarray]] = {}
        for one, own, numbers in zip(self._sources, begun, self._numbers, strict=True):
            for place, rows in one.finish(own, read_once).items():
                found.setdefault(place, {}).update(zip(numbers, rows, strict=True))
        places = sorted(place for place in found if place not in lost)
        if not places:
            return [], None
        if not self._factors:
            return places, np.stack([found[place][0] for place in places])
        return places, np.stack([self._side_by_side(found[place]) for place in places])

    def _side_by_side(self, rows: dict[int, np.ndarray]) -> np.ndarray:
        return np.concatenate(
            [
                rows[number].astype(np.float32, copy=False).ravel() * factor
                for number, factor in enumerate(self._factors)
            ]
        )
