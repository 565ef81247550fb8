"""Which pipeline a backbone gets: what its source knows, what was asked for, or what fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.errors import PreprocessingError
from headstart.extractors.preprocessing.pipeline import Files, Preprocessing, read_file
from headstart.extractors.preprocessing.steps.images import DEFAULT_SIZE
from headstart.extractors.preprocessing.steps.texts import tokenizer_json
from headstart.storage.files import read_regular

AUDIO = "audio:"
TOKENS = 128
"""How many tokens a text becomes where the backbone leaves it open."""
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
        mode: one of `MODES` for images, `array`, `audio:RATE`, or None: images go in raw, texts
            as they are, the rest as arrays.

    Raises:
        PreprocessingError: there is no such mode, or it does not fit the input.
    """
    is_image = len(shape) == 3 and shape[-1] in (1, 3) and dtype != "string"
    if mode is None and dtype == "string":
        return Preprocessing.from_json({"steps": [{"step": "text", "axes": len(shape)}]})
    if mode == "array" or (mode is None and not is_image):
        return array_pipeline(shape, dtype)
    if mode is not None and mode.startswith(AUDIO):
        return _audio_pipeline(mode, shape)
    if mode is not None and mode not in MODES:
        raise PreprocessingError(
            f"no preprocessing mode or file {mode!r}",
            hint=f"The modes are {', '.join([*MODES, 'array', AUDIO + 'RATE'])}; a file ends in "
            ".json, .toml or .txt.",
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


def for_inputs(inputs: Sequence[dict[str, Any]], mode: str | None) -> Preprocessing:
    """The pipeline for a backbone's inputs, each with `name`, `shape` and `dtype`.

    A mode for images or sound is for the inputs that take such; the others take arrays.

    Raises:
        PreprocessingError: the mode fits none of them.
    """
    if len(inputs) == 1:
        return for_input(inputs[0]["shape"], inputs[0]["dtype"], mode)
    chains, fits = {}, mode in (None, "array")
    for tensor in inputs:
        try:
            pipeline = for_input(tensor["shape"], tensor["dtype"], mode)
            fits = True
        except PreprocessingError:
            pipeline = array_pipeline(tensor["shape"], tensor["dtype"])
        chains[tensor["name"]] = list(pipeline.steps)
    if not fits:
        for_input(inputs[0]["shape"], inputs[0]["dtype"], mode)  # says why
    return Preprocessing.from_json({"inputs": chains})


def from_given(inputs: Sequence[dict[str, Any]], given: str | None, files: Files) -> Preprocessing:
    """What `--preprocess` means: a mode, a pipeline's file, or a tokenizer's.

    Raises:
        PreprocessingError: the file cannot be read, or it does not fit the inputs.
    """
    path = Path(given or "")
    if path.suffix == ".toml":
        return read_file(path, files)
    if path.suffix == ".txt" or (path.suffix == ".json" and _is_tokenizer(path)):
        return tokens_pipeline(inputs, path, files)
    if path.suffix == ".json":
        return read_file(path, files)
    return for_inputs(inputs, given)


def tokens_pipeline(
    inputs: Sequence[dict[str, Any]], path: Path, files: Files, length: int | None = None
) -> Preprocessing:
    """Texts to the integer inputs of a backbone; which is which goes by their names."""
    try:
        content = tokenizer_json(read_regular(path), path.name)
    except OSError as error:
        raise PreprocessingError(f"cannot read {path}: {error.strerror or error}") from error
    sizes = [tensor["shape"][0] for tensor in inputs if len(tensor["shape"]) == 1]
    step = {
        "step": "tokenize",
        "tokenizer": files.keep(content),
        "length": length or next((size for size in sizes if size), TOKENS),
        "outputs": {tensor["name"]: _part_of(tensor["name"]) for tensor in inputs},
    }
    return Preprocessing.from_json({"steps": [step]}, files=files)


def _part_of(name: str) -> str:
    if "mask" in name:
        return "mask"
    return "types" if "segment" in name or "type" in name else "ids"


def _is_tokenizer(path: Path) -> bool:
    try:
        return b'"model"' in read_regular(path)
    except OSError:
        return False


def _audio_pipeline(mode: str, shape: Sequence[int | None]) -> Preprocessing:
    rate = mode.removeprefix(AUDIO)
    length = shape[0] if shape else None
    if not rate.isdecimal() or not length or any(size != 1 for size in shape[1:]):
        raise PreprocessingError(
            f"mode {mode!r} does not fit an input of shape {tuple(shape)}",
            hint="Write audio:16000 for an input of a fixed number of samples, or give a file "
            "with the steps decode_audio and window.",
        )
    steps: list[dict[str, Any]] = [
        {"step": "decode_audio", "rate": int(rate)},
        {"step": "window", "length": length},
    ]
    if len(shape) > 1:
        steps.append({"step": "reshape", "shape": list(shape)})
    return Preprocessing.from_json({"steps": steps})


def check_fits(pipeline: Preprocessing, inputs: Sequence[dict[str, Any]]) -> None:
    """Refuse a pipeline that cannot fit the backbone's inputs.

    Raises:
        PreprocessingError: images of another size, or other inputs than the backbone has.
    """
    names = [tensor["name"] for tensor in inputs]
    if pipeline.inputs and sorted(pipeline.inputs) != sorted(names):
        raise PreprocessingError(
            f"the preprocessing is for the inputs {', '.join(pipeline.inputs)}, the backbone has "
            f"{', '.join(names)}",
            hint="Name the inputs as `headstart backbone show` does.",
        )
    size = pipeline.output_size
    if size is None or len(inputs) != 1:
        return
    shape = inputs[0]["shape"]
    fits = len(size) == len(shape) and all(
        want is None or have == want for have, want in zip(size, shape, strict=True)
    )
    if not fits:
        raise PreprocessingError(
            f"the preprocessing gives images of shape {size}, the backbone takes {tuple(shape)}",
            hint="Change the resize step or the channels.",
        )
