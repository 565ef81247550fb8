"""Made the seeds beside this that the fuzzer changes: `python tests/assets/hostile/make.py`."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[2]))

import keras_hub
import numpy as np
from PIL import Image

import headstart as hs
from conftest import keras

HERE = Path(__file__).parent / "seeds"
layers = keras.layers
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "brown", "fox"]


def image_model():
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3), name="image")
    x = layers.Rescaling(1 / 255, name="scale")(image)
    x = layers.Conv2D(2, 3, name="conv")(x)
    x = layers.BatchNormalization(name="bn")(x)
    inner = keras.Input((4, 4, 2))
    block = keras.Model(inner, layers.Activation("relu")(inner), name="block")
    x = layers.GlobalAveragePooling2D(name="pool")(block(x))
    return keras.Model(image, layers.Dense(2, activation="softmax", name="out")(x), name="image")


def words_model():
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 3, mask_zero=True, name="words")(tokens)
    x = layers.GRU(2, name="gru")(x)
    return keras.Model(tokens, layers.Dense(2, name="out")(x), name="words")


def preset():
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(WORDS),
        num_layers=1,
        num_heads=1,
        hidden_dim=4,
        intermediate_dim=4,
        max_sequence_length=8,
    )
    tokenizer = keras_hub.tokenizers.BertTokenizer(vocabulary=WORDS, lowercase=True)
    made = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=6)
    keras_hub.models.BertTextClassifier(backbone, 2, preprocessor=made).save_to_preset(
        str(HERE / "preset")
    )


def bundle(scratch: Path):
    ws = hs.init(scratch / "zoo")
    ws.backbones.add("net", HERE / "words.keras", preprocess="array")
    np.savez(scratch / "d.npz", x=np.ones((2, 4), np.int32), y=np.arange(2))
    ws.datasets.add("d", scratch / "d.npz")
    ws.extract("net", "d")
    ws.backbones.export("net", HERE / "words.bundle.zip", features=True)


def pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    for suffix in ("png", "jpg", "gif", "bmp", "webp", "tiff"):
        image.save(HERE / f"picture.{suffix}")


def main(scratch: Path):
    HERE.mkdir(exist_ok=True)
    for model in (image_model(), words_model()):
        model.save(HERE / f"{model.name}.keras")
        model.save(HERE / f"{model.name}.h5")
    image_model().export(str(HERE / "saved_model"), verbose=False)
    rng = np.random.default_rng(0)
    np.savez(HERE / "arrays.npz", x=rng.random((6, 4), np.float32), y=np.arange(6) % 2)
    words, labels = np.array(["a", "bc", "d"]), np.array(["x", "y", "x"])
    np.savez_compressed(HERE / "words.npz", x=words, y=labels)
    preset()
    pictures()
    bundle(scratch)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
