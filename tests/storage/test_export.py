"""An export holds exactly the view, and is readable without Headstart."""

import csv

import h5py
import numpy as np
import pytest

from headstart.errors import FeatureError
from headstart.storage.exports import export as exporting
from headstart.storage.exports import exportable


@pytest.fixture
def view(ready, monkeypatch):
    monkeypatch.setattr(exporting, "ROWS", 5)
    monkeypatch.setattr(exportable, "ROWS", 5)  # so that there are several parts
    return ready.extract("net@relu", "pics")


def test_an_npz_holds_the_view(view, tmp_path):
    seen = []
    view.export(tmp_path / "f.npz", lambda done, total: seen.append((done, total)))
    with np.load(tmp_path / "f.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["features"], view.to_numpy())
        assert file["ids"].tolist() == view.ids
        assert file["labels"].tolist() == view.labels
        assert file["splits"].tolist() == [sample.split for sample in view.samples]
        assert file["digests"].tolist() == [sample.digest for sample in view.samples]
        assert str(file["key"]) == view.key
    assert seen[-1] == (36, 36)
    assert len(seen) == 8


def test_an_npy_has_its_labels_in_a_table_beside_it(view, tmp_path):
    view.export(str(tmp_path / "f.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), view.to_numpy())
    with (tmp_path / "f.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == view.ids
    assert [row["label"] for row in rows] == view.labels


def test_an_hdf5_file_holds_the_view(view, tmp_path):
    view.export(tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file:
        np.testing.assert_array_equal(file["features"][:], view.to_numpy())
        assert file["ids"].asstr()[:].tolist() == view.ids
        assert file["labels"].asstr()[:].tolist() == view.labels
        assert file.attrs["key"] == view.key


def test_a_part_of_a_view_and_numbers_as_labels(ready, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x=pixels, y=np.arange(30) % 3)
    ready.datasets.add("numbers", tmp_path / "d.npz")
    part = ready.extract("net", "numbers").split("train")
    part.export(tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as file:
        assert file["labels"].tolist() == part.labels
        assert set(file["splits"].tolist()) == {"train"}
        np.testing.assert_array_equal(file["features"], part.to_numpy())


@pytest.mark.parametrize(
    ("name", "message"),
    [("f.csv", "its name ends in .csv"), ("f", "ends in nothing")],
)
def test_a_target_that_cannot_be_is_explained(view, tmp_path, name, message):
    with pytest.raises(FeatureError, match=message):
        view.export(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".h5"])
def test_an_export_that_breaks_off_leaves_the_old_file(view, tmp_path, suffix):
    target = tmp_path / f"f{suffix}"
    target.write_bytes(b"old")

    def stop(done, total):
        if done > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        view.export(target, stop)
    assert target.read_bytes() == b"old"
    assert [file.name for file in tmp_path.glob(".*partial")] == []


def test_the_command_says_what_it_wrote(ready, run, fails, tmp_path):
    target = tmp_path / "f.npz"
    assert "headstart extract" in fails("features", "export", "net", "pics", target)
    assert not target.exists()
    ready.extract("net", "pics")
    assert run("features", "export", "net", "pics", target).out.startswith("36 rows of 8 in ")
    assert run("features", "export", "net", "pics", target, "--json", "--force").json["rows"] == 36


def test_a_parquet_file_holds_the_view(view, tmp_path):
    from pyarrow import parquet

    view.export(tmp_path / "f.parquet")
    table = parquet.read_table(tmp_path / "f.parquet")
    features = np.stack(table["features"].to_numpy()).reshape(view.shape)
    np.testing.assert_array_equal(features, view.to_numpy())
    assert table["id"].to_pylist() == view.ids
    assert table["label"].to_pylist() == view.labels
    assert table["digest"].to_pylist() == [sample.digest for sample in view.samples]
    assert table.schema.metadata[b"headstart.key"].decode() == view.key
    assert table.schema.metadata[b"headstart.shape"] == b"[12, 12, 6]"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library's own
def test_a_folder_for_hugging_face_datasets_holds_the_view_by_splits(view, tmp_path, files_of):
    datasets = pytest.importorskip("datasets", reason="the extra huggingface is not installed")
    (tmp_path / "out").mkdir()
    seen = []
    view.export(tmp_path / "out" / "f.hf", lambda done, total: seen.append((done, total)))
    loaded = datasets.load_from_disk(str(tmp_path / "out" / "f.hf"))
    for split in ("train", "validation", "test"):
        part = view.split(split)
        found = loaded[split].with_format("numpy")
        np.testing.assert_array_equal(found["features"][:], part.to_numpy())
        assert list(loaded[split]["id"]) == part.ids
        names = loaded[split].features["label"].names
        assert [names[label] for label in loaded[split]["label"]] == part.labels
    assert seen[-1] == (36, 36)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"f.hf"}


def test_an_export_whose_package_is_missing_says_which(view, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(FeatureError, match=r"pip install 'headstart\[huggingface\]'"):
        view.export(tmp_path / "f.hf")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of datasets' own
@pytest.mark.parametrize("suffix", [".npz", ".h5", ".npy", ".parquet", ".hf"])
def test_the_groups_of_samples_are_exported_where_there_are_some(ready, pictures, tmp_path, suffix):
    read = {".npz": in_npz, ".h5": in_hdf5, ".npy": in_csv, ".parquet": in_parquet, ".hf": in_hf}
    ready.datasets.add("grouped", pictures, group_pattern=r"/(\d)")
    ready.extract("net", "grouped").export(tmp_path / f"g{suffix}")
    ready.extract("net", "pics").export(tmp_path / f"p{suffix}")
    samples = ready.datasets.manifest("grouped").samples
    assert len({one.group for one in samples}) > 1
    assert read[suffix](tmp_path / f"g{suffix}") == {one.id: one.group for one in samples}
    assert read[suffix](tmp_path / f"p{suffix}") is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of datasets' own
@pytest.mark.parametrize("suffix", [".npz", ".h5", ".npy", ".parquet", ".hf"])
def test_the_weights_of_samples_are_exported_where_there_are_some(ready, tmp_path, suffix):
    read = {".npz": in_npz, ".h5": in_hdf5, ".npy": in_csv, ".parquet": in_parquet, ".hf": in_hf}
    view = weighed(ready, tmp_path)
    view.export(tmp_path / f"w{suffix}")
    ready.extract("net", "pics").export(tmp_path / f"p{suffix}")
    found = read[suffix](tmp_path / f"w{suffix}", "weight")
    assert {id_: float(one) for id_, one in found.items()} == {
        one.id: one.weight for one in view.samples
    }
    assert len(set(found.values())) == 12
    assert read[suffix](tmp_path / f"p{suffix}", "weight") is None


def weighed(ws, folder):
    """The features of pictures that count 0.5 to 2."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 12, 12, 3), dtype=np.uint8)
    np.savez(folder / "d.npz", x=pixels, y=np.arange(12) % 3, w=np.linspace(0.5, 2, 12))
    ws.datasets.add("weighed", folder / "d.npz", weight_column="w")
    return ws.extract("net", "weighed")


def in_npz(path, name="group"):
    with np.load(path) as file:
        columns = {**file}
    values = columns.get(f"{name}s")
    return None if values is None else dict(zip(columns["ids"], values, strict=True))


def in_hdf5(path, name="group"):
    with h5py.File(path) as file:
        ids = file["ids"].asstr()[:]
        if f"{name}s" not in file:
            return None
        values = file[f"{name}s"]
        return dict(zip(ids, (values.asstr() if name == "group" else values)[:], strict=True))


def in_csv(path, name="group"):
    text = path.with_suffix(".csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return {row["id"]: row[name] for row in rows} if name in rows[0] else None


def in_parquet(path, name="group"):
    from pyarrow import parquet

    table = parquet.read_table(path).to_pydict()
    return dict(zip(table["id"], table[name], strict=True)) if name in table else None


def in_hf(path, name="group"):
    datasets = pytest.importorskip("datasets", reason="the extra huggingface is not installed")
    rows = [row for part in datasets.load_from_disk(str(path)).values() for row in part]
    return {row["id"]: row[name] for row in rows} if name in rows[0] else None
