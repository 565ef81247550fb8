"""An attached model as a file of any format; each is loaded again and compared."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import AlreadyExists, HeadError, InvalidHeadSetting, first_line
from headstart.extractors.backbones.sources.archive import save_model
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.runtime import keras, quiet, tensorflow
from headstart.storage.files import make_folder
from headstart.storage.manifest import Label

FORMATS = {".keras": "keras", "": "tf_saved_model", ".onnx": "onnx", ".tflite": "litert"}
"""By the suffix of what is written; a SavedModel is a folder."""
BESIDE = (".json", ".md")
"""Suffixes of what is written beside it: what it is, for programs and for people."""
PROBABILITIES = "probabilities"
WITH_TEXTS = ("keras", "tf_saved_model")
"""Formats whose models can give names."""
PACKAGES = {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}


def format_of(path: Path) -> str:
    """The format that a name stands for.

    Raises:
        InvalidHeadSetting: none.
        HeadError: the packages for it are not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise InvalidHeadSetting(
            f"cannot save as {path}",
            hint="Give a name that ends in .keras, .onnx or .tflite, or one without a dot for a "
            "SavedModel's folder.",
        )
    chosen = FORMATS[path.suffix.lower()]
    if chosen == "tf_saved_model" and path.exists() and not (path / "saved_model.pb").is_file():
        raise HeadError(f"{path} is there, and no SavedModel", hint="Give another name.")
    for package in PACKAGES.get(chosen, ()):
        if importlib.util.find_spec(package) is None:  # tf2onnx brings TensorFlow, loudly
            raise HeadError(
                f"{package} is not installed", hint=f"pip install 'headstart[{chosen}]'"
            )
    return chosen


def check_free(path: Path, *, overwrite: bool) -> None:
    """See that a model, and what is written beside it, are written over nothing unasked.

    Args:
        path: where it is to be saved.
        overwrite: whether something may be there.

    Raises:
        AlreadyExists: something is.
    """
    place = path.expanduser()
    there = [one for one in (place, *map(place.with_suffix, BESIDE)) if one.exists()]
    if there and not overwrite:
        names, verb = " and ".join(map(str, there)), "is" if len(there) == 1 else "are"
        raise AlreadyExists(f"{names} {verb} there", hint="Give another name, or overwrite=True.")


def with_pixels(model: Any, affine: Affine, shape: tuple[int, ...]) -> Any:
    """The model with the arithmetic of its preprocessing inside: uint8 pixels go in.

    Args:
        model: of one input, an image.
        affine: what the pipeline does to the pixels.
        shape: of one image, (height, width, channels).
    """
    k = keras()
    pixels = k.Input(shape, dtype="uint8", name="pixels")
    return k.Model(pixels, model(scaled(pixels, affine, "scaling")), name=model.name)


def scaled(pixels: Any, affine: Affine, name: str) -> Any:
    """Pixels as a network takes them, of a symbolic tensor of uint8 ones."""
    k = keras()
    x = k.ops.cast(pixels, "float32")
    if affine.is_reversed:
        x = k.ops.flip(x, axis=-1)
    return k.layers.Rescaling(affine.scale.tolist(), affine.offset.tolist(), name=name)(x)


def with_labels(model: Any, classes: Sequence[Label], *, is_median: bool = False) -> Any:
    """The model with the class's name, a string, as a second output: `label` beside
    `probabilities`. The names are stored in it.

    Args:
        model: that gives class probabilities.
        classes: the label of each.
        is_median: name the class in the middle of the probabilities, not the likeliest.
    """
    k = keras()
    names = k.layers.StringLookup(
        vocabulary=[str(label) for label in classes], invert=True, num_oov_indices=0, name="names"
    )
    best = k.ops.argmax(model.output, axis=-1)
    if is_median:
        below = k.ops.cumsum(model.output, axis=-1)[:, :-1]
        best = k.ops.sum(k.ops.cast(below < 0.5, "int64"), axis=-1)
    outputs = {PROBABILITIES: model.output, "label": names(best)}
    return k.Model(model.input, outputs, name=model.name)


