"""Hugging Face's `datasets.map`, files given by path."""
# /// script
# dependencies = ["datasets", "numpy"]
# ///

import os

os.environ["HF_HUB_OFFLINE"] = "1"
from counted import compute_path, paths, store, use
from datasets import Dataset, config, disable_progress_bars

disable_progress_bars()
config.HF_DATASETS_CACHE = store
os.makedirs(store, exist_ok=True)


def run(batch):
    return {"features": [compute_path(path) for path in batch["path"]]}


# One that is made in memory has no folder of its own: its file is named by what it is made of.
data = Dataset.from_dict({"path": paths})
name = os.path.join(store, f"{data._fingerprint}.arrow")
made = data.map(run, batched=True, batch_size=10, cache_file_name=name, load_from_cache_file=True)
use(made.with_format("numpy")["features"][:])
