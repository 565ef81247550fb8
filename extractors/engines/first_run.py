"""A preset's first run: a seeded sample through its own preprocessing and its trunk.

What a preset's tokenizer or image converter makes of a sample no header tells. So it is seen before
such a backbone is registered, and not at the first extraction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.errors import BackboneError, HeadstartError, PreprocessingError, first_line
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.graph import Graph
from headstart.extractors.backbones.trunk import build_trunk
from headstart.extractors.engines.seeded import SEED, random_inputs
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine
from headstart.extractors.preprocessing.batches import Batch, dtypes, shapes
from headstart.extractors.preprocessing.medium import find_medium
from headstart.extractors.preprocessing.pipeline import Preprocessing

TRIED = {"pictures": "picture", "texts": "text"}
HINT = "Correct the files it came with, or add it with a preprocessing of your own: --preprocess."


def is_tried(pipeline: Preprocessing) -> bool:
    """Whether a preset says what becomes of pictures or texts: headers tell of the others, which
    are registered without the seconds that this takes."""
    is_preset = any(step["step"] == "kerashub" for step in pipeline.steps)
    return is_preset and find_medium(pipeline) in TRIED


def first_run(name: str, graph: Graph, pipeline: Preprocessing, cut: Cut) -> list[str]:
    """Run a seeded picture or text through a backbone.

    Args:
        name: of the backbone, for messages.
        graph: of it.
        pipeline: its preprocessing, of which `is_tried` holds.
        cut: up to which it is run.

    Returns:
        Warnings: what does not fit, and was not met by this sample.

    Raises:
        PreprocessingError: the preprocessing fails, or gives pictures of another size.
        BackboneError: the trunk cannot run on what it gives, or gives NaN.
    """
    sample = f"a seeded {TRIED[find_medium(pipeline) or '']}"
    try:
        warnings = _compared(graph, pipeline)
        batch = random_inputs(graph, pipeline, 1, SEED)
    except HeadstartError as error:
        raise PreprocessingError(
            f"the preprocessing of {name!r} fails on {sample}: {error.message}",
            hint=error.hint or HINT,
        ) from error
    features = _ran(name, graph, cut, batch, sample)
    if not all(np.isfinite(one).all() for one in features):
        raise BackboneError(
            f"{name!r} gives NaN or infinity for {sample}",
            hint="Look at its weights: a file that was trained or copied to its end has none.",
        )
    return warnings


def _compared(graph: Graph, pipeline: Preprocessing) -> list[str]:
    """See what the stored preprocessors say of themselves beside what the backbone takes."""
    shape = graph.tensor(graph.inputs[0]).shape[1:]
    warnings = []
    for run in pipeline.runners:
        size = getattr(run, "image_size", None)
        if size is not None and len(shape) == 3 and not _fits(size, shape[:2]):
            raise PreprocessingError(
                f"it gives pictures of {size[0]:,} x {size[1]:,} pixels, and the backbone takes "
                f"{shape[0]} x {shape[1]}",
                hint=HINT,
            )
        warnings += _unknown_tokens(graph, getattr(run, "tokens", None))
    return warnings


def _fits(size: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return all(want in (None, have) for have, want in zip(size, wanted, strict=True))


def _unknown_tokens(graph: Graph, tokens: tuple[int, int] | None) -> list[str]:
    """A line if the tokenizer has tokens that the model's table has no row for."""
    # that of words is the largest: BERT's other one, of segments, has 2 rows
    rows = max(graph.limits.values(), default=None)
    if tokens is None or rows is None or 0 <= tokens[0] <= tokens[1] < rows:
        return []
    return [
        f"its tokenizer numbers tokens from {tokens[0]:,} to {tokens[1]:,}, and the model's table "
        f"has {rows:,} rows: texts with tokens beyond are refused"
    ]


def _ran(name: str, graph: Graph, cut: Cut, batch: Batch, sample: str) -> list[np.ndarray]:
    try:
        return TensorFlowEngine(build_trunk(graph, [cut]), graph.limits).run(batch)
    except Exception as error:  # TensorFlow and Keras raise whatever they have
        raise BackboneError(
            f"{name!r} cannot run on {sample}, a batch of shape {shapes(batch)} and dtype "
            f"{dtypes(batch)} ({first_line(error)})",
            hint="Check that the preprocessing fits the backbone's input.",
        ) from error
