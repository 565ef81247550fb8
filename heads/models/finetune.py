"""Fine-tuning from the cache: the layers above a cut are trained from that cut's features, so that
what lies below it is never run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from headstart.errors import BackboneError, InvalidHeadSetting
from headstart.extractors.backbones.cuts import Cut, find_ref
from headstart.extractors.backbones.graph import Graph
from headstart.extractors.backbones.keras_graph import KerasGraph
from headstart.extractors.backbones.masks import MASKED, is_bottleneck_with_mask, unpacked
from headstart.extractors.backbones.pooling import pool
from headstart.extractors.runtime import keras
from headstart.heads.attention.layer import NAME as QUERIES
from headstart.heads.dense_stack import DenseStack
from headstart.heads.descent import check_steps
from headstart.heads.kind import Fitted, HeadKind, Part
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.kinds.linear import Linear
from headstart.heads.models.aims import Aim
from headstart.heads.origins import Frame, fit_from
from headstart.heads.tasks import MultiLabel, Ordinal, Task
from headstart.registry.entities import CutPoint
from headstart.values.options import Options


@dataclass(frozen=True)
class FineTuning(Options, error=InvalidHeadSetting):
    """How layers are trained further.

    Batch norms keep their statistics: these are of the data that the backbone was trained on, and
    a few small batches would spoil them. Dropout of the backbone is off, as in its features.

    Attributes:
        learning_rate: of Adam; low, as the layers know something already.
        epochs: at most so many passes.
        batch_size: samples a step.
        patience: stop when the validation loss has not fallen for so many epochs; the best
            epoch's weights are kept, or those of before the first one. Without a validation split a
            part of the train split is held out for it.
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
        super().__post_init__()
        check_steps(self)

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def check_below(
    start: CutPoint, cut: Cut, is_below: bool, *, is_bottleneck: bool | None = None
) -> None:
    """See that the layers between two cuts need nothing but the lower one.

    Raises:
        BackboneError: the start is no bottleneck, or does not lie below the cut.
    """
    if not (start.is_bottleneck if is_bottleneck is None else is_bottleneck):
        raise BackboneError(
            f"{start.name!r} is not a bottleneck: what lies above needs more than this tensor"
            f"{'' if is_bottleneck is None else ' and its mask'}",
            hint="See `headstart backbone cuts` for the bottlenecks.",
        )
    if not is_below:
        raise BackboneError(
            f"{start.name!r} does not lie below {cut.name!r}, where the head is",
            hint="Take a cut further down; `headstart backbone cuts` lists them in order.",
        )


def build_top(graph: Graph, start: Cut, cut: Cut, stack: DenseStack) -> Any:
    """The model from one cut, through the layers up to another, and the head on it.

    Its layers are those of the graph, so training it trains the graph's model.

    Args:
        graph: the backbone's graph.
        start: a bottleneck below the cut; or a sequence with its mask, `|masked`, which together
            are one.
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
    ref, target = find_ref(graph, start.point), find_ref(graph, cut.point)
    is_bottleneck = start.point.is_bottleneck
    if start.pooling == MASKED:
        is_bottleneck = is_bottleneck_with_mask(graph, start.point, cut.point)
    is_below = ref != target and ref.node in graph.below(target)
    check_below(start.point, cut, is_below, is_bottleneck=is_bottleneck)
    tensor = graph.tensor(ref)
    shape = start.shape if start.pooling == MASKED else tensor.shape[1:]
    features = keras().Input(shape=shape, dtype=tensor.dtype, name="features_in")
    begun = unpacked(graph, start.point, features) if start.pooling else {ref: features}
    given = {graph.node(one).path: tensor for one, tensor in begun.items()}
    if cut.mask and cut.mask not in given:
        raise BackboneError(
            f"the pooling of {cut.name!r} needs the mask {cut.mask!r}, which is no part of the "
            f"cached features of {start.name!r}",
            hint="Fine-tune a head on a cut without pooling, or from a sequence with that mask.",
        )
    (top,) = graph.connect(begun, [target])
    pooled = pool(top, cut.pooling, given.get(cut.mask or ""))
    return keras().Model(features, stack.to_keras(pooled), name="top")


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes:
        history: Keras' history: a number an epoch for each of its names.
        start_loss: on the validation samples, before the first epoch.
        best_epoch: whose weights the model has now, from 1; 0 where none was better than the start.
        most: epochs that were allowed.
        loss_name: what the loss is, in words.
    """

    history: dict[str, list[float]]
    start_loss: float
    best_epoch: int
    most: int
    loss_name: str

    @property
    def epochs(self) -> int:
        """How many were run."""
        return len(self.history["loss"])

    @property
    def is_stopped(self) -> bool:
        """Whether the training ended early, as no epoch was better any more."""
        return self.epochs < self.most


