"""A bundle's files are not taken back where rows may name them."""

import pytest

import headstart as hs
from headstart.errors import DatabaseGone, FeatureError
from headstart.jobs.backbones.import_bundle import _taken_back


@pytest.mark.parametrize(("error", "stays"), [(DatabaseGone, True), (FeatureError, False)])
def test_shards_stay_where_nobody_knows_whether_they_were_committed(tmp_path, error, stays):
    ws = hs.init(tmp_path / "zoo")
    shard = ws.config.features / "key" / "shard.h5"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(b"rows")
    with pytest.raises(error), _taken_back(ws.context) as placed:
        placed.shards.append(shard)
        raise error("the database no longer answers")
    assert shard.exists() == stays
