"""Feature sets are copied between workspaces, of folders and of buckets."""

import numpy as np
import pytest
from rotten import forget_here, rot_features

import headstart as hs
from headstart.errors import FeatureError, NotFound

PLAIN = hs.Settings(engine="tensorflow")


def moved(ws, place, with_rows, **options):
    """A new workspace with the features of another one."""
    made = hs.init(place, **options)
    report = ws.cache.sync(place)
    return made, report


def register(ws, source):
    ws.backbones.add("flat", source.parent / "flat.keras", preprocess="array")
    ws.datasets.add("rows", source.parent / "rows.npz")


def test_a_workspace_is_moved_to_a_bucket_and_back_and_nothing_is_computed(
    rows, tmp_path, with_rows, own_bucket
):
    expected = rows.features("flat@as_it_is", "rows").to_numpy()
    cloud, there = moved(rows, tmp_path / "cloud", with_rows, store=own_bucket)
    assert (there.shards, there.rows, there.reused, there.damaged) == (1, 240, 0, [])
    back, again = moved(cloud, tmp_path / "back", with_rows)
    assert (again.shards, again.rows) == (1, 240)
    for ws in (cloud, back):
        register(ws, with_rows)
        view = ws.extract("flat@as_it_is", "rows", settings=PLAIN)
        assert (view.report.computed, view.report.reused) == (0, 240)
        np.testing.assert_array_equal(view.to_numpy(), expected)


def test_what_is_there_is_not_copied_again_whatever_shards_it_lies_in(rows, tmp_path, with_rows):
    other, first = moved(rows, tmp_path / "other", with_rows)
    assert first.shards == 1
    second = rows.cache.sync(tmp_path / "other")
    assert (second.shards, second.reused) == (0, 1)
    (key,) = second.feature_keys
    back = other.cache.sync(rows.config.root, [key[:8]])
    assert (back.shards, back.reused) == (0, 1)


def test_a_damaged_shard_is_not_copied_and_said(rows, tmp_path, with_rows, run):
    (shard,) = rows.config.features.rglob("*.h5")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    hs.init(tmp_path / "other")
    done = run("features", "sync", tmp_path / "other")
    assert done.code == 1
    assert "is not what was committed" in done.err and "damaged shards: 1" in done.err
    assert "1 feature set: 0 shards copied" in done.out


def test_what_is_there_in_other_shards_and_rotten_is_copied(rows, tmp_path, with_rows):
    expected = rows.features("flat@as_it_is", "rows").to_numpy()
    store = tmp_path / "store"
    cloud = hs.init(tmp_path / "cloud", store=f"file://{store}")
    register(cloud, with_rows)
    small = hs.Settings(engine="tensorflow", batch_size=60, commit_seconds=0)
    cloud.extract("flat@as_it_is", "rows", settings=small)
    assert len(rot_features(store)) > 1
    forget_here(cloud)
    report = rows.cache.sync(cloud.config.root)
    assert (report.shards, report.rows, report.reused) == (1, 240, 0)
    found = hs.open(cloud.config.root).features("flat@as_it_is", "rows")
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_what_cannot_be_synced_is_said(rows, tmp_path, fails):
    with pytest.raises(FeatureError, match="is this very workspace"):
        rows.cache.sync(rows.config.root)
    hs.init(tmp_path / "other")
    with pytest.raises(NotFound, match="no feature key begins with 'ffff'"):
        rows.cache.sync(tmp_path / "other", ["ffff"])
    said = fails("features", "sync", tmp_path / "nowhere")
    assert f"no workspace in {tmp_path / 'nowhere'} to copy to" in said
    assert f"`headstart --workspace {tmp_path / 'nowhere'} init`" in said


def test_a_workspace_in_a_bucket_is_backed_up_and_restored_into_a_folder(
    rows, tmp_path, with_rows, own_bucket
):
    cloud, _ = moved(rows, tmp_path / "cloud", with_rows, store=own_bucket)
    register(cloud, with_rows)
    cloud.heads.train("h", cloud.features("flat@as_it_is", "rows"), hs.Linear(strengths=1.0))
    for folder in ("artifacts", "manifests"):  # what is not here is fetched
        for file in (cloud.config.root / folder).rglob("*.*"):
            file.unlink()
    done = cloud.backup(tmp_path / "copy", features=True)
    assert done.missing == ()
    back = hs.restore(tmp_path / "copy", tmp_path / "back")
    assert back.config.store is None and back.context.bucket is None
    assert back.heads.get("h").reproduce().agrees
    assert back.verify("flat@as_it_is", "rows", rows=1, full=True).corrupt == 0
