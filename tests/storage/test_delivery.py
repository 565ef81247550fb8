"""A bundle's files are not taken back where rows may name them."""

import pytest

import headstart as hs
from headstart.errors import DatabaseGone, FeatureError
from headstart.jobs.backbones.import_bundle import _taken_back

KEY = "ab" * 32


@pytest.mark.parametrize(("error", "stays"), [(DatabaseGone, True), (FeatureError, False)])
def test_shards_stay_where_nobody_knows_whether_they_were_committed(tmp_path, error, stays):
    ws = hs.init(tmp_path / "zoo")
    name, _ = ws.context.shard_store.create(KEY, memoryview(b"rows"), "0123abcd")
    with pytest.raises(error), _taken_back(ws.context) as placed:
        placed.shards.append((KEY, name))
        raise error("the database no longer answers")
    assert (ws.config.features / name).exists() == stays
