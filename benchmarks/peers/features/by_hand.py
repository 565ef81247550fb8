"""What the scripts of this folder share: their arguments, and how a picture becomes numbers.

Arguments: the folder of the material (`trunk.keras`, `trunk.onnx`, `trunk.xml`, `arithmetic.npz`),
that of the pictures, where the features go, the name of the model, the precision, how many cores.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from glob import glob

import numpy as np
from PIL import Image

material, pictures, out, model, precision = sys.argv[1:6]
cores = int(sys.argv[6])
paths = sorted(glob(os.path.join(pictures, "*", "*.jpg")))
scale, offset, is_reversed = np.load(os.path.join(material, "arithmetic.npz")).values()


def pixels(path: str) -> np.ndarray:
    """A picture at 224 x 224, decoded at a fraction of its size."""
    image = Image.open(path)
    image.draft("RGB", (224, 224))
    return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))


def prepare(path: str) -> np.ndarray:
    """The same with the model's own arithmetic."""
    image = pixels(path)
    return ((image[..., ::-1] if is_reversed else image) * scale + offset).astype(np.float32)


def by_all_cores(run, size: int) -> None:
    """Pictures in calls of a size, a thread a core; the features are saved."""
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    with ThreadPoolExecutor(cores) as pool:
        save(np.concatenate(list(pool.map(run, parts))))


def save(features) -> None:
    """As they are used afterwards: a row a picture."""
    features = np.asarray(features, np.float32).reshape(len(features), -1)
    assert len(features) == len(paths), features.shape
    np.save(out, features)
