"""Reading a PyTorch `state_dict` without PyTorch, by an unpickler that builds nothing else.

The file is PyTorch's format from before 1.6: five pickles (magic number, protocol, machine, the
state dict, the storage keys), then each storage as a 64-bit count and its raw numbers; see
`_legacy_load` in https://github.com/pytorch/pytorch/blob/main/torch/serialization.py. A tensor is
a view of a storage by offset, shape and strides. The strides matter: a transposed tensor read as
if it were contiguous loads without complaint and holds rubbish.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from headstart.errors import ModelFileError, ModelFileMissing, first_line

MAGIC = 0x1950A86A20F9469CFC6C
"""With which files of `torch.save` before 1.6 begin: MAGIC_NUMBER in torch/serialization.py."""
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
}


@dataclass
class _Storage:
    dtype: np.dtype
    count: int
    data: np.ndarray | None = None


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_numpy(self) -> np.ndarray:
        data = self.storage.data
        reach = self.offset + sum(
            (n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)
        )
        if (
            data is None
            or self.offset < 0
            or min(self.strides, default=0) < 0
            or reach >= len(data)
        ):
            raise ModelFileError("a tensor reaches outside its storage")
        strides = [step * data.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, strides)
        return np.ascontiguousarray(view)


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a legacy PyTorch weights file, by name, as contiguous arrays.

    Raises:
        ModelFileError: the file is missing, damaged, of another kind, or asks for any code.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        raise ModelFileMissing(f"no weights file {path}") from None
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (
        pickle.UnpicklingError,
        EOFError,
        struct.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        OSError,
    ) as error:
        raise ModelFileError(
            f"{path} is not a readable PyTorch weights file ({first_line(error)})"
        ) from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    if _Plain(file).load() != MAGIC:
        raise ModelFileError("not a PyTorch weights file of the format before 1.6")
    _Plain(file).load()  # the protocol
    machine = _Plain(file).load()
    if not machine.get("little_endian", False):
        raise ModelFileError("written on a big-endian machine, which is not supported")
    unpickler = _StateDict(file)
    tensors = unpickler.load()
    for key in _Plain(file).load():
        storage = unpickler.storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise ModelFileError(f"storage {key} has {count} numbers, not {storage.count}")
        content = file.read(count * storage.dtype.itemsize)
        storage.data = np.frombuffer(content, storage.dtype)
    return {name: value.to_numpy() for name, value in tensors.items() if isinstance(value, _Tensor)}


class _Plain(pickle.Unpickler):
    """An unpickler for numbers, texts, lists and dicts: no name is ever looked up."""

    def find_class(self, module: str, name: str) -> Any:
        raise ModelFileError(f"the file asks for {module}.{name}, which is refused")


class _StateDict(_Plain):
    """Knows four names, all of them ours."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in DTYPES:
            return name
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _location, count, view = pid
        if kind != "storage" or view is not None:
            raise ModelFileError(f"a storage of kind {kind!r} is not supported")
        return self.storages.setdefault(key, _Storage(np.dtype(DTYPES[storage_type]), count))


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))
