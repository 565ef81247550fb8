"""A registered backbone as something that runs: its preprocessing, graph, trunk and engines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from headstart.context import Context
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.engines.compiled import CompiledStore
from headstart.extractors.engines.selection import Chooser
from headstart.extractors.preprocessing.batches import Batch, stack
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.registry.entities import Backbone
from headstart.storage.artifacts import Artifact
from headstart.storage.manifest import Sample


def pipeline_of(context: Context, backbone: Backbone) -> Preprocessing:
    """The backbone's preprocessing, ready to run."""
    return Preprocessing.from_json(backbone.preprocessing, files=context.artifacts)


def load_graph(context: Context, backbone: Backbone) -> Any:
    """The graph of a backbone's stored model, after the file's hash was checked."""
    from headstart.extractors.backbones import loader
    from headstart.extractors.safety.first_load import FOLDER, FirstLoad

    artifact = Artifact(backbone.artifact_digest, backbone.artifact_size)
    file = context.artifacts.get(artifact, loader.SUFFIXES[backbone.format])
    first = FirstLoad(context.artifacts.beside(FOLDER))
    return loader.load_graph(file, trust=backbone.is_file_trusted, first=first)


def build_trunk(
    context: Context, backbone: Backbone, cuts: Sequence[Cut], graph: Any = None
) -> Any:
    """The trunk as a frozen `keras.Model`, from the artifact after its hash was checked."""
    from headstart.extractors.backbones import trunk

    size = pipeline_of(context, backbone).output_size
    return trunk.build_trunk(graph or load_graph(context, backbone), cuts, size)


def open_engine(
    context: Context,
    backbone: Backbone,
    cuts: Sequence[Cut],
    graph: Any = None,
    precision: str = "float32",
) -> Any:
    """TensorFlow, the reference, to run the backbone up to the cuts on finished batches.

    Args:
        context: where the backbone's file is.
        backbone: the backbone.
        cuts: where to cut.
        graph: its graph, if it is loaded already; not for bfloat16, which changes it.
        precision: `float32` or `bfloat16`.
    """
    from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine, in_bfloat16

    if precision == "bfloat16":
        graph = in_bfloat16(load_graph(context, backbone))
    graph = graph or load_graph(context, backbone)
    trunk = build_trunk(context, backbone, cuts, graph)
    return TensorFlowEngine(trunk, graph.limits, precision)


def chooser_of(context: Context, backbone: Backbone, graph: Any = None) -> Chooser:
    """Chooses the engine for a backbone; its model is loaded once, if at all.

    Args:
        context: where the backbone's file is.
        backbone: the backbone.
        graph: its graph, if it is loaded already.
    """
    load = functools.cache(lambda: load_graph(context, backbone) if graph is None else graph)

    def build(cuts: Sequence[Cut], precision: str) -> Any:
        if precision == "float32":
            return open_engine(context, backbone, cuts, load())
        return open_engine(context, backbone, cuts, None, precision)

    store = CompiledStore(context.config.compiled, context.bucket, context.runs)
    pipeline = pipeline_of(context, backbone)
    kept = context.conversions, context.calibrations
    return Chooser(backbone, pipeline, build, load, store, *kept)


def prepare(
    context: Context,
    backbone: Backbone,
    samples: Iterable[Sample],
    read: Callable[[Sample], Any],
) -> Batch:
    """Samples through the backbone's preprocessing, as one batch."""
    pipeline = pipeline_of(context, backbone)
    return stack([pipeline.prepare(read(sample)) for sample in samples])
