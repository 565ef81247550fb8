"""Workspaces of earlier versions, real ones, and those of versions to come."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import headstart as hs
from conftest import rows_in
from headstart.errors import SchemaOutdated, SchemaTooNew, ShardDamaged
from headstart.registry import schema
from headstart.storage.index import Places
from headstart.storage.shards.shard import find_shard

ASSETS = Path(__file__).parent.parent / "assets" / "workspaces"
OLD = sorted(path.name for path in ASSETS.iterdir())


@pytest.fixture(params=OLD)
def old(request, tmp_path):
    """A copy of a workspace as the code of that schema left it, in the place of `ws`."""
    return shutil.copytree(ASSETS / request.param, tmp_path / "zoo")


def expected_of(workspace: Path) -> dict[str, np.ndarray]:
    with np.load(workspace / "expected.npz") as file:
        return dict(file)


def test_there_is_one_of_every_schema_but_this_codes():
    assert list(schema.KNOWN[:-1]) == OLD


def test_an_old_workspace_asks_for_an_upgrade_and_then_serves_what_it_had(
    old, run, fails, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # apart from what others were killed in
    expected = expected_of(old)
    with pytest.raises(SchemaOutdated, match="headstart db upgrade"):
        hs.open(old)
    assert "headstart db upgrade" in fails("features", "list")
    assert run("db", "upgrade").code == 0
    ws = hs.open(old)
    view = ws.features("net", "pics")
    assert view.ids == expected["ids"].tolist()
    np.testing.assert_array_equal(view.to_numpy(), expected["features"])
    report = ws.extract("net@features,relu|gap", "pics").report
    assert (report.computed, report.reused) == (0, 12)
    assert ws.heads.get("colours").record.dataset == "pics"
    assert run("features", "show", view.key[:8]).code == 0
    assert ws.cache.find_garbage() == []
    view = None
    assert ws.cache.compact() == (6, 2)
    np.testing.assert_array_equal(ws.features("net", "pics").to_numpy(), expected["features"])


def test_shards_of_an_old_workspace_without_its_database_come_back(old, run):
    expected = expected_of(old)
    (old / "headstart.db").unlink()
    assert run("db", "upgrade").code == 0
    assert run("features", "reindex", "--json").json["added"] == 6
    ws = hs.open(old)
    assert rows_in(ws) == 24
    (features,) = (one for one in ws.context.feature_sets.find_sets() if one.cut == "features")
    assert (features.dtype, features.storage, features.shape) == ("float32", "float32", (8,))
    index = ws.context.cache().open_index(features.key)
    rows = np.empty((12, 8), np.float32)
    shard = np.repeat(np.arange(3), [one.file.rows for one in index.shards])
    row = np.concatenate([np.arange(one.file.rows) for one in index.shards])
    ws.context.cache().open_reader(features, index).read(Places(shard, row), rows)
    assert sorted(rows.tolist()) == sorted(expected["features"].tolist())


def test_a_workspace_of_newer_code_is_refused_and_left_alone(ready, fails):
    ready.extract("net", "pics")
    with sqlite3.connect(ready.config.sqlite_file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    with pytest.raises(SchemaTooNew, match="Upgrade headstart"):
        hs.open(ready.config.root)
    for line in ("features list", "features gc --apply", "features reindex", "db upgrade"):
        assert "newer than this code" in fails(*line.split())
    assert len(list(ready.config.features.rglob("*.h5"))) == 1


def test_a_shard_of_a_newer_format_is_left_alone(ready):
    ready.extract("net", "pics")
    (path,) = ready.config.features.rglob("*.h5")
    with h5py.File(path, "a") as shard:
        shard.attrs["format_version"] = "2"
    newer = path.rename(path.with_name("newer.h5"))
    with pytest.raises(ShardDamaged, match=r"this code reads headstart\.shard 1\. Upgrade"):
        find_shard(ready.context.shard_store, newer.relative_to(ready.config.features).as_posix())
    assert len(ready.cache.reindex().damaged) == 1
    assert newer.exists()
