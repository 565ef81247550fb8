"""`.npy` and `.npz` files: what their headers say, before anything is unpacked.

A header states an array's shape and type. What it takes in memory is computed from that, has to be
what the file holds, and has to be bearable: a megabyte of well-packed zeros is a gigabyte in
memory, and a few bytes can claim terabytes.
"""

from __future__ import annotations

import lzma
import math
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from headstart.errors import DatasetError, first_line
from headstart.storage.files import BLOCK
from headstart.storage.memory import free_memory

SUFFIX = ".npy"
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What is raised by reading a file that is damaged, encrypted, or packed in an unknown way."""
LOCAL = b"PK\x03\x04"
LOCAL_HEADER = struct.Struct("<26xHH")
"""What stands before a member: it ends with the lengths of its name and of what is added to it.
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT"""
ENCRYPTED = 1
SHARE = 0.5
"""Of the memory that is free: what arrays and the list of their rows may take."""
ROW_BYTES = 600
"""Of a sample in a manifest in memory, about: its id, its digest, what Python adds."""
LARGEST_PACKING = 100
"""So many times smaller a compressed array may be, if it is large: real data are 2 to 20 times."""
MOST_ARRAYS = 10_000
"""Of one archive: each has a header that is read."""
ROWS_OF_NOTHING = 1 << 20
"""So many rows may be packed however well: they are listed in some seconds."""
SMALL = 1 << 28
"""Bytes up to which it may be packed however well: masks and one-hot rows nearly vanish."""


@dataclass(frozen=True)
class Header:
    """What a `.npy` file says of its array; `start` is where the numbers begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    start: int

    @property
    def size(self) -> int:
        """Bytes of the array, in Python's integers, which do not overflow."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1


def read_header(file: IO[bytes], size: int, where: str) -> Header:
    """The header at the beginning of a `.npy` file, which then stands behind it.

    Args:
        file: the file, or a member of an archive.
        size: bytes of all of it.
        where: what it is called in errors.

    Raises:
        DatasetError: it does not fit to what follows, or the array is one of objects.
        ValueError: it is no header.
    """
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"its header has version {version}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a file of old takes longer to read
            shape, is_fortran, dtype = readers[version](file)
    except (TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(f"its header is damaged: {first_line(error)}") from error
    except (SyntaxError, TokenError, MemoryError, RecursionError) as error:
        # Of Python's parser, which has another word for it in each version.
        raise ValueError("its header is damaged") from error
    header = Header(shape, dtype, is_fortran, file.tell())
    if dtype.hasobject:
        raise DatasetError(
            f"{where} holds Python objects",
            hint="Save numbers or texts with np.savez(x=…, y=…); object arrays are refused.",
        )
    if not dtype.itemsize or 0 in shape[1:]:
        raise DatasetError(
            f"{where} holds {dtype} of shape {shape}: its rows hold nothing", hint="Leave it out."
        )
    if any(length < 0 for length in shape) or header.size != size - header.start:
        raise DatasetError(
            f"{where} is damaged: its header says {header.size:,} bytes, the file has "
            f"{size - header.start:,}",
            hint="Save it again.",
        )
    return header


def map_array(file: IO[bytes], path: Path) -> np.ndarray:
    """The array of a `.npy` file, read from disk where it is looked at.

    Raises:
        DatasetError, ValueError: as `read_header`.
    """
    header = read_header(file, path.stat().st_size, str(path))
    order = "F" if header.is_fortran else "C"
    if not header.size:
        return np.empty(header.shape, header.dtype, order)
    return with_letters(np.memmap(file, header.dtype, "r", header.start, header.shape, order), path)


def with_letters(array: np.ndarray, where: object) -> np.ndarray:
    """The array, found to hold letters if it is one of texts: NumPy fails at numbers that are none.

    Raises:
        DatasetError: it does not.
    """
    if array.dtype.kind == "U" and array.dtype.itemsize and array.size:
        numbers = np.ascontiguousarray(array).view(f"{array.dtype.byteorder}u4")
        if numbers.max() > sys.maxunicode:
            raise DatasetError(
                f"{where} holds texts with the letter number {numbers.max():,}, which is none",
                hint="It is damaged; save it again.",
            )
    return array


def refuse_alike(rows: int, packed: int, what: str) -> None:
    """Refuse more rows than there are bytes: that many rows that differ take more.

    Args:
        rows: how many are claimed.
        packed: bytes of the file.
        what: it is, for the message.

    Raises:
        DatasetError: there are, and more than `ROWS_OF_NOTHING`.
    """
    if rows > ROWS_OF_NOTHING and rows > packed:
        raise DatasetError(
            f"{what}: {rows:,} rows in {packed:,} bytes; more than {ROWS_OF_NOTHING:,} rows have "
            "to take a byte each",
            hint="If so many equal rows are meant, save them without compression and dictionaries.",
        )


def refuse_expanded(size: int, packed: int, what: str) -> None:
    """Refuse contents that are far larger in sum than the file that they come of: a value that
    lies there once can be that of a million rows.

    Args:
        size: bytes of the contents so far.
        packed: bytes of the file.
        what: it is, for the message.

    Raises:
        DatasetError: they are.
    """
    if size > SMALL and size > LARGEST_PACKING * packed:
        raise DatasetError(
            f"{what}: its rows hold more than {LARGEST_PACKING} times the whole file, "
            f"{packed:,} bytes",
            hint="If so many equal rows are meant, save them without compression and dictionaries.",
        )


class Archive:
    """The arrays of an `.npz`.

    Attributes:
        names: of its arrays, in its order.

    Args:
        file: opened.
        path: what it is called in errors.

    Raises:
        zipfile.BadZipFile: it is no archive.
        DatasetError: it is one of very many arrays.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._path, self._file = path, file
        self._size = path.stat().st_size
        self._zip = zipfile.ZipFile(file)
        members = [info for info in self._zip.infolist() if info.filename.endswith(SUFFIX)]
        if len(members) > MOST_ARRAYS:
            raise DatasetError(
                f"{path} holds {len(members):,} arrays, more than {MOST_ARRAYS:,}",
                hint="Save the samples as one array, a row each.",
            )
        self._members = {info.filename.removesuffix(SUFFIX): info for info in members}
        self.names = list(self._members)

    def header(self, name: str) -> Header:
        """What an array's header says.

        Raises:
            DatasetError, ValueError: as `read_header`.
        """
        with self.open(name) as member:
            return read_header(member, self._members[name].file_size, f"{name} in {self._path}")

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(self._members[name])

    def check(self, names: Iterable[str], rows_of: Iterable[str] = ()) -> None:
        """See that arrays can be read, each and all together; those that are not compressed are
        never in memory as a whole.

        Args:
            names: of the arrays.
            rows_of: those whose rows will be samples.

        Raises:
            DatasetError: they are packed too well to be data, or take too much memory.
        """
        headers = {name: self.header(name) for name in names}
        self.check_packing(headers)
        total = sum(one.size for name, one in headers.items() if self.is_packed(name))
        rows_of = list(rows_of)
        for name in rows_of:
            refuse_alike(headers[name].rows, self._size, f"{name} in {self._path}")
        rows = sum(headers[name].rows for name in rows_of)
        refuse_large(total + rows * ROW_BYTES, f"{', '.join(headers)} in {self._path}")

    def check_packing(self, headers: Mapping[str, Header]) -> None:
        """See that arrays are not packed too well to be data; headers by their names.

        Raises:
            DatasetError: they are.
        """
        for name, header in headers.items():
            self._refuse_packed(name, header.size, self._members[name].compress_size)
        total = sum(header.size for header in headers.values())
        self._refuse_packed(" and ".join(headers), total, self._size)

    def is_packed(self, name: str) -> bool:
        """Whether an array is compressed, and has to be unpacked to be read."""
        info = self._members[name]
        return info.compress_type != zipfile.ZIP_STORED or bool(info.flag_bits & ENCRYPTED)

    def read(self, name: str) -> np.ndarray:
        """An array: in memory if it is compressed, else read from disk where it is looked at."""
        if not self.is_packed(name) and (header := self.header(name)).size:
            return self._mapped(name, header)
        with self.open(name) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
        return with_letters(array, f"{name} in {self._path}")

    def _mapped(self, name: str, header: Header) -> np.ndarray:
        """An array that lies in the file as it is, after its checksum was found right.

        Raises:
            zipfile.BadZipFile: it is damaged.
        """
        info = self._members[name]
        self._file.seek(info.header_offset)
        local = self._file.read(LOCAL_HEADER.size)
        if len(local) < LOCAL_HEADER.size or not local.startswith(LOCAL):
            raise zipfile.BadZipFile(f"{name} has no header")
        start = info.header_offset + len(local) + sum(LOCAL_HEADER.unpack(local))
        self._file.seek(start)
        left, checksum = info.file_size, 0
        while left and (block := self._file.read(min(left, BLOCK))):
            left, checksum = left - len(block), zlib.crc32(block, checksum)
        if left or checksum != info.CRC:
            raise zipfile.BadZipFile(f"bad checksum of {name}")
        order = "F" if header.is_fortran else "C"
        array = np.memmap(self._file, header.dtype, "r", start + header.start, header.shape, order)
        return with_letters(array, f"{name} in {self._path}")

    def _refuse_packed(self, what: str, size: int, packed: int) -> None:
        if size > SMALL and size > LARGEST_PACKING * min(packed, self._size):
            raise DatasetError(
                f"{self._path}: {what} takes {size / 1e9:,.1f} GB once it is unpacked, more than "
                f"{LARGEST_PACKING} times its size in the file",
                hint="If that is meant, save it with np.savez, which does not compress.",
            )


def refuse_large(size: int, what: str) -> None:
    """Refuse what does not fit into memory.

    Raises:
        DatasetError: it takes more than `SHARE` of what is free.
    """
    free = free_memory()
    if size > SHARE * free:
        raise DatasetError(
            f"{what}: {size / 1e6:,.1f} MB in memory are more than half of the {free / 1e6:,.1f} "
            "MB that are free",
            hint="Save large arrays as .npy, or with np.savez, which does not compress: they are "
            "read where they lie; or in several files.",
        )
