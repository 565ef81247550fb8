"""`ws.compile`: the engine is found out, and the compiled model kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from headstart.backbone_model import chooser_of, pipeline_of
from headstart.context import Context
from headstart.extractors.datasets import reader_of
from headstart.extractors.engines.chosen import Chosen
from headstart.extractors.engines.engine import Engine
from headstart.extractors.engines.selection import PROBE_SAMPLES
from headstart.extractors.run.settings import Settings
from headstart.extractors.run.worker import probe
from headstart.extractors.watchdog import Watchdog
from headstart.jobs.features.calibrate import calibrated
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import reference_of
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Compiled(Showable):
    """An engine that was found out for a backbone, and whose compiled model is kept.

    Attributes:
        backbone: as it was asked for, `NAME[@CUT[,CUT…]]`.
        precision: in what it computes.
        chosen: the engine, and what is known of it.
    """

    backbone: str
    precision: str
    chosen: Chosen

    @property
    def engine(self) -> Engine:
        """What computes."""
        return self.chosen.engine

    @property
    def why(self) -> str:
        """Why this engine, in words."""
        return self.chosen.why

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know."""
        return self.chosen.warnings

    def _facts(self) -> dict[str, Any]:
        named = {"backbone": self.backbone, "precision": self.precision}
        return {**named, **self.chosen.to_json()}

    def _line(self) -> str:
        return f"{self.backbone} in {self.precision}: {self.engine.name}, {self.why}"


def compile_backbone(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    precision: str = "float32",
    engine: str = "auto",
) -> Compiled:
    """See `Workspace.compile`."""
    entity, cuts = context.resolve(backbone, precision)
    record = context.datasets.get(dataset)
    manifest = context.manifest(record)
    settings = Settings(precision=precision, engine=engine)
    cuts = calibrated(context, entity, cuts, record, manifest, settings)
    read = reader_of(record)
    pipeline = pipeline_of(context, entity)
    watchdog = Watchdog(settings.stall_seconds)
    guard = watchdog.guard(manifest.samples[:PROBE_SAMPLES])
    chosen = chooser_of(context, entity).choose(
        engine,
        cuts[0].precision,
        cuts,
        lambda: probe(pipeline, read, manifest.samples, watchdog),
        sys.maxsize,
        guard=guard,
    )
    return Compiled(reference_of(backbone, "backbone"), precision, chosen.settle(guard))
