"""The arithmetic at the end of a pipeline as one multiplication and one addition a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.extractors.preprocessing.steps.images import CHANNEL_MEANS, CHANNEL_STDS


@dataclass(frozen=True)
class Affine:
    """`x[..., order] * scale + offset`, numbers by the channels that come out.

    Attributes:
        scale: float64, (channels,).
        offset: likewise.
        is_reversed: whether the channels change their order (RGB to BGR).
    """

    scale: np.ndarray
    offset: np.ndarray
    is_reversed: bool = False

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        x = pixels[..., ::-1] if self.is_reversed else pixels
        return (x * self.scale + self.offset).astype(np.float32)

    @staticmethod
    def of(steps: Sequence[dict[str, Any]], channels: int) -> Affine:
        """The steps `rescale`, `standardize`, `normalize` and `cast`, one after the other."""
        whole = Affine(np.ones(channels), np.zeros(channels))
        for step in steps:
            whole = whole._then(step)
        return whole

    def _then(self, step: dict[str, Any]) -> Affine:
        if step["step"] == "rescale":
            return self._scaled(step["scale"], step["offset"])
        if step["step"] == "standardize":
            std = np.asarray(step["std"], np.float64)
            return self._scaled(1 / std, -np.asarray(step["mean"], np.float64) / std)
        if step["step"] == "normalize" and step["mode"] == "tf":
            return self._scaled(1 / 127.5, -1.0)
        if step["step"] == "normalize":
            mode = step["mode"]
            scaled = self._scaled(1 / 255, 0.0) if mode == "torch" else self._reversed()
            mean, std = np.array(CHANNEL_MEANS[mode]), np.array(CHANNEL_STDS[mode])
            return scaled._scaled(1 / std, -mean / std)
        return self

    def _scaled(self, scale: Any, offset: Any) -> Affine:
        return Affine(self.scale * scale, self.offset * scale + offset, self.is_reversed)

    def _reversed(self) -> Affine:
        return Affine(self.scale[::-1], self.offset[::-1], not self.is_reversed)