def fine_tune(
    model: Any, train: Part, validation: Part, settings: FineTuning, aim: Aim, seed: int
) -> Course:
    """Train a model further, in place; it keeps the weights of the best epoch, or its own.

    Args:
        model: from features to what the head says.
        train: features (n, …) and targets as the task reads them.
        validation: likewise, of samples that neither the model nor the training has seen: they say
            which epoch is the best, and whether any is better than the start.
        settings: how.
        aim: what is made small.
        seed: of the order of the samples.
    """
    k = keras()
    for layer in model.layers:
        is_norm = isinstance(layer, k.layers.BatchNormalization)
        layer.trainable = settings.batch_norm or not is_norm
    trained = aim.begin(model)
    trained.compile(k.optimizers.Adam(settings.learning_rate), aim.loss)
    x, y, weights = judging = validation.features, aim.targets(validation), _of_mean_one(validation)
    start_loss = float(trained.evaluate(x, y, sample_weight=weights, verbose=0))
    best = _best_so_far(start_loss, settings.patience)
    k.utils.set_random_seed(seed)
    history = trained.fit(
        train.features,
        aim.targets(train),
        sample_weight=_of_mean_one(train),
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        validation_data=judging,
        callbacks=[best],
        verbose=0,
    )
    aim.end(trained, model)
    told = {name: [float(value) for value in values] for name, values in history.history.items()}
    return Course(told, start_loss, best.epoch, settings.epochs, aim.name)


def _of_mean_one(part: Part) -> np.ndarray | None:
    """Weights of samples, by which Keras' loss is the weighted mean, and a step is as long in
    whatever unit they are."""
    return None if part.weights is None else part.weights / part.weights.mean(dtype=np.float64)


def _best_so_far(start_loss: float, patience: int) -> Any:
    """A callback like Keras' EarlyStopping, for which the weights of before the training are those
    of epoch 0: they may win. A loss that is no number is never better."""

    class BestSoFar(keras().callbacks.Callback):
        epoch, loss, since = 0, start_loss, 0

        def on_train_begin(self, logs: Any = None) -> None:
            self.weights = self.model.get_weights()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if logs["val_loss"] < self.loss:
                self.epoch, self.loss, self.since = epoch + 1, logs["val_loss"], 0
                self.weights = self.model.get_weights()
                return
            self.since += 1
            self.model.stop_training = self.since >= patience

        def on_train_end(self, logs: Any = None) -> None:
            self.model.set_weights(self.weights)

    return BestSoFar()


def has_learned_validation(kind: str, task: Task) -> bool:
    """Whether heads were fitted on the validation split, too, once it had chosen their strength: an
    ordinal one, whose kind is linear as well, was not."""
    return kind == Linear.kind and not isinstance(task, Ordinal)


def start_of(
    kind: str,
    settings: dict[str, Any],
    task: Task,
    before: DenseStack,
    train: Callable[[], Part],
    held: Callable[[], Part] | None,
    seed: int,
) -> DenseStack:
    """The head to start from: one that has not seen what is to judge the epochs.

    Some were fitted on train and validation split together, see `has_learned_validation`; here they
    are fitted on the train split alone, or the validation samples would call them better than they
    are, and no epoch good. Others were fitted on the train split alone and start as they are,
    unless a part of that is what judges.

    Args:
        kind: of the head.
        settings: of the head's record.
        task: likewise.
        before: the head as it is.
        train: gives the features at the head's own cut, (n, width), of what is trained on.
        held: gives those of what was held out of the train split to judge; None where it has not
            seen what judges.
        seed: of everything that chance decides.
    """
    chosen = kind_of(kind, settings)
    if has_learned_validation(kind, task):
        part = train()
        judging = part.rows(slice(0))
        fit = _fit_again(cast(Linear, chosen), settings, task, before.outputs, seed)
    elif held is not None:
        part, judging = train(), held()
        attention = before.layers[0].attention
        part = part if attention is None else replace(part, tokens=attention.tokens)
        fit = _fit_of(chosen, task, before.outputs, seed)
    else:
        return before
    # the model has been built with the origin and the bounds that the head has, mostly none
    frame = Frame(before.layers[0].origin, before.layers[0].bounds)
    return DenseStack(fit_from(frame, fit, part, judging).layers, before.classes)


Fit = Callable[[Part, Part], Fitted]


def _fit_of(kind: HeadKind, task: Task, outputs: int, seed: int) -> Fit:
    return lambda train, judging: task.fit(kind, train, judging, outputs, seed)


def _fit_again(kind: Linear, settings: dict[str, Any], task: Task, outputs: int, seed: int) -> Fit:
    """The fit of a linear head with the strength that was chosen, or those of each label."""
    if isinstance(task, MultiLabel):
        kinds = [replace(kind, strengths=(one,)) for one in settings["chosen"]]
        return lambda train, judging: task.fit_each(kinds, train, judging, seed)
    return _fit_of(replace(kind, strengths=(settings["strength"],)), task, outputs, seed)


def put_on(model: Any, stack: DenseStack) -> None:
    """Give the head on a model that `build_top` made other weights."""
    for name, layer in zip(stack.layer_names, stack.layers, strict=True):
        model.get_layer(name).set_weights([layer.kernel, layer.bias])
    if (attention := stack.layers[0].attention) is not None:
        model.get_layer(QUERIES).set_weights([attention.queries])


def head_of(model: Any, before: DenseStack) -> DenseStack:
    """The head on top of a model that `build_top` made, with the weights it has now."""
    layers = []
    for name, old in zip(before.layer_names, before.layers, strict=True):
        kernel, bias = model.get_layer(name).get_weights()
        layers.append(replace(old, kernel=kernel, bias=bias))
    if (attention := layers[0].attention) is not None:
        (queries,) = model.get_layer(QUERIES).get_weights()
        layers[0] = replace(layers[0], attention=replace(attention, queries=queries))
    return DenseStack(tuple(layers), before.classes)
