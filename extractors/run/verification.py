"""Verifying a backbone: trunk then tail is the model, and rows do not depend on their batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.graph import Graph
from headstart.extractors.backbones.trunk import build_tail, build_trunk, build_whole
from headstart.extractors.difference import largest, relative_error, share_of_largest
from headstart.extractors.engines.parity import tolerance
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine
from headstart.extractors.preprocessing.batches import Batch, length, take
from headstart.registry.entities import CutPoint
from headstart.values.showable import Showable

TOLERANCE = tolerance(["tensorflow"], "float32", "float32")
BOTTLENECKS = 3
"""From so many besides the default, tails are tried: each is a model to build."""


@dataclass(frozen=True)
class Check(Showable):
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

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "ok": self.ok}

    def _line(self) -> str:
        return f"{'ok' if self.ok else 'WRONG'}, {self.what}, {self.difference:.1e}"


@dataclass(frozen=True)
class RowsCheck(Showable):
    """Stored rows beside the same rows computed again by TensorFlow in float32, or in int8 by the
    calibrated trunk.

    Attributes:
        rows: how many.
        max_abs_diff: the largest difference of a number.
        max_relative_error: the largest relative L2 error of a row; see `parity`.
        tolerance: what is allowed of that, by engine, precision and storage.
    """

    rows: int
    max_abs_diff: float
    max_relative_error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.max_relative_error <= self.tolerance  # False for NaN


def compare_rows(stored: np.ndarray, computed: np.ndarray, tolerance: float) -> RowsCheck:
    """Compare rows (n, *feature shape) with the same computed again."""
    return RowsCheck(
        len(stored),
        largest(computed, stored),
        relative_error([stored], [computed]),
        tolerance,
    )


def verify_graph(graph: Graph, points: Sequence[CutPoint], inputs: Batch) -> list[Check]:
    """Compare the default trunk, and tails from some bottlenecks, with the whole model.

    Args:
        graph: the backbone's graph.
        points: its cut points.
        inputs: preprocessed samples (n, *input shape), n of 2 or more; or of each input by name.
    """
    default = next(point for point in points if point.is_default)
    count = length(inputs)
    shape = None if isinstance(inputs, dict) else tuple(inputs.shape[1:])
    trunk = TensorFlowEngine(build_trunk(graph, [Cut(default)], shape))
    (together,) = trunk.run(inputs)
    alone = np.concatenate(
        [trunk.run(take(inputs, slice(row, row + 1)))[0] for row in range(count)]
    )
    (whole,) = TensorFlowEngine(build_whole(graph, shape)).run(inputs)
    checks = [
        Check(
            "the trunk run twice gives the same rows",
            share_of_largest(trunk.run(inputs)[0], together),
        ),
        Check(f"batches of 1 and of {count} give the same rows", share_of_largest(alone, together)),
    ]
    for point in _some_bottlenecks(points, default):
        (features,) = TensorFlowEngine(build_trunk(graph, [Cut(point)], shape)).run(inputs)
        rest = TensorFlowEngine(build_tail(graph, point)).run(features)[0]
        checks.append(
            Check(
                f"trunk to {point.name}, then the tail, equals the model",
                share_of_largest(rest, whole),
            )
        )
    return checks


def _some_bottlenecks(points: Sequence[CutPoint], default: CutPoint) -> list[CutPoint]:
    """The default if it is one, and a few spread over the others."""
    inner = [p for p in points if p.is_bottleneck and p.input is not None and p is not default][:-1]
    spread = np.unique(np.linspace(0, len(inner) - 1, BOTTLENECKS).astype(int)) if inner else []
    chosen = [inner[place] for place in spread]
    return ([default] if default.is_bottleneck else []) + chosen
