"""Fine-tuning from the cache: the layers above a cut are trained from that cut's features, so that
what lies below it is never run again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.errors import BackboneError, HeadError
from headstart.extractors.cuts import Cut, find_ref
from headstart.extractors.graph import Graph
from headstart.extractors.keras_graph import KerasGraph
from headstart.extractors.pooling import pool
from headstart.extractors.runtime import keras
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.registry.entities import CutPoint


@dataclass(frozen=True)
class FineTuning:
    """How layers are trained further.

    Batch norms keep their statistics: these are of the data that the backbone was trained on, and
    a few small batches would spoil them. Dropout of the backbone is off, as in its features.

    Attributes:
        learning_rate: of Adam; low, as the layers know something already.
        epochs: at most so many passes.
        batch_size: samples a step.
        patience: stop when the validation loss has not fallen for so many epochs; the best
            epoch's weights are kept. Without a validation split all epochs are run.
        batch_norm: train the scales and offsets of batch norms as well.
        views: train on so many augmented views as well.
    """

    learning_rate: float = 1e-4
    epochs: int = 10
    batch_size: int = 32
    patience: int = 3
    batch_norm: bool = False
    views: int = 0

    def __post_init__(self) -> None:
        if min(self.batch_size, self.epochs, self.patience) < 1 or not self.learning_rate > 0:
            raise HeadError("batch_size, epochs, patience and learning_rate must be above 0")

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def build_top(graph: Graph, start: CutPoint, cut: Cut, stack: DenseStack) -> Any:
    """The model from one cut, through the layers up to another, and the head on it.

    Its layers are those of the graph, so training it trains the graph's model.

    Args:
        graph: the backbone's graph.
        start: a bottleneck below the cut.
        cut: where the head's features come from.
        stack: the head, whose weights are the first ones.

    Raises:
        BackboneError: the start is no bottleneck, does not lie below the cut, or the graph's
            layers cannot be trained.
    """
    if not isinstance(graph, KerasGraph):
        raise BackboneError(
            "the layers of a frozen graph cannot be trained",
            hint="Add the backbone from a .keras or .h5 file.",
        )
    ref, target = find_ref(graph, start), find_ref(graph, cut.point)
    if not start.is_bottleneck:
        raise BackboneError(
            f"{start.name!r} is no bottleneck: what lies above needs more than this tensor",
            hint="See `headstart backbone cuts` for the bottlenecks.",
        )
    if ref == target or ref.node not in graph.below(target):
        raise BackboneError(
            f"{start.name!r} does not lie below {cut.name!r}, where the head is",
            hint="Take a cut further down; `headstart backbone cuts` lists them in order.",
        )
    if cut.mask:
        raise BackboneError(
            f"the pooling of {cut.name!r} needs the mask {cut.mask!r}, which is no part of the "
            "cached features",
            hint="Fine-tune a head on a cut without pooling.",
        )
    tensor = graph.tensor(ref)
    features = keras().Input(shape=tensor.shape[1:], dtype=tensor.dtype, name="features_in")
    (top,) = graph.connect({ref: features}, [target])
    return keras().Model(features, stack.to_keras(pool(top, cut.pooling, None)), name="top")


def fine_tune(
    model: Any,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    settings: FineTuning,
    seed: int,
) -> dict[str, list[float]]:
    """Train a model further, in place.

    Args:
        model: from features to class probabilities.
        train: features (n, …) and class numbers (n,).
        validation: likewise; may be empty.
        settings: how.
        seed: of the order of the samples.

    Returns:
        Keras' history: a number an epoch for each of its names.
    """
    k = keras()
    k.utils.set_random_seed(seed)
    for layer in model.layers:
        is_norm = isinstance(layer, k.layers.BatchNormalization)
        layer.trainable = settings.batch_norm or not is_norm
    model.compile(
        k.optimizers.Adam(settings.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    callbacks = []
    if len(validation[1]):
        stopping = k.callbacks.EarlyStopping(
            "val_loss", patience=settings.patience, restore_best_weights=True
        )
        callbacks.append(stopping)
    history = model.fit(
        *train,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        validation_data=validation if len(validation[1]) else None,
        callbacks=callbacks,
        verbose=0,
    )
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def head_of(model: Any, before: DenseStack) -> DenseStack:
    """The head on top of a model that `build_top` made, with the weights it has now."""
    layers = []
    for name, old in zip(before.layer_names, before.layers, strict=True):
        kernel, bias = model.get_layer(name).get_weights()
        layers.append(Layer(kernel, bias, old.activation))
    return DenseStack(tuple(layers), before.classes)
