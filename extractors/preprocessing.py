"""Preprocessing: from a sample's raw content to the trunk's input, as a recorded pipeline.

A pipeline is a list of steps; each has a name, a version and its settings. The version is ours:
whoever changes a pixel that a step gives raises it, and every feature key changes with it.
"""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import PreprocessingError, SampleUnreadable, first_line
from headstart.registry.names import nearest
from headstart.storage.keys import fingerprint

FORMAT = "headstart.preprocessing/1"
DEFAULT_SIZE = 224
Step = Callable[..., Any]


@dataclass(frozen=True)
class Preprocessing:
    """A pipeline: steps in order, each `{"step": name, "version": n, **settings}`."""

    steps: tuple[dict[str, Any], ...]

    @property
    def fingerprint(self) -> str:
        return fingerprint(FORMAT, self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, "steps": [dict(step) for step in self.steps]}

    @staticmethod
    def from_json(value: Any, where: str = "the preprocessing") -> Preprocessing:
        """Check a specification and fill in the defaults.

        Raises:
            PreprocessingError: something in it is unknown or of the wrong kind.
        """
        if not isinstance(value, dict) or not isinstance(value.get("steps"), list):
            raise PreprocessingError(
                f"{where} has no list of steps", hint="See docs/preprocessing.md."
            )
        unknown = set(value) - {"format", "steps"}
        if unknown:
            raise PreprocessingError(f"{where} has an unknown field {min(unknown)!r}")
        if value.get("format", FORMAT) != FORMAT:
            raise PreprocessingError(
                f"{where} has format {value['format']!r}; this code reads {FORMAT}"
            )
        steps = tuple(
            _checked_step(step, f"{where}, step {number}")
            for number, step in enumerate(value["steps"], start=1)
        )
        return Preprocessing(steps)

    @property
    def output_size(self) -> tuple[int, ...] | None:
        """(height, width, channels) of what images become; None for arrays."""
        size: tuple[int, ...] | None = None
        channels = None
        for step in self.steps:
            if step["step"] == "decode_image":
                channels = step["channels"]
            if step["step"] == "resize":
                size = (step["height"], step["width"])
        return None if size is None or channels is None else (*size, channels)

    def prepare(self, raw: Any) -> np.ndarray:
        """One sample, ready for the trunk.

        Args:
            raw: the content of a file (bytes), or one row of an array.

        Returns:
            An array without batch dimension.

        Raises:
            SampleUnreadable: the content is not what the first step takes, or holds NaN.
        """
        value = raw
        for step in self.steps:
            settings = {k: v for k, v in step.items() if k not in ("step", "version")}
            value = STEPS[step["step"]].run(value, **settings)
        # Looked at here, as a ReLU turns NaN into 0 and hides it from the check of features.
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise SampleUnreadable("it holds NaN or infinity")
        return value

    def describe(self) -> list[str]:
        """The pipeline in words, a line a step."""
        return [STEPS[step["step"]].describe(step) for step in self.steps]


@dataclass(frozen=True)
class StepKind:
    """A kind of step: its version, its settings with their defaults, and what it does."""

    version: int
    defaults: dict[str, Any]
    run: Step
    words: str

    def describe(self, step: dict[str, Any]) -> str:
        return self.words.format(**step)


