"""Made the folders here: `pip install tensorflow==2.21 tf-keras==2.21`, then run.

Each `NAME/` is a SavedModel; `NAME.npz` holds an input `x`, the model's output `y`, and `f`, the
features below its last layer with weights, as whoever wrote the model computes them.
"""

import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras as keras

HERE = Path(__file__).parent
layers = keras.layers
v1 = tf.compat.v1


def keep(name: str, x: np.ndarray, y: object, f: object) -> None:
    np.savez(HERE / f"{name}.npz", x=x, y=np.asarray(y), f=np.asarray(f))


def keras2() -> None:
    """Trained with an optimizer of old, so that its slots are in the checkpoint."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(6.0, name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    features = layers.Dense(6, activation="relu", name="features")(x)
    x = layers.Dropout(0.5, name="dropout")(features)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="probs")(x))
    rng = np.random.default_rng(0)
    x = rng.random((5, 8, 8, 3)).astype("float32")
    model.compile(keras.optimizers.legacy.Adam(0.1), "sparse_categorical_crossentropy")
    model.fit(x, np.arange(5) % 3, verbose=0)
    model.save(HERE / "keras2")
    keep("keras2", x, model(x), keras.Model(image, features)(x))


def keras2_lstm() -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(30, 5, mask_zero=True, name="words")(tokens)
    features = layers.LSTM(6, name="lstm")(x)
    model = keras.Model(tokens, layers.Dense(2, name="score")(features))
    x = np.array([[1, 2, 3, 0], [4, 5, 0, 0]], "int32")
    model.save(HERE / "keras2_lstm")
    keep("keras2_lstm", x, model(x), keras.Model(tokens, features)(x))


def tensorflow1() -> None:
    """With variables of TensorFlow 1, and nothing but a signature."""
    with v1.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        x = v1.placeholder(tf.float32, (None, 5), "x")
        with v1.variable_scope("layer1", use_resource=False):
            w, b = v1.get_variable("w", (5, 7)), v1.get_variable("b", (7,))
            features = tf.nn.relu(tf.matmul(x, w) + b)
        with v1.variable_scope("logits", use_resource=False):
            logits = tf.matmul(features, v1.get_variable("w", (7, 3)))
        y = tf.nn.softmax(logits, name="probabilities")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(HERE / "tensorflow1"), {"x": x}, {"p": y})
        given = np.random.default_rng(0).random((4, 5)).astype("float32")
        keep("tensorflow1", given, *session.run([y, features], {x: given}))


keras2()
keras2_lstm()
tensorflow1()
