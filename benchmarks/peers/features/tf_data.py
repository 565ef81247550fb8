"""tf.data, tuned by hand, and `predict`."""
# /// script
# dependencies = ["tensorflow"]
# ///

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import tensorflow as tf
from by_hand import cores, is_reversed, material, offset, paths, save, scale

trunk = keras.saving.load_model(os.path.join(material, "trunk.keras"))


def decode(path):
    image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.resize(image, (224, 224))
    return (image[..., ::-1] if is_reversed else image) * scale + offset


data = tf.data.Dataset.from_tensor_slices(paths)
data = data.map(decode, num_parallel_calls=2 * cores).batch(32).prefetch(2)
# The thread that tunes it would keep the process for seconds at its end.
options = tf.data.Options()
options.autotune.enabled = False
save(trunk.predict(data.with_options(options), verbose=0))
