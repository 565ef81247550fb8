"""Seeded samples for a backbone: what it is tried on where there are none of anybody's."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np

from headstart.extractors.backbones.graph import Graph, Ref
from headstart.extractors.preprocessing.batches import Batch, arrays, length, stack, take
from headstart.extractors.preprocessing.medium import MEDIA
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps.images import DECODERS

OPEN = 16
"""What a size that a backbone leaves open becomes."""
OPEN_SIDE = 224
"""What the side of a picture becomes: some networks have no place left of fewer pixels."""
SEED = 20_260
KEPT_SAMPLES, LEAST_SAMPLES = 8, 2
KEPT_BYTES = 16 << 20
"""Of samples that are kept with a converted trunk: eight pictures of 224 x 224 are 1.2 MB."""
BLOCKS = (1, 4, 16, 64)
"""Pixels in a row that are alike: noise alone says little of what pictures do to a network."""

Picture = Callable[["np.random.Generator", tuple[int, ...], int], np.ndarray]


def random_inputs(
    graph: Graph,
    preprocessing: Preprocessing,
    count: int,
    seed: int,
    picture: Picture | None = None,
) -> Batch:
    """Seeded samples that are fit for a backbone, preprocessed.

    Pictures of random pixels where it takes pictures; words where it takes text; token numbers
    below the Embedding's size where it takes integers, ones for masks; else normal deviates. Open
    sizes become 16, those of pictures 224.

    Args:
        graph: of the backbone.
        preprocessing: what the samples go through; `pixels` for an engine that does the rest.
        count: of the samples.
        seed: of their values.
        picture: gives the uint8 pixels of picture number n; plain noise without it.
    """
    rng = np.random.default_rng(seed)
    size = preprocessing.output_size or _size_taken(graph, preprocessing)
    if size is not None and picture is not None:
        pictures = [picture(rng, size, number) for number in range(count)]
        return stack([preprocessing.prepare(one) for one in pictures])
    if size is not None:
        noise = rng.integers(0, 256, (count, *size), dtype=np.uint8)
        return stack([preprocessing.prepare(one) for one in noise])
    if preprocessing.steps and MEDIA.get(preprocessing.steps[0]["step"]) == "texts":
        return stack([preprocessing.prepare(_random_text(rng)) for _ in range(count)])
    batch = {graph.node(ref).path: _random_array(graph, ref, count, rng) for ref in graph.inputs}
    return batch if len(batch) > 1 else next(iter(batch.values()))


def _size_taken(graph: Graph, preprocessing: Preprocessing) -> tuple[int, ...] | None:
    """The size of pictures for a preset's own converter, which brings them to any: the size that
    the backbone takes. None for other samples."""
    names = [step["step"] for step in preprocessing.steps]
    if len(names) < 2 or names[0] not in DECODERS or names[-1] != "kerashub":
        return None
    height, width, *_ = (*graph.tensor(graph.inputs[0]).shape[1:], None, None)
    return (height or OPEN_SIDE, width or OPEN_SIDE, preprocessing.steps[0]["channels"])


def kept_samples(graph: Graph, preprocessing: Preprocessing) -> Batch:
    """The samples that a converted trunk is checked on, as an engine takes them.

    The same in every process. Fewer than `KEPT_SAMPLES` where they are large.
    """
    batch = random_inputs(graph, preprocessing.pixels, KEPT_SAMPLES, SEED, _blocks)
    each = sum(array.nbytes for array in arrays(batch)) / length(batch)
    return take(batch, slice(0, max(LEAST_SAMPLES, int(KEPT_BYTES / max(each, 1)))))


def pack(samples: Batch, features: Sequence[np.ndarray]) -> bytes:
    """Samples and their features as one `.npz`.

    Raises:
        ValueError: they are Python objects, such as texts, which only pickle stores.
    """
    named = samples if isinstance(samples, dict) else {"": samples}
    stored = {f"sample {name}": array for name, array in named.items()}
    stored |= {f"feature {number}": array for number, array in enumerate(features)}
    if any(array.dtype.hasobject for array in stored.values()):
        raise ValueError("samples of Python objects are not kept")
    file = io.BytesIO()
    np.savez(file, **stored)  # type: ignore[arg-type]
    return file.getvalue()


def unpack(content: bytes) -> tuple[Batch, list[np.ndarray]]:
    """What `pack` was given."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        named = {k.removeprefix("sample "): stored[k] for k in stored if k.startswith("sample ")}
        count = len(stored) - len(named)
        features = [stored[f"feature {number}"] for number in range(count)]
    return named[""] if list(named) == [""] else named, features


def _blocks(rng: np.random.Generator, size: tuple[int, ...], number: int) -> np.ndarray:
    """Pixels in squares of one colour, of another size in each picture; some dark, some bright."""
    side = BLOCKS[number % len(BLOCKS)]
    height, width, channels = size
    small = rng.integers(0, 256, (-(-height // side), -(-width // side), channels), dtype=np.uint8)
    return np.kron(small, np.ones((side, side, 1), np.uint8))[:height, :width]


def _random_array(graph: Graph, ref: Ref, count: int, rng: np.random.Generator) -> np.ndarray:
    tensor = graph.tensor(ref)
    shape = (count, *(dimension or OPEN for dimension in tensor.shape[1:]))
    if tensor.dtype == "string":
        words = [_random_text(rng) for _ in range(int(np.prod(shape)))]
        return np.array(words, dtype=object).reshape(shape)
    if tensor.dtype == "bool" or "mask" in graph.node(ref).path:
        return np.ones(shape, tensor.dtype)
    if np.issubdtype(np.dtype(tensor.dtype), np.integer):
        return rng.integers(0, graph.vocabulary, shape).astype(tensor.dtype)
    return rng.standard_normal(shape).astype(tensor.dtype)


def _random_text(rng: np.random.Generator) -> bytes:
    letters = np.array(list("etaoin shrdlu"))
    return "".join(rng.choice(letters, rng.integers(20, 80))).encode()
