"""Calibrations: trunks in int8, each kept with what it was calibrated by and what it costs.

In int8 a trunk's features depend on the samples by which the ranges of its activations were found.
So a trunk is calibrated once, by the first dataset that it is extracted in int8 for, and what came
of it is kept and taken for every other dataset: only so do features of two datasets compare. The
quantized trunk lies in the artifact store by its sha256, with seeded samples and what it gave for
them; a row of SQL names it. The digest is in the precision that features are in, and so in their
keys: those of another calibration are other features.

The row counts, as for `conversions`. Of those that were not refused, as they lose too much, the
last is what `int8` means; a refused one stays, so that it is not made again to be refused again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.engines.conversions import EVERY, REFERENCES, KeptTrunk, made_of
from headstart.extractors.engines.engine import DIGITS, INT8
from headstart.extractors.engines.seeded import pack
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.registry.entities import Backbone, Run
from headstart.registry.runs import RunRepository
from headstart.storage.artifacts import HELD_AS, PART, ArtifactStore
from headstart.storage.keys import fingerprint
from headstart.storage.shard_store import Holds

FORMAT = "headstart.calibrated/1"
KIND = "quantize"


@dataclass(frozen=True)
class Calibration:
    """A trunk in int8.

    Attributes:
        precision: `int8-` and its digest.
        engine: what runs it.
        dataset: by which it was calibrated.
        samples: how many of its samples were.
        verdict: how its features compare with those in float32, JSON values; see `verdict`.
        trunk: as it is kept.
        is_there: whether its files are.
        is_refused: whether it lost more than was allowed when it was made; `int8` never means it.
    """

    precision: str
    engine: str
    dataset: str
    samples: int
    verdict: dict[str, Any]
    trunk: KeptTrunk
    is_there: bool
    is_refused: bool = False


def precision_of(files: Mapping[str, bytes]) -> str:
    """The precision of features that a quantized trunk gives."""
    content = hashlib.sha256()
    for name, part in sorted(files.items()):
        content.update(f"{name} {len(part)}\0".encode())
        content.update(part)
    return f"{INT8}-{content.hexdigest()[:DIGITS]}"


def subject_of(backbone: Backbone, cut: Cut) -> str:
    """What a calibration's row is called by: the same trunk, whatever it is called."""
    pipeline = Preprocessing.from_json(backbone.preprocessing)
    return fingerprint(FORMAT, made_of(backbone, pipeline, [cut]))


class Calibrations:
    """The calibrations of a workspace.

    Args:
        artifacts: where files are kept.
        runs: where rows are.
        holds: by which the artifacts are held while they have no row.
    """

    def __init__(self, artifacts: ArtifactStore, runs: RunRepository, holds: Holds) -> None:
        self._artifacts = artifacts
        self._runs = runs
        self._holds = holds

    def find(self, backbone: Backbone, cut: Cut, precision: str = INT8) -> Calibration | None:
        """What int8 means for a trunk, or one calibration of it; None if there is none."""
        for one in self.find_all(backbone, cut):
            if one.precision == precision or (precision == INT8 and not one.is_refused):
                return one
        return None

    def find_all(self, backbone: Backbone, cut: Cut) -> list[Calibration]:
        """Of a trunk, the newest first."""
        found = self._runs.find_latest(KIND, subject_of(backbone, cut), EVERY)
        return [self._to_calibration(run) for run in found]

    def keep(
        self,
        backbone: Backbone,
        cut: Cut,
        run: Run,
        files: Mapping[str, bytes],
        references: tuple[Batch, Sequence[np.ndarray]],
    ) -> None:
        """Keep one: the files first, then the row.

        Args:
            backbone: whose trunk it is.
            cut: where that is cut.
            run: the row; its subject, and the parts in its counts, are filled in.
            files: the quantized trunk.
            references: samples, and what it gives for them.

        Raises:
            StorageError: the disk does not take it.
            ValueError: the samples cannot be kept.
        """
        content = {**files, REFERENCES: pack(*references)}
        with self._holds.hold(HELD_AS):  # `features gc` leaves alone what has no row yet
            parts = {name: self._artifacts.keep(part) for name, part in content.items()}
            own = {"backbone": backbone.reference, "points": [cut.point.fingerprint]}
            counts = {**run.counts, **own, "parts": parts}
            self._runs.add(
                Run(
                    KIND,
                    subject_of(backbone, cut),
                    run.dataset,
                    run.status,
                    counts,
                    run.seconds,
                    run.versions,
                )
            )

    def choose(self, backbone: Backbone, cut: Cut, precision: str) -> None:
        """Let `int8` mean a calibration that is kept, refused before or older: its row once more.

        Args:
            backbone: whose trunk it is.
            cut: where that is cut.
            precision: the calibration's.
        """
        found = self._runs.find_latest(KIND, subject_of(backbone, cut), EVERY)
        run = next(one for one in found if one.counts["precision"] == precision)
        self._runs.add(replace(run, counts={**run.counts, "refused": False}))

    def needed_parts(self, points: Collection[str]) -> set[str]:
        """sha256 of the files that are of these cut points: cached features may be of any."""
        return {
            digest
            for run in self._runs.find_latest(KIND, limit=EVERY)
            if set(run.counts["points"]) <= set(points)
            for digest in run.counts["parts"].values()
        }

    def _to_calibration(self, run: Run) -> Calibration:
        counts = run.counts
        parts = counts["parts"]
        return Calibration(
            precision=counts["precision"],
            engine=counts["engine"],
            dataset=run.dataset,
            samples=counts["samples"],
            verdict=dict(counts["verdict"]),
            trunk=KeptTrunk(self._artifacts, parts, dict(counts["facts"])),
            is_there=all(self._artifacts.has(one, PART) for one in parts.values()),
            is_refused=counts.get("refused", False),
        )
