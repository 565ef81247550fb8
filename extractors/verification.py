"""Verifying a backbone: trunk then tail is the model, and rows do not depend on their batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.extractors.cuts import Cut, list_cuts
from headstart.extractors.engine import TensorFlowEngine
from headstart.extractors.graph import Graph
from headstart.extractors.preprocessing import Preprocessing
from headstart.extractors.trunk import build_tail, build_trunk, build_whole
from headstart.registry.entities import CutPoint

TOLERANCE = 1e-5
BOTTLENECKS = 3
BATCH = 32


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        what: what was compared.
        difference: largest absolute difference, over the largest value where that is above 1.
        tolerance: what is allowed.
    """

    what: str
    difference: float
    tolerance: float = TOLERANCE

    @property
    def ok(self) -> bool:
        return self.difference <= self.tolerance  # False for NaN


def verify_graph(graph: Graph, inputs: np.ndarray) -> list[Check]:
    """Compare the default trunk, and tails from some bottlenecks, with the whole model.

    Args:
        graph: the backbone's graph.
        inputs: preprocessed samples (n, *input shape); n of 2 or more.
    """
    points = list_cuts(graph)
    default = next(point for point in points if point.is_default)
    shape = tuple(inputs.shape[1:])
    trunk = TensorFlowEngine(build_trunk(graph, [Cut(default)], shape))
    (together,) = trunk.run(inputs)
    alone = np.concatenate([trunk.run(row[None])[0] for row in inputs])
    (whole,) = TensorFlowEngine(build_whole(graph, shape)).run(inputs)
    checks = [
        Check(
            "the trunk run twice gives the same rows", _difference(trunk.run(inputs)[0], together)
        ),
        Check(
            f"batches of 1 and of {len(inputs)} give the same rows", _difference(alone, together)
        ),
    ]
    for point in _some_bottlenecks(points, default):
        (features,) = TensorFlowEngine(build_trunk(graph, [Cut(point)], shape)).run(inputs)
        rest = TensorFlowEngine(build_tail(graph, point)).run(features)[0]
        checks.append(
            Check(
                f"trunk to {point.name}, then the tail, equals the model", _difference(rest, whole)
            )
        )
    return checks


def random_inputs(graph: Graph, preprocessing: Preprocessing, count: int, seed: int) -> np.ndarray:
    """Seeded samples that are fit for a backbone, preprocessed: (count, *input shape).

    Pictures of random pixels where it takes pictures; token numbers below the Embedding's size
    where it takes integers; else normal deviates. Open sizes become 16.
    """
    rng = np.random.default_rng(seed)
    size = preprocessing.output_size
    if size is not None:
        pictures = rng.integers(0, 256, (count, *size), dtype=np.uint8)
        return np.stack([preprocessing.prepare(picture) for picture in pictures])
    tensor = graph.tensor(graph.inputs[0])
    shape = (count, *(dimension or 16 for dimension in tensor.shape[1:]))
    if np.issubdtype(np.dtype(tensor.dtype), np.integer):
        return rng.integers(0, _vocabulary(graph), shape).astype(tensor.dtype)
    return rng.standard_normal(shape).astype(tensor.dtype)


def _vocabulary(graph: Graph) -> int:
    """The smallest Embedding's number of words; 2 without one."""
    sizes = [node.operation.input_dim for node in graph.nodes if node.kind == "Embedding"]
    return min(sizes, default=2)


def _some_bottlenecks(points: Sequence[CutPoint], default: CutPoint) -> list[CutPoint]:
    """The default if it is one, and a few spread over the others."""
    inner = [p for p in points if p.is_bottleneck and p.input is not None and p is not default][:-1]
    spread = np.unique(np.linspace(0, len(inner) - 1, BOTTLENECKS).astype(int)) if inner else []
    chosen = [inner[place] for place in spread]
    return ([default] if default.is_bottleneck else []) + chosen


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    largest = max(1.0, float(np.abs(other).max()))
    return float(np.abs(one.astype(np.float64) - other).max()) / largest
