"""What a sample is, as the digest of a dataset has it: a line each."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from headstart.storage.columns.block import Block
from headstart.storage.columns.buffers import (
    are_there,
    bytes_in,
    chosen,
    hex_texts,
    joined_texts,
    numbers_in,
    texts_array,
)
from headstart.storage.keys import canonical_json
from headstart.storage.samples import SPLITS

LINES, LONGEST_LINES = 4096, 1 << 28
"""Samples that are spelled out at a time, and letters of their labels and groups, about."""


def identities(block: Block) -> Iterator[np.ndarray]:
    """A line a sample: id, digest, label, split, group and weight as `canonical_json` spells their
    list; the bytes of some lines at a time."""
    text = json.encoder.encode_basestring  # what it calls itself, at a tenth of the time
    labels = [*(f'",{canonical_json(one).decode()},' for one in block.label_values), '",null,']
    splits = [f'"{split}"' for split in SPLITS]
    weights, of_weights = _spelled_weights(block)
    end = "" if weights else "]\n"
    groups = [*(f",{text(one)}{end}" for one in block.group_values), end]
    longest = max(map(len, labels)) + max(map(len, groups))
    step = max(1, min(LINES, LONGEST_LINES // longest))
    for start in range(0, len(block), step):
        some = block.slice(start, start + step)
        ids = some.full("id")
        if _is_escaped(ids):
            ids = texts_array([text(one)[1:-1] for one in some.ids])
        each = np.zeros(len(some), np.int8)
        columns = (
            chosen(['["'], each),
            ids,
            chosen(['","'], each),
            hex_texts(some.digests),
            chosen(labels, some.label_codes),
            chosen(splits, some.split_codes),
            chosen(groups, some.group_codes),
            *([chosen(weights, of_weights[start : start + step])] if weights else []),
        )
        yield bytes_in(joined_texts(*columns))


def _spelled_weights(block: Block) -> tuple[list[str], np.ndarray]:
    """The ends of lines with a weight, and which of them each sample has, int32; none where nothing
    is said of weights."""
    if (column := block.column("weight")) is None:
        return [], np.empty(0, np.int32)
    values, codes = np.unique(numbers_in(column), return_inverse=True)
    texts = [f",{canonical_json(one).decode()}]\n" for one in values.tolist()]
    return [*texts, "]\n"], np.where(are_there(column), codes, -1).astype(np.int32)


def _is_escaped(texts: pa.Array) -> bool:
    """Whether some of them are spelled otherwise in JSON."""
    content = bytes_in(texts)
    return bool(((content < ord(" ")) | (content == ord('"')) | (content == ord("\\"))).any())
