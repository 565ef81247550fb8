"""Steps for arrays of any shape: take them, scale them, cast them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.errors import SampleUnreadable
from headstart.extractors.preprocessing.steps.kinds import StepKind, is_number, is_text_of

DTYPES = (
    "float32",
    "float16",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "bool",
)


def _rescale(pixels: np.ndarray, *, scale: float, offset: float) -> np.ndarray:
    return np.asarray(pixels, np.float32) * np.float32(scale) + np.float32(offset)


def _standardize(pixels: np.ndarray, *, mean: Any, std: Any) -> np.ndarray:
    shifted = np.asarray(pixels, np.float32) - np.asarray(mean, np.float32)
    return shifted / np.asarray(std, np.float32)


def _array(raw: Any, *, shape: Sequence[int | None]) -> np.ndarray:
    """An array row as it is, after its shape was found right."""
    if not isinstance(raw, np.ndarray):
        raise SampleUnreadable(
            "the backbone takes arrays, the dataset holds files",
            hint="Say what the samples are with `backbone add --preprocess`: a mode for pictures, "
            "audio:RATE for sounds, a tokenizer for texts.",
        )
    fits = len(raw.shape) == len(shape) and all(
        want is None or have == want for have, want in zip(raw.shape, shape, strict=True)
    )
    if not fits:
        raise SampleUnreadable(f"an array of shape {raw.shape}, the backbone takes {tuple(shape)}")
    return raw


def _cast(value: np.ndarray, *, dtype: str) -> np.ndarray:
    cast = np.ascontiguousarray(value, dtype=dtype)
    if cast.dtype.kind in "iub" and value.dtype.kind != "b" and not np.array_equal(cast, value):
        wrong = value[cast != value].flat[0]
        raise SampleUnreadable(
            f"{wrong} is not a number of type {dtype}, which the backbone takes",
            hint="Look at the preprocessing: should the samples be scaled, or rounded?",
        )
    return cast


def _reshape(value: np.ndarray, *, shape: Sequence[int]) -> np.ndarray:
    if value.size != np.prod(shape):
        raise SampleUnreadable(f"{value.size} values of shape {value.shape} do not fill {shape}")
    return value.reshape(tuple(shape))


def _is_number_or_list(value: Any) -> bool:
    return is_number(value) or (
        isinstance(value, list) and bool(value) and all(is_number(item) for item in value)
    )


def _is_divisor(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return _is_number_or_list(value) and all(item > 0 for item in items)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, int) and v > 0 for v in value)


STEPS = {
    "array": StepKind(
        version=1,
        settings={"shape": ([], "a list of sizes", lambda v: isinstance(v, list))},
        run=_array,
        words="take an array of shape {shape}",
    ),
    "rescale": StepKind(
        version=1,
        settings={
            "scale": (1.0, "a number", is_number),
            "offset": (0.0, "a number", is_number),
        },
        run=_rescale,
        words="multiply by {scale:.6g}, add {offset:g}",
    ),
    "standardize": StepKind(
        version=1,
        settings={
            "mean": (0.0, "a number, or one a channel", _is_number_or_list),
            "std": (1.0, "a number above 0, or one a channel", _is_divisor),
        },
        run=_standardize,
        words="subtract {mean}, divide by {std}",
    ),
    "reshape": StepKind(
        version=1,
        settings={"shape": (None, "a list of sizes", _is_shape)},
        run=_reshape,
        words="as shape {shape}",
    ),
    "cast": StepKind(
        version=1,
        settings={"dtype": ("float32", f"one of {', '.join(DTYPES)}", is_text_of(*DTYPES))},
        run=_cast,
        words="as {dtype}",
    ),
}
