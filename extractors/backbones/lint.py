"""Looking at what really reaches the trunk, for preprocessing that is silently wrong.

Three solid pictures (black, white, a colour) go through the pipeline and through the model up to
its first weights. A solid picture stays one under cropping and resizing, so what arrives tells the
scale, the offset and the order of the channels, whoever applied them: the pipeline or the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import SampleUnreadable
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.graph import Graph
from headstart.extractors.backbones.pooling import is_masked
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.defaults import MODES
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps.images import DECODERS
from headstart.extractors.runtime import keras
from headstart.registry.entities import Backbone

FAMILIES: dict[str, tuple[set[str], str]] = {
    "VGG": ({"block1_conv1", "block1_conv2", "block1_pool"}, "caffe"),
    "ResNetV2": ({"conv1_conv", "conv2_block1_preact_bn"}, "tf"),
    "ResNet": ({"conv1_conv", "conv1_bn", "conv2_block1_add"}, "caffe"),
    "DenseNet": ({"conv2_block1_0_bn", "conv2_block1_concat"}, "torch"),
    "InceptionV3": ({"mixed0", "mixed10"}, "tf"),
    "InceptionResNetV2": ({"mixed_5b", "mixed_6a"}, "tf"),
    "Xception": ({"block1_conv1_bn", "block1_conv2_bn"}, "tf"),
    "MobileNet": ({"conv_dw_1", "conv_pw_1"}, "tf"),
    "MobileNetV2": ({"bn_Conv1", "expanded_conv_depthwise"}, "tf"),
    "NASNet": ({"stem_conv1", "stem_bn1"}, "tf"),
}
"""Families of keras.applications that do not rescale by themselves: layers by which each is known,
and the mode of its own `preprocess_input`."""

RANDOM = re.compile(r"^(Stateless|Stateful)?(Random|Truncated|Parameterized|Multinomial|Uniform)")
"""Operations of TensorFlow that draw random numbers: a dropout that was left on, mostly."""

PROBES = np.array([[0, 0, 0], [255, 255, 255], [200, 120, 30]], np.uint8)
SMALLEST, LARGEST = 0.2, 50.0
"""Between white and black where pixels are scaled once: 1, 2 and 4.5 are usual."""
DARKEST = 0.05
"""The largest value of a batch of real pictures, which may be dark ones."""
GUESSED = (
    "no preprocessing was given: pixels go in as 0..255; if the model was trained on scaled "
    "pixels, add it again with --preprocess unit, tf, torch, caffe or a file"
)
TOLERANCE = 0.02
"""What may differ from the family's own preprocessing, as a share of its range."""


def lint_pipeline(graph: Graph, pipeline: Preprocessing, *, is_given: bool) -> list[str]:
    """What is doubtful about a pipeline for pictures, in words.

    Args:
        graph: the backbone's graph.
        pipeline: its preprocessing.
        is_given: whether somebody said so, rather than that it was guessed.
    """
    if not any(step["step"] in DECODERS for step in pipeline.steps):
        return []
    arriving = _arriving(graph, pipeline)
    guess = [] if is_given else [GUESSED]
    if arriving is None:
        return guess
    black, white, _ = arriving
    scale = float(np.abs(white - black).max())
    if scale < SMALLEST:
        return [
            f"pixels seem to be scaled twice: between black and white only {scale:.2g} reach the "
            "first weights; the model rescales by itself, so use --preprocess raw"
        ]
    family = find_family(graph)
    if family is not None and len(white) == 3:
        return _compare(arriving, family)
    return guess if scale > LARGEST else []


def lint_graph(graph: Graph) -> list[str]:
    """What is doubtful about a graph by itself, in words."""
    drawing = next((node for node in graph.nodes if RANDOM.match(node.kind)), None)
    if drawing is None:
        return []
    return [
        f"{drawing.path} ({drawing.kind}) draws random numbers, so no two runs give the same "
        "features; save the model again for inference"
    ]


def lint_cuts(backbone: Backbone, cuts: Sequence[Cut]) -> list[str]:
    """What is doubtful about the cuts that were asked for, in words."""
    warnings = [cut.point.warning for cut in cuts if cut.point.warning]
    for cut in cuts:
        if backbone.format == "tensorflow" and is_masked(cut.pooling) and cut.mask is None:
            warnings.append(
                f"{cut.name} counts every step, padding too: a frozen graph carries no mask"
            )
    return warnings


