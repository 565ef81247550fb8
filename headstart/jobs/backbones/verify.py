"""`ws.backbones.verify`: trunk and tail against the whole model."""

from __future__ import annotations

import time

from headstart.backbone_model import load_graph, pipeline_of, prepare
from headstart.context import Context
from headstart.errors import BackboneError, InvalidBackboneSetting, first_line
from headstart.extractors.datasets import reader_of
from headstart.extractors.engines.seeded import random_inputs
from headstart.extractors.preprocessing.batches import dtypes, shapes
from headstart.extractors.run.verification import Check, verify_graph
from headstart.extractors.runtime import versions
from headstart.registry.entities import Run
from headstart.values.options import taken
from headstart.values.showable import Results


def verify_backbone(
    context: Context,
    reference: str,
    *,
    dataset: str | None = None,
    samples: int = 32,
    seed: int = 0,
) -> Results[Check]:
    """See `Backbones.verify`; what was found is also stored as a run."""
    samples = taken("samples", samples, "int", InvalidBackboneSetting)
    seed = taken("seed", seed, "int", InvalidBackboneSetting)
    if samples < 2:
        raise BackboneError(f"samples is {samples}", hint="Give 2 or more.")
    backbone = context.backbones.get(reference)
    graph = load_graph(context, backbone)
    started = time.monotonic()
    if dataset is None:
        inputs = random_inputs(graph, pipeline_of(context, backbone), samples, seed)
    else:
        record = context.datasets.get(dataset)
        manifest = context.manifest(record)
        read = reader_of(record)
        inputs = prepare(context, backbone, manifest.samples[:samples], read)
    try:
        checks = Results(verify_graph(graph, backbone.cuts, inputs))
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:  # as Keras likes it
        raise BackboneError(
            f"backbone {backbone.label!r} cannot run on a batch of shape {shapes(inputs)} and "
            f"dtype {dtypes(inputs)} ({first_line(error)})",
            hint="Check that the preprocessing fits the backbone's input; samples of your own are "
            "taken with --dataset.",
        ) from error
    context.runs.add(
        Run(
            "verify",
            backbone.reference,
            dataset or "random",
            "done" if all(check.ok for check in checks) else "failed",
            {check.what: check.difference for check in checks},
            round(time.monotonic() - started, 3),
            versions(),
        )
    )
    return checks
