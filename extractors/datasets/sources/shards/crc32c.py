"""CRC-32C (Castagnoli), as TFRecord files have it, in numpy: RFC 3720, appendix B.4.

In the standard library there is only the other CRC-32. A crc is linear over bits: the message is
cut into lanes of 64 bytes, which go through the tables side by side, and lanes are joined two by
two, the left one moved on by the length of the right one.
"""

from __future__ import annotations

from functools import cache

import numpy as np

POLYNOMIAL = 0x82F63B78
"""Reversed: the lowest bit is the highest power."""
LANE, STEP = 64, 8
MASK = 0xA282EAD8
"""Of TFRecord: crcs of what holds crcs are masked (tensorflow/tsl/lib/hash/crc32c.h)."""


def crc32c(content: bytes) -> int:
    """The CRC-32C of some bytes; of `b"123456789"` it is 0xE3069283."""
    if len(content) < 4:
        crc = 0xFFFFFFFF
        for byte in content:
            crc = int(_tables()[0][(crc ^ byte) & 0xFF]) ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF
    count = 1 << max(0, -(-len(content) // LANE) - 1).bit_length()
    lanes = np.zeros(count * LANE, np.uint8)  # zeros in front change nothing of a crc of 0
    start = len(lanes) - len(content)
    lanes[start:] = np.frombuffer(content, np.uint8)
    lanes[start : start + 4] ^= 0xFF  # the crc that is begun with
    crcs = _crcs(lanes.reshape(count, LANE))
    level = 0
    while len(crcs) > 1:
        crcs = _moved(crcs[::2], level) ^ crcs[1::2]
        level += 1
    return int(crcs[0]) ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """As it is stored in a TFRecord file."""
    return (((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF


def _crcs(lanes: np.ndarray) -> np.ndarray:
    """The crc of each row, begun with 0; shape (n,), dtype uint32."""
    tables = _tables()
    crcs = np.zeros(len(lanes), np.uint32)
    for start in range(0, LANE, STEP):
        block = lanes[:, start : start + STEP]
        block = np.concatenate([block[:, :4] ^ _bytes(crcs), block[:, 4:]], axis=1)
        crcs = np.bitwise_xor.reduce([tables[STEP - 1 - n][block[:, n]] for n in range(STEP)])
    return crcs


def _moved(crcs: np.ndarray, level: int) -> np.ndarray:
    """Crcs as they are `LANE` times two to the `level` zeros later."""
    parts = _bytes(crcs)
    tables = _shifts(level)
    return np.bitwise_xor.reduce([tables[n][parts[:, n]] for n in range(4)])


def _bytes(crcs: np.ndarray) -> np.ndarray:
    """Their bytes, the lowest first, as rows."""
    return np.ascontiguousarray(crcs, "<u4").view(np.uint8).reshape(-1, 4)


@cache
def _tables() -> np.ndarray:
    """Of each byte the crc with 0 to 7 zeros behind it; shape (8, 256)."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, (first >> 1) ^ np.uint32(POLYNOMIAL), first >> 1)
    found = [first]
    for _ in range(STEP - 1):
        found.append((found[-1] >> 8) ^ first[found[-1] & 0xFF])
    return np.array(found, np.uint32)


@cache
def _shifts(level: int) -> np.ndarray:
    """Of each byte of a crc, at each of the four places, what it is `LANE` times two to the `level`
    zeros later; shape (4, 256)."""
    bytes_ = np.arange(256, dtype=np.uint32)
    now = np.array([bytes_ << (8 * place) for place in range(4)], np.uint32)
    if level:
        return np.array([_moved(_moved(row, level - 1), level - 1) for row in now])
    for _ in range(LANE):
        now = (now >> 8) ^ _tables()[0][now & 0xFF]
    return now
