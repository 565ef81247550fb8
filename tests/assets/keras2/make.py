"""Made the files in this folder, with tf-keras 2.21 (Keras 2): `pip install tf-keras`, then run.

Each `NAME.h5` is a whole model as Keras 2 writes it; `NAME.npz` holds an input `x`, the model's
output `y` and the input of its last layer with weights `f`, as Keras 2 computes them.
"""

import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tf_keras as keras

HERE = Path(__file__).parent
layers = keras.layers


def save(name: str, model: keras.Model) -> None:
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights(
            [
                rng.uniform(0.1, 0.5, w.shape) * rng.choice([-1, 1], w.shape)
                if "variance" not in v.name
                else rng.uniform(0.5, 1, w.shape)
                for v, w in zip(layer.weights, layer.get_weights(), strict=True)
            ]
        )
    model.save(HERE / f"{name}.h5")
    (tensor,) = model.inputs
    shape = (3, *tensor.shape[1:])
    x = rng.integers(0, 9, shape) if tensor.dtype.is_integer or name == "gru" else rng.random(shape)
    x = x.astype("float32")
    below = keras.Model(model.inputs, model.layers[-1].input)
    np.savez(HERE / f"{name}.npz", x=x, y=model.predict(x), f=below.predict(x))


image = keras.Input((8, 8, 3))
x = layers.Conv2D(4, 3, activation="relu")(image)
x = layers.BatchNormalization()(x)
x = layers.GlobalAveragePooling2D()(x)
model = keras.Model(image, layers.Dense(3, activation="softmax")(x))
model.compile(keras.optimizers.legacy.Adam(decay=1e-4), "categorical_crossentropy")
save("functional", model)

save(
    "gru",
    keras.Sequential(
        [
            layers.Embedding(9, 4, input_length=7),
            layers.GRU(5, reset_after=True, return_sequences=True),
            layers.GRU(4, reset_after=False, return_sequences=True),
            layers.LSTM(3),
            layers.Dense(2, activation="softmax"),
        ]
    ),
)

x = inputs = keras.Input((5,))
x = layers.Dense(4, activation=keras.activations.swish)(x)
x = layers.LeakyReLU(alpha=0.2)(x)
x = layers.ReLU(6.0)(x)
save("leaky", keras.Model(inputs, layers.Dense(2)(x)))

x = image = keras.Input((8, 8, 3))
x = layers.DepthwiseConv2D(3, activation="relu")(x)
x = layers.SeparableConv2D(4, 3)(x)
x = layers.Reshape((4, -1))(x)
x = layers.TimeDistributed(layers.Dense(3))(x)
x = layers.LayerNormalization()(x)
x = layers.Bidirectional(layers.LSTM(3))(x)
save("mixed", keras.Model(image, layers.Dense(2)(x)))

base_input = keras.Input((8, 8, 3))
base = layers.BatchNormalization()(layers.Conv2D(4, 3)(base_input))
base = keras.Model(base_input, layers.ReLU(6.0)(base), name="base")
save(
    "nested",
    keras.Sequential(
        [
            base,
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    ),
)

inputs = keras.Input((5,))
x = keras.activations.relu(layers.Dense(4)(inputs), max_value=6.0)
save("bare_function", keras.Model(inputs, layers.Dense(2)(x)))

x = tokens = keras.Input((7,), dtype="int32")
x = layers.Embedding(9, 6)(x)
attended = layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x)
x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, attended]))
x = layers.GlobalAveragePooling1D()(layers.Dropout(0.1)(x))
save("attention", keras.Model(tokens, layers.Dense(3, activation="softmax")(x)))
