"""An export holds exactly the view, and is readable without Headstart."""

import csv

import h5py
import numpy as np
import pytest

from headstart.errors import FeatureError
from headstart.storage import export as exporting


@pytest.fixture
def view(ready, monkeypatch):
    monkeypatch.setattr(exporting, "ROWS", 5)  # so that there are several parts
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
    [("f.csv", "its name ends in .csv"), ("f", "ends in nothing"), ("none/f.npz", "no folder")],
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
    assert run("features", "export", "net", "pics", target, "--json").json["rows"] == 36
