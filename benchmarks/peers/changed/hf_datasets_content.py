"""Hugging Face's `datasets.map`, files given by content."""
# /// script
# dependencies = ["datasets", "numpy"]
# ///

import os

os.environ["HF_HUB_OFFLINE"] = "1"
from counted import compute, paths, store, use
from datasets import Dataset, config, disable_progress_bars

disable_progress_bars()
config.HF_DATASETS_CACHE = store
os.makedirs(store, exist_ok=True)


def run(batch):
    return {"features": [compute(content) for content in batch["content"]]}


contents = []
for path in paths:
    with open(path, "rb") as file:
        contents.append(file.read())
data = Dataset.from_dict({"content": contents})
name = os.path.join(store, f"{data._fingerprint}.arrow")
made = data.map(run, batched=True, batch_size=10, cache_file_name=name, load_from_cache_file=True)
use(made.with_format("numpy")["features"][:])
