"""A multilayer perceptron, trained by Keras with early stopping."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.runtime import keras, tensorflow
from headstart.heads.dense_stack import Layer, Standardisation
from headstart.heads.kinds import Fitted, Part


@dataclass(frozen=True)
class MLP:
    """Dense layers with relu, then softmax.

    Attributes:
        hidden: width of each hidden layer.
        dropout: share of units dropped behind each hidden layer while training.
        learning_rate: of Adam.
        batch_size: samples a step.
        epochs: at most so many passes.
        patience: stop when the validation loss has not fallen for so many epochs; the best
            epoch's weights are kept. Without a validation split all epochs are run.
    """

    kind: ClassVar[str] = "mlp"
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.3
    learning_rate: float = 1e-3
    batch_size: int = 64
    epochs: int = 60
    patience: int = 6

    def __post_init__(self) -> None:
        if not all(isinstance(width, int) and width > 0 for width in self.hidden):
            raise HeadError(f"hidden is {self.hidden}", hint="Give widths of 1 or more.")
        if not 0 <= self.dropout < 1:
            raise HeadError(f"dropout is {self.dropout}", hint="Give 0 to below 1.")
        if min(self.batch_size, self.epochs, self.patience) < 1 or self.learning_rate <= 0:
            raise HeadError("batch_size, epochs, patience and learning_rate must be above 0")

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "hidden": list(self.hidden)}

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        k = keras()
        scale = Standardisation.of(train.features)
        model, dense = self._build(train.features.shape[1], classes, seed)
        model.compile(
            k.optimizers.Adam(self.learning_rate), k.losses.SparseCategoricalCrossentropy()
        )
        checked = len(validation) > 0
        history = model.fit(
            _batches(scale, train, self.batch_size, seed),
            validation_data=_batches(scale, validation, 1024) if checked else None,
            epochs=self.epochs,
            callbacks=[
                k.callbacks.EarlyStopping(
                    "val_loss", patience=self.patience, restore_best_weights=True
                )
            ]
            if checked
            else [],
            shuffle=False,  # the tf.data pipeline shuffles, by its own seed
            verbose=0,
        )
        weights = [[np.asarray(weight) for weight in layer.get_weights()] for layer in dense]
        weights[0] = list(scale.fold(*weights[0]))
        activations = ["relu"] * len(self.hidden) + ["softmax"]
        details = {"epochs": len(history.history["loss"]), "history": _rounded(history.history)}
        return Fitted(
            tuple(
                Layer(kernel, bias, activation)
                for (kernel, bias), activation in zip(weights, activations, strict=True)
            ),
            details,
        )

    def _build(self, width: int, classes: int, seed: int) -> tuple[Any, list[Any]]:
        """The model and its dense layers; every source of chance has a seed of its own."""
        k = keras()
        x = inputs = k.Input((width,))
        dense = []
        for number, units in enumerate((*self.hidden, classes)):
            is_last = number == len(self.hidden)
            start = k.initializers.GlorotUniform(seed=seed + number)
            layer = k.layers.Dense(
                units, "softmax" if is_last else "relu", kernel_initializer=start
            )
            x = layer(x)
            dense.append(layer)
            if self.dropout and not is_last:
                x = k.layers.Dropout(self.dropout, seed=seed + number)(x)
        return k.Model(inputs, x), dense


def _batches(scale: Standardisation, part: Part, size: int, seed: int | None = None) -> Any:
    tf = tensorflow()
    data = tf.data.Dataset.from_tensor_slices((scale.apply(part.features), part.targets))
    if seed is not None:
        data = data.shuffle(len(part), seed=seed)
    return data.batch(size).prefetch(2)


def _rounded(history: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [round(float(v), 5) for v in values] for name, values in history.items()}
