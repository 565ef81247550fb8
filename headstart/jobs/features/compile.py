"""`ws.compile`: the engine is found out, and the compiled model kept."""

from __future__ import annotations

import sys

from headstart.backbone_model import chooser_of, pipeline_of
from headstart.context import Context
from headstart.extractors.datasets import reader_of
from headstart.extractors.engines.selection import PROBE_SAMPLES, Chosen
from headstart.extractors.run.settings import Settings
from headstart.extractors.run.worker import probe
from headstart.extractors.watchdog import Watchdog


def compile_backbone(
    context: Context,
    backbone: str,
    dataset: str,
    precision: str = "float32",
    engine: str = "auto",
) -> Chosen:
    """See `Workspace.compile`."""
    entity, cuts = context.resolve(backbone, precision)
    record = context.datasets.get(dataset)
    manifest = context.manifest(record)
    read = reader_of(record)
    pipeline = pipeline_of(context, entity)
    watchdog = Watchdog(Settings().stall_seconds)
    return chooser_of(context, entity).choose(
        engine,
        precision,
        cuts,
        lambda: probe(pipeline, read, manifest.samples, watchdog),
        sys.maxsize,
        guard=watchdog.guard(manifest.samples[:PROBE_SAMPLES]),
    )
