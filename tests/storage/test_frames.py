"""Features as tables of Arrow and pandas, and row by row for PyTorch."""

import importlib.machinery
import importlib.util
import multiprocessing
import pickle
import sys

import numpy as np
import pytest

from headstart.errors import FeatureError, HeadstartError
from headstart.storage.exports.frames import TorchRows


@pytest.fixture
def view(ready):
    return ready.extract("net", "pics")


def test_a_view_is_an_arrow_table(view):
    table = view.to_arrow()
    assert table.column_names == ["id", "label", "split", "group", "features"]
    assert table["id"].to_pylist() == view.ids and table["label"].to_pylist() == view.labels
    assert table["split"].to_pylist() == [sample.split for sample in view.samples]
    np.testing.assert_array_equal(np.stack(table["features"].to_numpy()), view.to_numpy())
    assert table.schema.metadata[b"headstart.key"] == view.key.encode()


def test_a_view_is_a_data_frame(view):
    frame = view.to_pandas()
    assert list(frame)[:4] == ["id", "label", "split", "group"]
    assert list(frame)[4:] == [f"f{n}" for n in range(8)]
    np.testing.assert_array_equal(frame[[f"f{n}" for n in range(8)]], view.to_numpy())
    assert list(frame["label"]) == view.labels and len(frame) == 36
    assert len(view.split("test").to_pandas()) == len(view.split("test"))


def test_weights_are_a_column_where_samples_have_some(ready, tmp_path):
    rng = np.random.default_rng(0)
    pixels, w = rng.integers(0, 256, (12, 12, 12, 3), dtype=np.uint8), np.linspace(0.5, 2, 12)
    np.savez(tmp_path / "d.npz", x=pixels, y=np.arange(12) % 3, w=w)
    ready.datasets.add("weighed", tmp_path / "d.npz", weight_column="w")
    view = ready.extract("net", "weighed")
    assert view.to_arrow()["weight"].to_pylist() == list(view.to_pandas()["weight"]) == w.tolist()


def test_of_maps_there_is_one_column(ready):
    view = ready.extract("net@conv", "pics")
    frame = view.to_pandas()
    assert list(frame) == ["id", "label", "split", "group", "features"]
    assert frame["features"][3].shape == view.shape[1:] == (12, 12, 6)
    table = view.to_arrow()
    assert table.schema.metadata[b"headstart.shape"] == b"[12, 12, 6]"
    flat = np.stack(table["features"].to_numpy()).reshape(view.shape)
    np.testing.assert_array_equal(flat, view.to_numpy())


def test_numbers_that_others_do_not_know_become_float32(ready):
    from headstart.extractors.run.settings import Settings

    view = ready.extract("net", "pics", settings=Settings(storage="bfloat16"))
    assert str(view.to_arrow()["features"].type.value_type) == "float"
    assert view.to_pandas()["f0"].dtype == np.float32
    assert TorchRows(view)[0][0].dtype == np.float32


def test_unlabelled_samples_have_no_label_in_tables(ready, pictures):
    ready.datasets.add("flat", pictures / "red")
    view = ready.extract("net", "flat")
    assert view.to_arrow()["label"].null_count == len(view) == 12
    assert view.to_pandas()["label"].isna().all()
    np.testing.assert_array_equal(TorchRows(view)[-1], view[-1])
    assert TorchRows(view).classes == ()


def test_rows_are_what_a_loader_asks_for(view):
    rows = TorchRows(view)
    assert len(rows) == 36 and rows.classes == ("blue", "green", "red")
    for number in (0, 35, -1):
        features, target = rows[number]
        np.testing.assert_array_equal(features, view[number])
        assert isinstance(target, int) and rows.classes[target] == view.labels[number]
    batch = rows.__getitems__([3, 1])
    np.testing.assert_array_equal(np.stack([one for one, _ in batch]), view[[3, 1]])
    with pytest.raises(IndexError):
        rows[36]


def test_a_worker_opens_the_view_anew(view):
    rows = TorchRows(view)
    assert rows[0][1] in (0, 1, 2)  # now its files are open here
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (found,) = pool.map(rows.__getitem__, [7])
    np.testing.assert_array_equal(found[0], view[7])
    again = pickle.loads(pickle.dumps(rows))
    again._process = -1  # as a fork finds it
    np.testing.assert_array_equal(again[7][0], view[7])
    assert again._view is not view


def test_without_pytorch_it_is_said(view, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FeatureError, match=r"package torch, which is not installed. pip install"):
        view.to_torch()


def test_with_pytorch_there_it_is_given(view, monkeypatch):
    spec = importlib.machinery.ModuleSpec("torch", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert len(view.to_torch()) == 36


def test_a_real_loader_takes_it(view):
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(view.to_torch(), batch_size=10, num_workers=2)
    features = np.concatenate([batch.numpy() for batch, _ in loader])
    np.testing.assert_array_equal(features, view.to_numpy())


def test_without_pandas_it_is_said(view, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(HeadstartError, match="to_arrow gives the same without it"):
        view.to_pandas()
