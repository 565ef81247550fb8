"""Hugging Face's `datasets.map`, with TensorFlow."""
# /// script
# dependencies = ["datasets", "tensorflow", "pillow"]
# ///

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["HF_HUB_OFFLINE"] = "1"
import keras
import numpy as np
from by_hand import material, out, paths, prepare, save
from datasets import Dataset, disable_progress_bars

disable_progress_bars()
trunk = keras.saving.load_model(os.path.join(material, "trunk.keras"))


def run(batch):
    return {"features": list(trunk.predict_on_batch(np.stack([prepare(p) for p in batch["path"]])))}


data = Dataset.from_dict({"path": paths})
made = data.map(
    run, batched=True, batch_size=32, cache_file_name=out + ".arrow", load_from_cache_file=False
)
save(made.with_format("numpy")["features"][:])
