"""Mean and standard deviation over all places of a map, or all steps of a sequence."""

from __future__ import annotations

from typing import Any, ClassVar


class Spread:
    """See `headstart.extractors.backbones.pooling.Pooling`."""

    name: ClassVar[str] = "spread"
    version: ClassVar[int] = 1
    words: ClassVar[str] = "mean and standard deviation"
    is_of_sequences: ClassVar[bool] = False
    is_masked: ClassVar[bool] = False

    @staticmethod
    def width(shape: tuple[int | None, ...]) -> int | None:
        return None if shape[-1] is None else 2 * shape[-1]

    @staticmethod
    def run(tensor: Any, mask: Any) -> Any:
        from keras import ops

        places = tuple(range(1, len(tensor.shape) - 1))
        mean = ops.mean(tensor, axis=places)
        variance = ops.mean(ops.square(tensor), axis=places) - ops.square(mean)
        return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 0.0))], axis=-1)
