"""Steps for images: decode, crop, resize, normalize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headstart.errors import SampleUnreadable, first_line
from headstart.extractors.preprocessing.steps.kinds import (
    Setting,
    StepKind,
    is_count,
    is_number,
    is_text_of,
)
from headstart.extractors.preprocessing.steps.pictures import open_picture

DEFAULT_SIZE = 224
CHANNEL_MEANS = {"torch": (0.485, 0.456, 0.406), "caffe": (103.939, 116.779, 123.68)}
CHANNEL_STDS = {"torch": (0.229, 0.224, 0.225), "caffe": (1.0, 1.0, 1.0)}
"""Of ImageNet, as `keras.applications.imagenet_utils` has them; RGB and BGR."""
METHODS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")


def _decode_image(
    raw: Any, *, channels: int, background: Sequence[int], orientation: str
) -> np.ndarray:
    """Image bytes, or an array of shape (height, width[, channels]), as uint8 pixels."""
    return _to_pixels(open_image(raw, channels, background, orientation))


def _decode_reduced(
    raw: Any, *, channels: int, background: Sequence[int], orientation: str, side: int
) -> np.ndarray:
    """As `_decode_image`, but a large JPEG is decoded at a fraction of its size."""
    return _to_pixels(open_image(raw, channels, background, orientation, side))


def decode_and_resize(steps: Sequence[dict[str, Any]]) -> Callable[[Any], np.ndarray]:
    """The steps `decode_image`, `centre_crop` and `resize`, one after the other, as one function.

    The same pixels, without an array made of the whole picture in between: that takes a third of
    the time.
    """
    from PIL import Image

    decode, *crops, resize = steps
    least = decode.get("side")
    size = (resize["width"], resize["height"])
    method = Image.Resampling[resize["method"].upper()]

    def run(raw: Any) -> np.ndarray:
        image = open_image(
            raw, decode["channels"], decode["background"], decode["orientation"], least
        )
        for crop in crops:
            image = image.crop(_centre(image.height, image.width, crop["fraction"]))
        return _to_pixels(image if image.size == size else image.resize(size, method))

    return run


def _to_pixels(image: Any) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def open_image(
    raw: Any,
    channels: int,
    background: Sequence[int],
    orientation: str,
    least: int | None = None,
) -> Any:
    """A picture of mode L or RGB; a JPEG at a half, a quarter or an eighth of its size where both
    sides stay at least `least` pixels.

    The colours are those of `keras.utils.load_img`; transparent pixels, which it shows in
    whatever colour lies hidden beneath, are composited on `background`.
    """
    from PIL import Image

    if isinstance(raw, np.ndarray):
        image = _image_from_array(raw, Image)
    else:
        image = open_picture(raw, least)
    try:
        return _as_shown(image, "L" if channels == 1 else "RGB", background, orientation)
    except Exception as error:  # of its EXIF or palette, which Pillow reads only now
        raise SampleUnreadable(f"not a readable image ({first_line(error)})") from error


def _as_shown(image: Any, mode: str, background: Sequence[int], orientation: str) -> Any:
    """The picture in a mode, turned as its EXIF says, without transparency."""
    from PIL import Image, ImageOps

    if orientation == "exif":
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):  # 16-bit greyscale, which Pillow clips
        upper = np.asarray(image) >> 8
        image = Image.fromarray(upper.clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        canvas = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(canvas, image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)


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
    left, top, right, bottom = _centre(pixels.shape[0], pixels.shape[1], fraction)
    return pixels[top:bottom, left:right]


def _centre(height: int, width: int, fraction: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the centre square."""
    side = max(1, round(fraction * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    return left, top, left + side, top + side


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
    else:
        x = x[..., ::-1]
    for channel in range(3):
        x[..., channel] -= CHANNEL_MEANS[mode][channel]
        x[..., channel] /= CHANNEL_STDS[mode][channel]
    return np.ascontiguousarray(x)


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(item, int) and 0 <= item <= 255 for item in value)
    )


_DECODING: dict[str, Setting] = {
    "channels": (3, "1 or 3", lambda v: v in (1, 3) and is_count(v)),
    "background": ([255, 255, 255], "three numbers of 0 to 255", _is_colour),
    "orientation": ("ignore", "ignore or exif", is_text_of("ignore", "exif")),
}

DECODERS = ("decode_image", "decode_reduced")

STEPS = {
    "decode_reduced": StepKind(
        version=1,
        settings={
            **_DECODING,
            "side": (2 * DEFAULT_SIZE, "a number of pixels", is_count),
        },
        run=_decode_reduced,
        words="decode the image to {channels} channel(s) of 0..255, a JPEG at 1/2, 1/4 or 1/8 of "
        "its size where both sides stay at least {side}; transparency on colour {background}; EXIF "
        "orientation: {orientation}",
    ),
    "decode_image": StepKind(
        version=1,
        settings=_DECODING,
        run=_decode_image,
        words="decode the image to {channels} channel(s) of 0..255; transparency on colour "
        "{background}; EXIF orientation: {orientation}",
    ),
    "centre_crop": StepKind(
        version=1,
        settings={"fraction": (0.875, "above 0, at most 1", lambda v: is_number(v) and 0 < v <= 1)},
        run=_centre_crop,
        words="crop the centre square, {fraction:.1%} of the side",
    ),
    "resize": StepKind(
        version=1,
        settings={
            "height": (DEFAULT_SIZE, "a number of pixels", is_count),
            "width": (DEFAULT_SIZE, "a number of pixels", is_count),
            "method": ("bilinear", f"one of {', '.join(METHODS)}", is_text_of(*METHODS)),
        },
        run=_resize,
        words="resize to {height} x {width}, {method} with antialiasing (Pillow)",
    ),
    "normalize": StepKind(
        version=1,
        settings={"mode": (None, "caffe, tf or torch", is_text_of("caffe", "tf", "torch"))},
        run=_normalize,
        words="normalize as keras.applications does, mode {mode!r}",
    ),
}
