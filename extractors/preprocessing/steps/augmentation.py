"""Pictures seen a little otherwise: a random crop, a flip, other light; by seed and content."""

from __future__ import annotations

import zlib

import numpy as np

from headstart.extractors.preprocessing.steps.kinds import StepKind, is_flag, is_number

ASPECT = 4 / 3
"""Of a crop, at most, or its inverse; as in Szegedy et al., https://arxiv.org/abs/1409.4842."""


def _augment(
    pixels: np.ndarray, *, view: int, seed: int, crop: float, flip: bool, light: float
) -> np.ndarray:
    """Pixels, uint8 (height, width, channels), of another crop, side and light.

    What chance decides depends on the pixels, the seed and the view alone: the same picture gives
    the same, on every machine.
    """
    content = np.ascontiguousarray(pixels)
    rng = np.random.default_rng([seed, view, zlib.crc32(content.reshape(-1).data)])
    height, width = content.shape[:2]
    area = rng.uniform(crop, 1.0)
    aspect = np.exp(rng.uniform(-np.log(ASPECT), np.log(ASPECT)))
    rows = min(height, max(1, round(height * np.sqrt(area / aspect))))
    columns = min(width, max(1, round(width * np.sqrt(area * aspect))))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    found = content[top : top + rows, left : left + columns]
    if rng.random() < 0.5 and flip:
        found = found[:, ::-1]
    brightness, contrast = rng.uniform(1 - light, 1 + light, 2)
    if light:
        mean = found.mean(dtype=np.float64)
        wide = (found.astype(np.float32) - mean) * np.float32(contrast) + mean * brightness
        found = wide.round().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(found)


STEPS = {
    "augment": StepKind(
        version=1,
        settings={
            "view": (1, "1 or more", lambda v: isinstance(v, int) and v >= 1),
            "seed": (0, "0 or more", lambda v: isinstance(v, int) and v >= 0),
            "crop": (0.6, "above 0, at most 1", lambda v: is_number(v) and 0 < v <= 1),
            "flip": (True, "true or false", is_flag),
            "light": (0.15, "0 to below 1", lambda v: is_number(v) and 0 <= v < 1),
        },
        run=_augment,
        words="view {view}, seed {seed}: a random crop of {crop:.0%} of the area or more, turned "
        "left to right by chance: {flip}, brightness and contrast changed by up to {light:.0%}",
    ),
}