def _decode_image(
    raw: Any, *, channels: int, background: Sequence[int], orientation: str
) -> np.ndarray:
    """Image bytes, or an array of shape (height, width[, channels]), as uint8 pixels.

    The colours are those of `keras.utils.load_img`; transparent pixels, which it shows in
    whatever colour lies hidden beneath, are composited on `background`.
    """
    from PIL import Image, ImageOps

    if isinstance(raw, np.ndarray):
        image = _image_from_array(raw, Image)
    else:
        try:
            image = Image.open(io.BytesIO(raw))
            image.load()
        except Exception as error:  # Pillow raises many kinds, struct.error among them
            raise SampleUnreadable(f"not a readable image ({first_line(error)})") from error
    if orientation == "exif":
        image = ImageOps.exif_transpose(image)
    mode = "L" if channels == 1 else "RGB"
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):  # 16-bit greyscale, which Pillow clips
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray((wide >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        canvas = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(canvas, image.convert("RGBA"))
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels[..., None] if channels == 1 else pixels


def _image_from_array(array: np.ndarray, image_module: Any) -> Any:
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (3, 4))
    if array.dtype != np.uint8 or not is_image:
        raise SampleUnreadable(
            f"an array of shape {array.shape} and dtype {array.dtype} is not an image",
            hint="Images are uint8 of shape (height, width[, 1, 3 or 4]); for other arrays add "
            "the backbone with --preprocess array.",
        )
    return image_module.fromarray(array)


def _centre_crop(pixels: np.ndarray, *, fraction: float) -> np.ndarray:
    """The centre square whose side is `fraction` of the shorter side."""
    height, width = pixels.shape[:2]
    side = max(1, round(fraction * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _resize(pixels: np.ndarray, *, height: int, width: int, method: str) -> np.ndarray:
    """Pillow's resize: what `keras.utils.load_img(target_size=…, interpolation=method)` does."""
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    grey = pixels.shape[-1] == 1
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    resized = np.asarray(image.resize((width, height), Image.Resampling[method.upper()]))
    return resized[..., None] if grey else resized


def _normalize(pixels: np.ndarray, *, mode: str) -> np.ndarray:
    """`keras.applications.imagenet_utils.preprocess_input` in numpy, bit for bit."""
    x = np.array(pixels, dtype=np.float32)
    if mode == "tf":
        x /= 127.5
        x -= 1.0
        return x
    if mode == "torch":
        x /= 255.0
        mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    else:
        x = x[..., ::-1]
        mean, std = [103.939, 116.779, 123.68], [1.0, 1.0, 1.0]
    for channel in range(3):
        x[..., channel] -= mean[channel]
        x[..., channel] /= std[channel]
    return np.ascontiguousarray(x)


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
            hint="Give the preprocessing for images with `backbone add --preprocess`.",
        )
    fits = len(raw.shape) == len(shape) and all(
        want is None or have == want for have, want in zip(raw.shape, shape, strict=True)
    )
    if not fits:
        raise SampleUnreadable(f"an array of shape {raw.shape}, the backbone takes {tuple(shape)}")
    return raw


def _cast(value: np.ndarray, *, dtype: str) -> np.ndarray:
    return np.ascontiguousarray(value, dtype=dtype)


STEPS: dict[str, StepKind] = {
    "decode_image": StepKind(
        1,
        {"channels": 3, "background": [255, 255, 255], "orientation": "ignore"},
        _decode_image,
        "decode the image to {channels} channel(s) of 0..255; transparency on colour "
        "{background}; EXIF orientation: {orientation}",
    ),
    "centre_crop": StepKind(
        1, {"fraction": 0.875}, _centre_crop, "crop the centre square, {fraction:.1%} of the side"
    ),
    "resize": StepKind(
        1,
        {"height": DEFAULT_SIZE, "width": DEFAULT_SIZE, "method": "bilinear"},
        _resize,
        "resize to {height} x {width}, {method} with antialiasing (Pillow)",
    ),
    "normalize": StepKind(
        1, {"mode": None}, _normalize, "normalize as keras.applications does, mode {mode!r}"
    ),
    "rescale": StepKind(
        1, {"scale": 1.0, "offset": 0.0}, _rescale, "multiply by {scale:.6g}, add {offset:g}"
    ),
    "standardize": StepKind(
        1, {"mean": 0.0, "std": 1.0}, _standardize, "subtract {mean}, divide by {std}"
    ),
    "array": StepKind(1, {"shape": []}, _array, "take an array of shape {shape}"),
    "cast": StepKind(1, {"dtype": "float32"}, _cast, "as {dtype}"),
}

METHODS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1 << 16


def _is_number(value: Any) -> bool:
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain and bool(np.isfinite(value))


def _is_number_or_list(value: Any) -> bool:
    return _is_number(value) or (
        isinstance(value, list) and bool(value) and all(_is_number(item) for item in value)
    )


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(item, int) and 0 <= item <= 255 for item in value)
    )


