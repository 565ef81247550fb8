"""What samples count: a column of a source, kept with them and part of the dataset's digest."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.errors import DatasetError, ManifestDamaged
from headstart.storage.manifest import Manifest
from headstart.storage.samples import Sample

ROWS = 30
W = np.linspace(0.5, 2, ROWS)
TEXTS = [f"word {n}" for n in range(ROWS)]
Y = ["ab"[n % 2] for n in range(ROWS)]
X = np.arange(ROWS * 2, dtype=np.float32).reshape(ROWS, 2)


def weights(ws, name="d"):
    return ws.datasets.manifest(name).columns.weights


def csv_of(path):
    path.write_text(pd.DataFrame({"text": TEXTS, "label": Y, "w": W}).to_csv(index=False))
    return path


def jsonl_of(path):
    rows = [{"text": t, "label": y, "w": w} for t, y, w in zip(TEXTS, Y, W.tolist(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def parquet_of(path):
    pq.write_table(pa.table({"text": TEXTS, "label": Y, "w": W}), path)
    return path


def npz_of(path):
    np.savez(path, x=X, y=Y, w=W)
    return path


MAKERS = {"t.csv": csv_of, "t.jsonl": jsonl_of, "t.parquet": parquet_of, "t.npz": npz_of}


@pytest.mark.parametrize("name", MAKERS)
def test_a_column_of_weights_is_kept_with_the_samples(ws, tmp_path, name):
    added = ws.datasets.add("d", MAKERS[name](tmp_path / name), weight_column="w")
    np.testing.assert_array_equal(weights(ws), W)
    assert ws.datasets.details("d").weights == {"least": 0.5, "largest": 2.0}
    assert added.options.get("unused", []) == []


MEMORY = {
    "arrays": (X, Y),
    "by name": ({"a": X, "b": X}, Y),
    "rows": (list(X), Y),
    "texts": (TEXTS, Y),
    "pairs": ([*zip(TEXTS, Y, strict=True)], None),
    "a frame": (pd.DataFrame({"text": TEXTS}), Y),
    "dicts": ([{"text": t, "label": y} for t, y in zip(TEXTS, Y, strict=True)], None),
}


@pytest.mark.parametrize("what", MEMORY)
def test_weights_are_given_beside_data_in_memory(ws, what):
    data, labels = MEMORY[what]
    ws.datasets.add("d", data, labels, weights=pd.Series(W))
    np.testing.assert_array_equal(weights(ws), W)


def test_members_of_splits_have_weights_of_their_own(ws, tmp_path):
    half = ROWS // 2
    np.savez(
        tmp_path / "a.npz",
        x_train=X[:half],
        y_train=Y[:half],
        sample_weight_train=W[:half],
        x_test=X[half:],
        y_test=Y[half:],
    )
    ws.datasets.add("d", tmp_path / "a.npz", weight_column="sample_weight")
    np.testing.assert_array_equal(weights(ws), [*W[:half], *np.ones(ROWS - half)])


def test_an_array_of_weights_that_is_not_asked_for_is_named(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y, sample_weight=W)
    with pytest.warns(UserWarning, match="--weight-column sample_weight has heads count samples"):
        ws.datasets.add("d", tmp_path / "a.npz")
    assert not ws.datasets.manifest("d").columns.has_weights


def test_a_changed_weight_is_a_new_version_that_changes_shows(ws, tmp_path):
    table = csv_of(tmp_path / "t.csv")
    before = ws.datasets.add("d", table, weight_column="w").digest
    with pytest.warns(UserWarning, match="not used: column .w."):
        assert ws.datasets.add("plain", table).digest != before
    table.write_text(table.read_text().replace("word 1,b,0.5517241379310345", "word 1,b,9"))
    assert ws.datasets.refresh("d").digest != before
    found = ws.datasets.changes("d")
    assert found.weights.first == ({"id": "1", "before": W[1], "after": 9.0},)
    assert not any(getattr(found, name).count for name in ("added", "contents", "labels", "splits"))


def test_samples_without_weights_have_the_digest_that_they_always_had():
    plain = [Sample("a", "0" * 64, "cat", "train", 0)]
    assert Manifest("csv", "/t", plain).digest == (
        "4b5a03401620b99102c8289f6de4b600c41124e79fee3d348c58e1c33755a38c"
    )
    weighed = [Sample("a", "0" * 64, "cat", "train", 0, (), None, 1.0)]
    assert Manifest("csv", "/t", weighed).digest != Manifest("csv", "/t", plain).digest


@pytest.mark.parametrize("count", [3, 5000])
def test_weights_stay_through_a_manifest_on_the_disk(tmp_path, count):
    """Whole, and in parts."""
    given = [0.5, 1e-300, None] * (count // 3)
    samples = [
        Sample(f"s{n}", f"{n:064x}", "cat", "train", n, (), "g" if n % 2 else None, weight)
        for n, weight in enumerate(given)
    ]
    made = Manifest("csv", "/t", samples)
    found = Manifest.read(tmp_path / made.write(tmp_path))
    assert [one.weight for one in found.samples] == given
    assert found.digest == made.digest and found.samples == made.samples
    assert found.samples[::3] == samples[::3] != made.columns.without_weights()[::3]


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity", '"x"', "true"])
def test_a_manifest_with_another_weight_is_damaged(tmp_path, bad):
    import hashlib

    made = Manifest("csv", "/t", [Sample("a", "0" * 64, "cat", "train", 0, (), None, 2.5)])
    text = (tmp_path / made.write(tmp_path)).read_text().replace("2.5", bad)
    path = tmp_path / f"{hashlib.sha256(text.encode()).hexdigest()}.jsonl"
    path.write_text(text)
    with pytest.raises(ManifestDamaged, match="is damaged"):
        Manifest.read(path)


@pytest.mark.parametrize("bad", ["0", "-1", "nan", "inf", "much", "", "1_000", "٣"])
def test_what_is_no_weight_is_one_line_with_its_row(ws, tmp_path, bad):
    table = tmp_path / "t.csv"
    table.write_text(f"text,label,w\nhi,a,1\nho,b,{bad}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"t\.csv, line 3: w is '{bad}', not a positive finite"):
        ws.datasets.add("d", table, weight_column="w")


@pytest.mark.parametrize("bad", [1e300, 1.1e9, 0.9e-9])
def test_a_weight_that_no_head_computes_with_is_refused_when_the_dataset_is_added(ws, bad):
    """It was registered, and every head refused it."""
    weights = [1e9, 1e-9, *W[2:]]
    with pytest.raises(DatasetError, match=r"row 2: .* and weights are from 1e-09 to 1e\+09"):
        ws.datasets.add("d", X, Y, weights=[*weights[:2], bad, *weights[3:]])
    ws.datasets.add("d", X, Y, weights=weights)


def test_weights_that_belong_to_nothing_are_refused(ws, tmp_path):
    with pytest.raises(DatasetError, match="weights are given next to the source"):
        ws.datasets.add("d", csv_of(tmp_path / "t.csv"), weights=W)
    with pytest.raises(DatasetError, match="30 samples and weights in a list of shape"):
        ws.datasets.add("d", X, Y, weights=[1.0, 2.0])
    with pytest.raises(DatasetError, match="weights twice: weights and weight_column"):
        ws.datasets.add("d", {"x": X, "w": W}, Y, weights=W, weight_column="w")
    with pytest.raises(DatasetError, match="weights next to several"):
        ws.datasets.add("d", ((X, Y), (X, Y)), weights=W)
    with pytest.raises(DatasetError, match="has no array 'w'"):
        np.savez(tmp_path / "a.npz", x=X, y=Y)
        ws.datasets.add("d", tmp_path / "a.npz", weight_column="w")