@dataclass(frozen=True)
class Arriving:
    """What a model does to pixels below its first weights: `x * scale + offset`, by channel.

    Attributes:
        scale: one number a channel.
        offset: likewise.
        is_unscaled: whether the model is of a family that wants values far above 1.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    is_unscaled: bool


def find_arriving(graph: Graph, shape: Sequence[int]) -> Arriving | None:
    """How pixels arrive at the first weights; None where that is not plain arithmetic.

    Args:
        graph: the backbone's graph.
        shape: of one sample.
    """
    if len(shape) != 3 or shape[-1] not in (1, 3):
        return None
    model = _up_to_weights(graph, shape)
    if model is None:
        return None
    probes = np.arange(3, dtype=np.float32)[:, None, None, None] * np.ones((1, *shape), np.float32)
    values = np.asarray(model(probes, training=False), np.float64)
    if values[0].size != probes[0].size:
        return None
    zero, one, two = values.reshape(3, -1, shape[-1])[:, 0]
    if not np.allclose(two - one, one - zero, rtol=1e-3):
        return None
    return Arriving(
        tuple((one - zero).tolist()),
        tuple(zero.tolist()),
        find_family(graph) in _of_mode("caffe"),
    )


def lint_batch(arriving: Arriving | None, pipeline: Preprocessing, batch: Batch) -> list[str]:
    """What is doubtful about the first samples that reach the trunk, in words."""
    if isinstance(batch, dict) or arriving is None:
        return []
    values = batch * np.asarray(arriving.scale) + np.asarray(arriving.offset)
    largest = float(np.abs(values).max())
    declared = any(step["step"] in DECODERS for step in pipeline.steps)
    if 0 < largest < DARKEST:
        return [
            f"the largest value that reaches the first weights is {largest:.2g}: the samples seem "
            "to be scaled twice; see `headstart backbone show` for the preprocessing"
        ]
    if largest > LARGEST and not declared and not arriving.is_unscaled:
        return [
            f"values of up to {largest:.4g} reach the first weights unscaled; if the model was "
            "trained on scaled pixels, add it again with another --preprocess"
        ]
    return []


def find_family(graph: Graph) -> str | None:
    """The family of keras.applications that a model is of, by its layers' names."""
    names = {part for node in graph.nodes for part in node.path.split("/")}
    return next((name for name, (known, _) in FAMILIES.items() if known <= names), None)


def _of_mode(mode: str) -> list[str]:
    return [name for name, (_, own) in FAMILIES.items() if own == mode]


def _compare(arriving: np.ndarray, family: str) -> list[str]:
    """Whether what arrives is what the family's own `preprocess_input` gives."""
    mode = FAMILIES[family][1]
    own = Preprocessing.from_json({"steps": MODES[mode]})
    expected = np.stack([own.prepare(probe[None, None])[0, 0] for probe in PROBES])
    room = TOLERANCE * float(np.abs(expected).max())
    if np.abs(arriving - expected).max() <= room:
        return []
    if np.abs(arriving[:, ::-1] - expected).max() <= room:
        what = "the channels arrive in the other order (RGB for BGR)"
    else:
        what = (
            f"black and white arrive as {_numbers(arriving[0])} and {_numbers(arriving[1])}, its "
            f"own preprocessing gives {_numbers(expected[0])} and {_numbers(expected[1])}"
        )
    return [
        f"the layers are those of {family} in keras.applications, trained with mode {mode}; {what}"
        f"; if the weights are Keras' own, use --preprocess {mode}"
    ]


def _numbers(values: np.ndarray) -> str:
    texts = [f"{value:.3g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"


def _arriving(graph: Graph, pipeline: Preprocessing) -> np.ndarray | None:
    """What becomes of the probes at the first weights: (3, channels); None if that is unclear."""
    size = pipeline.output_size
    shape = size[:2] if size else (64, 64)
    try:
        batch = np.stack(
            [pipeline.prepare(np.full((*shape, 3), probe, np.uint8)) for probe in PROBES]
        )
    except SampleUnreadable:
        return None
    model = _up_to_weights(graph, batch.shape[1:])
    if model is None:
        return None
    values = np.asarray(model(batch, training=False), np.float64)
    if values.ndim == 2:  # flattened: the first values are those of the first pixel
        return values[:, : batch.shape[-1]]
    return values[:, values.shape[1] // 2, values.shape[2] // 2]


def _up_to_weights(graph: Graph, shape: Sequence[int]) -> Any:
    """The model from its one input to what the first kernel is applied to; a map, or flat."""
    if len(graph.inputs) != 1:
        return None
    first = next(
        (node for node in graph.nodes if any(len(w.shape) > 1 for w in node.weights)), None
    )
    if first is None or len(graph.tensor(first.inputs[0]).shape) not in (2, 4):
        return None
    given = graph.inputs[0]
    image = keras().Input(shape=tuple(shape), dtype=graph.tensor(given).dtype)
    (tensor,) = graph.connect({given: image}, [first.inputs[0]])
    return keras().Model(image, tensor)