def write_checked(
    model: Any,
    target: Path,
    inputs: Batch,
    compare: Callable[[np.ndarray], float],
    classes: Sequence[Label] = (),
) -> float:
    """Write a model beside its place, load it again, compare, and only then move it there.

    Args:
        model: the model; what the target's name stands for is written.
        target: a file, or a SavedModel's folder.
        inputs: samples to compare with.
        compare: gives the difference of the loaded model's probabilities, or raises.
        classes: the label of each probability, for formats that have a place for it (ONNX).

    Returns:
        What `compare` gave.

    Raises:
        HeadError: the format, or its runtime, cannot do what the model does; nothing was written.
    """
    chosen = format_of(target)
    partial = target.with_name(f".{target.stem}.partial{target.suffix}")
    try:
        make_folder(target.absolute().parent)
        _remove(partial)
        difference = compare(_written_and_run(model, partial, chosen, inputs, classes))
        old = target.with_name(f".{target.name}.old")
        _remove(old)
        if target.is_dir():  # a folder cannot be replaced in one go
            target.replace(old)
        partial.replace(target)
        _remove(old)
    except OSError as error:
        raise HeadError(
            f"cannot write {target}: {error.strerror or first_line(error)}",
            hint="Name a place that can be written to.",
        ) from error
    finally:
        with contextlib.suppress(OSError):  # where nothing could be written nothing is left
            _remove(partial)
    return difference


def _written_and_run(
    model: Any, path: Path, chosen: str, inputs: Batch, classes: Sequence[Label]
) -> np.ndarray:
    try:
        _write(model, path, chosen)
        if chosen == "onnx":
            _write_classes(path, classes)
        return RUNNERS[chosen](path, inputs)
    except OSError:
        raise
    except Exception as error:  # converters and runtimes raise what they like
        raise HeadError(
            f"this model cannot be shipped as {chosen} ({first_line(error)})",
            hint="Save it as .keras or as a SavedModel.",
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(model: Any, path: Path, chosen: str) -> None:
    if chosen == "keras":
        save_model(model, path)
        return
    # Converters print, and warn of what they themselves call.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        model.export(path, format=chosen, verbose=False)


def _write_classes(path: Path, classes: Sequence[Label]) -> None:
    """Put the labels into an ONNX file's metadata, as a JSON list named `classes`."""
    import onnx

    model = onnx.load(str(path))
    entry = model.metadata_props.add()
    entry.key, entry.value = "classes", json.dumps(list(classes), ensure_ascii=False)
    onnx.save(model, str(path))


def _by_name(tensors: Any, inputs: Batch) -> dict[str, np.ndarray]:
    """Arrays by the names of the tensors that take them; converters put `:0` behind a name."""
    names = [str(tensor) for tensor in tensors]
    if not isinstance(inputs, dict):
        return {names[0]: inputs}
    plain = {
        name.rsplit("/", 1)[-1].partition(":")[0].removeprefix("serving_default_"): name
        for name in names
    }
    return {plain[name]: value for name, value in inputs.items() if name in plain}


def _run_keras(path: Path, inputs: Batch) -> np.ndarray:
    model = keras().models.load_model(path)
    if isinstance(inputs, dict):
        inputs = {tensor.name: inputs[tensor.name] for tensor in model.inputs}
    found = model.predict_on_batch(inputs)
    return np.asarray(found[PROBABILITIES] if isinstance(found, dict) else found)


def _run_saved_model(path: Path, inputs: Batch) -> np.ndarray:
    loaded = tensorflow().saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    names = signature.structured_input_signature[1]
    constant = tensorflow().constant
    fed = {name: constant(value) for name, value in _by_name(names, inputs).items()}
    found = signature(**fed)
    return (found[PROBABILITIES] if len(found) > 1 else next(iter(found.values()))).numpy()


def _run_onnx(path: Path, inputs: Batch) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    fed = _by_name([one.name for one in session.get_inputs()], inputs)
    return np.asarray(session.run(None, fed)[0])


def _run_litert(path: Path, inputs: Batch) -> np.ndarray:
    """A sample at a time: the file's batch is one unless it is resized."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():  # it says which delegate it made
        interpreter = Interpreter(str(path))
    tensors = {one["name"]: one["index"] for one in interpreter.get_input_details()}
    fed = _by_name(tensors, inputs)
    rows = len(next(iter(fed.values())))
    for name, value in fed.items():
        interpreter.resize_tensor_input(tensors[name], (1, *value.shape[1:]))
    with quiet():
        interpreter.allocate_tensors()
    (output,) = interpreter.get_output_details()
    found = []
    for row in range(rows):
        for name, value in fed.items():
            interpreter.set_tensor(tensors[name], value[row : row + 1])
        interpreter.invoke()
        found.append(interpreter.get_tensor(output["index"])[0].copy())
    return np.stack(found)


RUNNERS: dict[str, Callable[[Path, Batch], np.ndarray]] = {
    "keras": _run_keras,
    "tf_saved_model": _run_saved_model,
    "onnx": _run_onnx,
    "litert": _run_litert,
}
