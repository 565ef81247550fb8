"""Identity: canonical JSON, digests of samples, feature keys. Never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

DIGEST_BYTES = 32
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8; NaN is refused.

    Raises:
        ValueError: the value holds NaN or infinity.
        TypeError: the value holds something that JSON has no form for.
    """
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")  # half a letter is as it is


def fingerprint(kind: str, value: Any) -> str:
    """sha256 over the canonical JSON of `value`, in hex; `kind` keeps different things apart."""
    return hashlib.sha256(kind.encode() + b"\0" + canonical_json(value)).hexdigest()


def feature_key(
    trunk_fingerprint: str, preprocessing_fingerprint: str, precision: str, view: int
) -> str:
    """The name of a feature set: whatever changes a number changes this."""
    return fingerprint(
        "headstart.feature-key/1",
        {
            "trunk": trunk_fingerprint,
            "preprocessing": preprocessing_fingerprint,
            "precision": precision,
            "view": view,
        },
    )


def digest_of_bytes(content: bytes) -> str:
    """Digest of a file's or a text's raw bytes; what `sha256sum` prints."""
    return hashlib.sha256(content).hexdigest()


def digest_of_array(array: np.ndarray) -> str:
    """Digest of an array's dtype, shape and bytes (C order, little endian)."""
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    # The string of a dtype from ml_dtypes says only how wide it is.
    dtype = array.dtype.name if array.dtype.kind == "V" else array.dtype.str
    digest = hashlib.sha256(f"array\0{dtype}\0{array.shape}\0".encode())
    digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class Digested:
    """Raw content that knows its digest, as it is a part of what was digested before.

    Attributes:
        digest: of it.
    """

    digest: str


def digest_of(raw: Any) -> str:
    """Digest of a sample's raw content: bytes, an array, those by name, or a window."""
    if isinstance(raw, Digested):
        return raw.digest
    if isinstance(raw, Mapping):
        parts = {name: digest_of(value) for name, value in raw.items()}
        return fingerprint("headstart.sample/1", parts)
    return digest_of_bytes(raw) if isinstance(raw, bytes) else digest_of_array(raw)


def pack_digests(digests: list[str]) -> np.ndarray:
    """Hex digests as an array of shape (n, 32) and dtype uint8."""
    packed = np.frombuffer(bytes.fromhex("".join(digests)), dtype=np.uint8)
    return packed.reshape(len(digests), DIGEST_BYTES)


def unpack_digests(packed: np.ndarray) -> list[str]:
    """The inverse of `pack_digests`."""
    text = packed.tobytes().hex()
    width = 2 * DIGEST_BYTES
    return [text[start : start + width] for start in range(0, len(text), width)]
