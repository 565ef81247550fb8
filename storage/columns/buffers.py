"""From lists and NumPy's arrays to Arrow's and back, by their buffers.

`pyarrow.array`, `Array.to_numpy` and `pyarrow.scalar` import pandas where it is installed, to ask
whether they were given something of its: half a second, of every command that reads a manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

LONGEST_TEXTS = (1 << 31) - 1
"""Bytes that the texts of one array of type `string` may have together."""


def numbers_array(numbers: np.ndarray, is_there: np.ndarray | None = None) -> pa.Array:
    """Numbers (n,) as a column; those of which `is_there`, bool (n,), is false are null."""
    content = pa.py_buffer(np.ascontiguousarray(numbers))
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [_mask(is_there), content])


def texts_array(texts: Sequence[str | None]) -> pa.Array:
    """Texts as a column; None is null.

    Raises:
        UnicodeEncodeError: one holds half a letter.
        OverflowError: they are longer than `LONGEST_TEXTS` together.
    """
    is_there, known = None, texts
    if None in texts:
        is_there, known = np.array([one is not None for one in texts]), [one or "" for one in texts]
    lengths, content = _written(known)  # pyright: ignore[reportArgumentType]
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    if ends[-1] > LONGEST_TEXTS:
        raise OverflowError(f"the texts of one column have {int(ends[-1]):,} bytes")
    return pa.StringArray.from_buffers(
        len(lengths), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(content), _mask(is_there)
    )


def _written(texts: Sequence[str]) -> tuple[list[int], bytes]:
    """How many bytes each text has, and all of them; joined first, as that is a third of the time
    where all are ASCII."""
    whole = "".join(texts)
    if whole.isascii():
        return list(map(len, texts)), whole.encode()
    written = list(map(str.encode, texts))
    return list(map(len, written)), b"".join(written)


def lists_array(lists: Sequence[Sequence[int]]) -> pa.Array:
    """Lists of integers as a column.

    Raises:
        OverflowError: an integer has more than 64 bits.
    """
    ends = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(list(map(len, lists)), out=ends[1:])
    values = np.fromiter(chain.from_iterable(lists), np.int64, int(ends[-1]))
    return pa.ListArray.from_arrays(numbers_array(ends), numbers_array(values))


def numbers_in(array: pa.Array, null: int | None = None) -> np.ndarray:
    """The numbers of a column, (n,).

    Args:
        array: of numbers.
        null: what stands where there is none; not copied, and anything there, without it.
    """
    kind = np.dtype(array.type.to_pandas_dtype())
    if not len(array):
        return np.empty(0, kind)
    found = np.frombuffer(array.buffers()[1], kind, array.offset + len(array))[array.offset :]
    if null is None or not array.null_count:
        return found
    return np.where(are_there(array), found, kind.type(null))


def bools_in(array: pa.Array) -> np.ndarray:
    """The values of a column of type `bool`, (n,); anything where there is none."""
    if not len(array):
        return np.empty(0, bool)
    bits = np.unpackbits(np.frombuffer(array.buffers()[1], np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(bool)


def are_equal(one: pa.Array, other: pa.Array) -> np.ndarray:
    """Which values of two columns of one type are the same, or null in both, bool (n,)."""
    if one.equals(other):  # as most are of what nobody has changed
        return np.ones(len(one), bool)
    is_one, is_other = are_there(one), are_there(other)
    return (is_one == is_other) & (~is_one | bools_in(called("equal", one, other)))


def called(name: str, *columns: Any, options: Any = None) -> Any:
    """What a function of Arrow's gives. `pyarrow.compute`, which methods of columns import as well,
    makes a function of Python for each of them: a tenth of a second, which a refresh saves."""
    from pyarrow._compute import call_function

    return call_function(name, [*columns], options)


def places_in(array: pa.Array, texts: Sequence[str | None]) -> np.ndarray:
    """Where in some different texts each of a column without nulls stands, int32; -1 where it does
    not. None is no text."""
    from pyarrow._compute import SetLookupOptions

    known = [text for text in texts if text is not None]
    numbers = np.array([*(n for n, text in enumerate(texts) if text is not None), -1], np.int32)
    found = called("index_in", array, options=SetLookupOptions(texts_array(known)))
    return numbers[numbers_in(found, null=-1)]


def chosen(texts: Sequence[str], places: np.ndarray) -> pa.Array:
    """The text at each of some places, (n,), as a column; places below 0 count from the end."""
    rows = np.where(places < 0, places + len(texts), places).astype(np.int64)
    return called("take", texts_array(texts), numbers_array(rows))


def hex_texts(content: np.ndarray) -> pa.Array:
    """Bytes, uint8, shape (n, width), as a column of texts in hex."""
    rows, width = content.shape
    pairs = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
    ends = np.arange(rows + 1, dtype=np.int32) * np.int32(2 * width)
    return pa.StringArray.from_buffers(
        rows, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(pairs[content]))
    )


def joined_texts(*columns: pa.Array) -> pa.Array:
    """Texts of several columns without nulls, those of a row one behind the other.

    Raises:
        pa.ArrowCapacityError: they are longer than `LONGEST_TEXTS` together.
    """
    between = chosen([""], np.zeros(len(columns[0]), np.int64))
    return called("binary_join_element_wise", *columns, between)


def bytes_in(array: pa.Array) -> np.ndarray:
    """The bytes of all texts of a column of type `string`, one behind the other, uint8; not
    copied."""
    _, ends, content = array.buffers()
    if not len(array) or content is None:
        return np.empty(0, np.uint8)
    places = np.frombuffer(ends, np.int32, array.offset + len(array) + 1)[array.offset :]
    return np.frombuffer(content, np.uint8)[places[0] : places[-1]]


def are_there(array: pa.Array) -> np.ndarray:
    """Which values of a column are not null, bool (n,)."""
    mask = array.buffers()[0]
    if mask is None or not array.null_count:
        return np.full(len(array), array.type != pa.null())
    bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(bool)


def texts_in(array: pa.Array) -> list[Any]:
    """The texts of a column of type `string`, None where there is none."""
    if array.null_count == len(array):
        return [None] * len(array)
    _, ends, content = array.buffers()
    count = array.offset + len(array) + 1
    places = np.frombuffer(ends, np.int32, count)[array.offset :].tolist()
    first = places[0]
    whole = b"" if content is None else bytes(memoryview(content)[first : places[-1]])
    if whole.isascii():  # a place is a letter's, then, and all are read at once
        letters = whole.decode()
        texts: list[Any] = [letters[start - first : end - first] for start, end in pairwise(places)]
    else:
        texts = [whole[start - first : end - first].decode() for start, end in pairwise(places)]
    if array.null_count:
        for row in np.flatnonzero(~are_there(array)).tolist():
            texts[row] = None
    return texts


def _mask(is_there: np.ndarray | None) -> Any:
    if is_there is None or is_there.all():
        return None
    return pa.py_buffer(np.packbits(is_there, bitorder="little"))
