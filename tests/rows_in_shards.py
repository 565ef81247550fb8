"""A view of rows in some small shards, and what may be done to these."""

import numpy as np
import pytest

from headstart.storage.encoding import Encoding
from headstart.storage.index import Index
from headstart.storage.keys import digest_of_bytes
from headstart.storage.manifest import Sample
from headstart.storage.row_reader import RowReader
from headstart.storage.shards import format as shard_format
from headstart.storage.shards.shard import write_shard
from headstart.storage.views import FeatureView

KEY, ROWS = "ab" * 32, 900


def view_of(store, shape, encoding=None):
    """Rows of a shape in three shards, in chunks of 64, and the same as an array."""
    encoding = encoding or Encoding("float32", "float32")
    width = int(np.prod(shape)) * np.dtype(encoding.dtype).itemsize
    features = np.random.default_rng(0).standard_normal((ROWS, *shape)).astype(encoding.dtype)
    digests = [digest_of_bytes(b"%d" % n) for n in range(ROWS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_format, "CHUNK_BYTES", 64 * width)
        written = [
            write_shard(store, KEY, digests[part], features[part], {}, encoding)
            for part in (slice(0, 300), slice(300, 301), slice(301, ROWS))
        ]
    index = Index.of(written)
    order = np.random.default_rng(1).permutation(ROWS)
    samples = [Sample(str(n), digests[n], int(n % 2), "train", int(n)) for n in order]
    return FeatureView(KEY, index, samples, RowReader(store, index, encoding, shape)), features[
        order
    ]


def path_in(view, store, number=2):
    return store.path_of(view._reader._shards[number].file.name)


def damage(path, view, number=2):
    """Change one byte of the first chunk."""
    content = bytearray(path.read_bytes())
    content[int(view._reader._shards[number].layout.offsets[0]) + 5] ^= 1
    path.write_bytes(content)