def _is_divisor(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return _is_number_or_list(value) and all(item > 0 for item in items)


RULES: dict[tuple[str, str], tuple[str, Callable[[Any], bool]]] = {
    ("decode_image", "channels"): ("1 or 3", lambda v: v in (1, 3) and _is_count(v)),
    ("decode_image", "background"): ("three numbers of 0 to 255", _is_colour),
    ("decode_image", "orientation"): ("ignore or exif", lambda v: v in ("ignore", "exif")),
    ("centre_crop", "fraction"): ("above 0, at most 1", lambda v: _is_number(v) and 0 < v <= 1),
    ("resize", "height"): ("a number of pixels", _is_count),
    ("resize", "width"): ("a number of pixels", _is_count),
    ("resize", "method"): (f"one of {', '.join(METHODS)}", lambda v: v in METHODS),
    ("normalize", "mode"): ("caffe, tf or torch", lambda v: v in ("caffe", "tf", "torch")),
    ("rescale", "scale"): ("a number", _is_number),
    ("rescale", "offset"): ("a number", _is_number),
    ("standardize", "mean"): ("a number, or one a channel", _is_number_or_list),
    ("standardize", "std"): ("a number above 0, or one a channel", _is_divisor),
    ("array", "shape"): ("a list of sizes", lambda v: isinstance(v, list)),
    ("cast", "dtype"): (
        "float32, int32, int64 or uint8",
        lambda v: v in ("float32", "int32", "int64", "uint8"),
    ),
}


def _checked_step(step: Any, where: str) -> dict[str, Any]:
    name = step.get("step") if isinstance(step, dict) else None
    if name not in STEPS:
        raise PreprocessingError(
            f"{where}: no step {name!r}",
            hint=nearest(str(name), STEPS) or f"The steps are {', '.join(STEPS)}.",
        )
    kind = STEPS[name]
    for field in step:
        if field not in ("step", "version", *kind.defaults):
            raise PreprocessingError(
                f"{where}: {name} has no setting {field!r}",
                hint=nearest(field, kind.defaults) or f"It has {', '.join(kind.defaults)}.",
            )
    if step.get("version", kind.version) != kind.version:
        raise PreprocessingError(
            f"{where}: {name} version {step['version']}; this code has version {kind.version}"
        )
    full = {"step": name, "version": kind.version, **kind.defaults, **step}
    for field in kind.defaults:
        words, is_valid = RULES[name, field]
        if not is_valid(full[field]):
            raise PreprocessingError(f"{where}: {field} is {full[field]!r}, it must be {words}")
    return full


MODES = {
    "raw": [],
    "unit": [{"step": "rescale", "scale": 1 / 255, "offset": 0.0}],
    "tf": [{"step": "normalize", "mode": "tf"}],
    "torch": [{"step": "normalize", "mode": "torch"}],
    "caffe": [{"step": "normalize", "mode": "caffe"}],
}
"""What happens to pixels of 0..255: nothing, /255, or one of keras.applications' three modes."""


def image_pipeline(
    mode: str, height: int, width: int, channels: int = 3, method: str = "bilinear"
) -> Preprocessing:
    """Decode, resize and normalize images by one of `MODES`."""
    return Preprocessing.from_json(
        {
            "steps": [
                {"step": "decode_image", "channels": channels},
                {"step": "resize", "height": height, "width": width, "method": method},
                *MODES[mode],
                {"step": "cast", "dtype": "float32"},
            ]
        }
    )


def array_pipeline(shape: Sequence[int | None], dtype: str) -> Preprocessing:
    """Take arrays as they are."""
    return Preprocessing.from_json(
        {"steps": [{"step": "array", "shape": list(shape)}, {"step": "cast", "dtype": dtype}]}
    )


def for_input(shape: Sequence[int | None], dtype: str, mode: str | None) -> Preprocessing:
    """The pipeline for an input of this shape (without the batch dimension).

    Args:
        shape: such as (224, 224, 3); open sizes become 224.
        dtype: the input's dtype.
        mode: one of `MODES` for images, `array`, or None: images go in raw, the rest as arrays.

    Raises:
        PreprocessingError: there is no such mode, or it does not fit the input.
    """
    is_image = len(shape) == 3 and shape[-1] in (1, 3)
    if mode == "array" or (mode is None and not is_image):
        return array_pipeline(shape, dtype)
    if mode is not None and mode not in MODES:
        raise PreprocessingError(
            f"no preprocessing mode or file {mode!r}",
            hint=f"The modes are {', '.join([*MODES, 'array'])}; a file ends in .json or .toml.",
        )
    if not is_image:
        raise PreprocessingError(
            f"mode {mode!r} is for images, the backbone's input has shape {tuple(shape)}",
            hint="Leave --preprocess out to take arrays as they are.",
        )
    height, width = (size or DEFAULT_SIZE for size in shape[:2])
    channels = shape[2] or 3
    if channels == 1 and mode in ("torch", "caffe"):
        raise PreprocessingError(f"mode {mode!r} needs 3 channels, the backbone's input has 1")
    return image_pipeline(mode or "raw", height, width, channels)


def read_file(path: Path) -> Preprocessing:
    """A pipeline from a JSON or TOML file.

    Raises:
        PreprocessingError: the file is missing or is not a valid specification.
    """
    try:
        text = path.read_text(encoding="utf-8")
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise PreprocessingError(f"no preprocessing file {path}") from None
    except (OSError, ValueError) as error:
        raise PreprocessingError(f"cannot read {path}: {first_line(error)}") from error
    return Preprocessing.from_json(value, where=str(path))
