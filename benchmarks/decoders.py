"""Pillow against other decoders: which give the same pixels, and how long each takes.

    python benchmarks/decoders.py [LIBTURBOJPEG.so]

Prints two tables. Needs simplejpeg, PyTurboJPEG and imagecodecs, those of them that are installed.
Seconds of the processor, one thread, in turn; a picture is decoded and resized to 224 x 224, as an
extraction does, since only that tells what another decoder is worth.
"""

from __future__ import annotations

import importlib
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

Decoder = Callable[[bytes], np.ndarray]
SIZES = ((1, 1), (7, 13), (8, 8), (17, 16), (99, 101), (333, 501), (500, 375))
QUALITIES = (30, 75, 95)
KINDS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "progressive 4:2:0": {"subsampling": 2, "progressive": True},
    "progressive 4:4:4": {"subsampling": 0, "progressive": True},
    "restarts": {"restart_marker_rows": 1},
}
REPEATS = 15


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Something like a photograph: soft shapes, and noise on them."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(2, height // 40), max(2, width // 40), 3), np.uint8)
    soft = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    noise = rng.normal(0, 6, soft.shape)
    return Image.fromarray((soft + noise).clip(0, 255).astype(np.uint8))


def jpegs() -> Iterator[tuple[str, bytes]]:
    """Files of all kinds that a JPEG can be."""
    for width, height in SIZES:
        picture = photograph(width, height, width)
        for quality in QUALITIES:
            for name, settings in KINDS.items():
                yield name, _saved(picture, "JPEG", quality=quality, **settings)
            yield "grey", _saved(picture.convert("L"), "JPEG", quality=quality)
            yield "CMYK", _saved(picture.convert("CMYK"), "JPEG", quality=quality)
            exif = Image.Exif()
            exif[0x0112] = 6
            yield "turned by EXIF", _saved(picture, "JPEG", quality=quality, exif=exif)
    whole = _saved(photograph(333, 501), "JPEG", quality=90)
    yield "cut off", whole[: len(whole) // 2]


def _saved(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def pillow(content: bytes) -> np.ndarray:
    """As Headstart decodes, without what it checks."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def decoders(library: str | None) -> dict[str, dict[str, Decoder]]:
    """By kind of file, those that are installed."""
    found: dict[str, dict[str, Decoder]] = {"JPEG": {}, "PNG": {}, "WEBP": {}}
    if one := _module("simplejpeg"):
        found["JPEG"]["simplejpeg"] = lambda content: one.decode_jpeg(content, "RGB")
    if turbo := _module("turbojpeg"):
        made = turbo.TurboJPEG(library) if library else turbo.TurboJPEG()
        found["JPEG"]["PyTurboJPEG"] = lambda content: made.decode(content, turbo.TJPF_RGB)
    if codecs := _module("imagecodecs"):
        found["JPEG"]["imagecodecs"] = lambda content: codecs.jpeg8_decode(content, outcolorspace=2)
        found["PNG"]["imagecodecs"] = codecs.png_decode
        found["PNG"]["imagecodecs, spng"] = codecs.spng_decode
        found["WEBP"]["imagecodecs"] = codecs.webp_decode
    return found


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def equality(found: dict[str, Decoder]) -> Iterator[tuple[str, ...]]:
    """A row a kind of JPEG: of how many files the pixels are Pillow's, by each decoder."""
    told: dict[str, dict[str, list[str]]] = {}
    for kind, content in jpegs():
        try:
            expected = pillow(content)
        except OSError:
            expected = None
        for name, decode in found.items():
            try:
                pixels = decode(content)
            except Exception:  # they raise many kinds
                pixels = None
            told.setdefault(kind, {}).setdefault(name, []).append(_verdict(expected, pixels))
    for kind, each in told.items():
        yield (kind, *(_counted(each[name]) for name in found))


def _verdict(expected: np.ndarray | None, pixels: np.ndarray | None) -> str:
    if expected is None or pixels is None:
        return "both refuse" if expected is pixels else "one refuses"
    if expected.shape != pixels.shape:
        return "another shape"
    return "equal" if np.array_equal(expected, pixels) else "other pixels"


def _counted(verdicts: list[str]) -> str:
    return ", ".join(f"{verdicts.count(one)} {one}" for one in sorted(set(verdicts)))


def speeds(found: dict[str, dict[str, Decoder]]) -> Iterator[tuple[str, ...]]:
    """A row a kind of file, size and decoder: milliseconds, and of how many Pillow takes."""
    for width, height in ((500, 375), (4000, 3000)):
        picture = photograph(width, height)
        for kind, others in found.items():
            content = _saved(picture, kind, quality=90)
            ways: dict[str, Callable[[], object]] = {"Pillow": lambda c=content: _small(c)}
            ways |= {
                name: lambda d=decode, c=content: _resized(d(c)[..., :3])
                for name, decode in others.items()
            }
            if kind == "JPEG":
                ways["Pillow, decode_reduced"] = lambda c=content: _small(c, 448)
            took = _in_turn(ways, REPEATS if width < 1000 else 5)
            for name, each in took.items():
                pairs = [one / other for one, other in zip(took["Pillow"], each, strict=True)]
                middle = 1000 * statistics.median(each)
                ratio = f"{statistics.median(pairs):.2f}x"
                yield (f"{kind} {width} x {height}", name, f"{middle:.2f} ms", ratio)


def _small(content: bytes, least: int | None = None) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    if least:
        image.draft(None, (least, least))
    image = image if image.mode == "RGB" else image.convert("RGB")
    return np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR))


def _resized(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR))


def _in_turn(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        for name, work in ways.items():
            started = time.process_time()
            work()
            if number:
                took[name].append(time.process_time() - started)
    return took


def _print(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    for cells in (columns, ("---",) * len(columns), *rows):
        print(f"| {' | '.join(cells)} |")
    print()


if __name__ == "__main__":
    every = decoders(*sys.argv[1:2] or (None,))
    _print(("JPEG", *every["JPEG"]), equality(every["JPEG"]))
    _print(("file", "decoder", "takes", "Pillow takes"), speeds(every))
