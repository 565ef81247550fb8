"""Data that claims more than it is: sizes are computed before anything is unpacked."""

import io
import os
import struct
import zipfile

import numpy as np
import pytest
import soundfile
from archives import npy, npy_header, zeros

from headstart.errors import DatasetError, FeatureError, SampleUnreadable, StorageError
from headstart.extractors.cache.feature_import import FeatureFile
from headstart.extractors.datasets import load_arrays
from headstart.extractors.preprocessing.steps.audio import STEPS
from headstart.storage.manifest import Manifest, Sample


def zipped(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


# Arrays


def test_an_archive_of_zeros_is_refused_before_it_is_unpacked(ws, tmp_path, fails):
    file = zeros(tmp_path / "d.npz", 1 << 30)
    assert file.stat().st_size < 2 << 20
    message = fails("dataset", "add", "d", file)
    assert "x takes 1.1 GB once it is unpacked, more than 100 times its size in the file" in message


def test_what_is_well_compressed_but_small_is_read(tmp_path):
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((100, 1000), np.float32), y=np.arange(100))
    assert load_arrays(tmp_path / "d.npz", {})["values"].shape == (100, 1000)


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_a_header_that_claims_two_tebibytes_is_one_line(tmp_path, fails, ws, suffix):
    content = npy_header((1 << 39,)) + bytes(64)
    file = tmp_path / f"d.{suffix}"
    if suffix == "npz":
        zipped(file, {"x": content, "y": npy(np.arange(2))})
    else:
        file.write_bytes(content)
    message = fails("dataset", "add", "d", file)
    assert "its header says 2,199,023,255,552 bytes, the file has 64" in message


def test_a_header_that_claims_less_than_there_is_is_refused_too(tmp_path):
    file = zipped(tmp_path / "d.npz", {"x": npy_header((2, 2)) + bytes(64), "y": npy([0, 1])})
    with pytest.raises(DatasetError, match="its header says 16 bytes, the file has 64"):
        load_arrays(file, {})


def test_more_than_there_is_memory_is_refused_in_sum(tmp_path, monkeypatch):
    from headstart.extractors.datasets.sources import numpy_files

    monkeypatch.setattr(numpy_files, "free_memory", lambda: 100_000)
    np.savez(tmp_path / "ok.npz", x=np.zeros((4, 2000), np.float32), y=np.arange(4))
    assert load_arrays(tmp_path / "ok.npz", {})["values"].shape == (4, 2000)
    both = {"a": np.zeros((4, 2000)), "b": np.zeros((4, 2000)), "y": np.arange(4)}
    np.savez(tmp_path / "there.npz", **both)
    assert len(load_arrays(tmp_path / "there.npz", {})["values"]) == 4  # read where they lie
    np.savez_compressed(tmp_path / "d.npz", **both)
    with pytest.raises(DatasetError, match=r"0\.1 MB in memory are more than half of the 0\.1 MB"):
        load_arrays(tmp_path / "d.npz", {})
    np.save(tmp_path / "many.npy", np.zeros((5_000, 1), np.uint8))
    with pytest.raises(DatasetError, match=r"3\.0 MB in memory are more than half"):
        load_arrays(tmp_path / "many.npy", {})


def test_arrays_of_objects_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.array([{}, {}]), y=[0, 1])
    with pytest.raises(DatasetError, match="object arrays are refused"):
        load_arrays(tmp_path / "d.npz", {})
    np.save(tmp_path / "d.npy", np.array([{}, {}]))
    with pytest.raises(DatasetError, match="object arrays are refused"):
        load_arrays(tmp_path / "d.npy", {})


def test_features_that_claim_much_are_refused(tmp_path):
    manifest = Manifest("arrays", "/d", (Sample("a", "0" * 64, None, "train", 0),))
    members = {"features": npy_header((1, 1 << 39)) + bytes(64), "ids": npy(np.array(["a"]))}
    with pytest.raises(FeatureError, match="its header says 2,199,023,255,552 bytes"):
        FeatureFile(zipped(tmp_path / "f.npz", members), manifest)
    with pytest.raises(FeatureError, match="more than 100 times its size"):
        FeatureFile(zeros(tmp_path / "f.npz", 1 << 30, "ids"), manifest)


# Sounds


def decode(content: bytes, rate: int = 16_000) -> np.ndarray:
    return STEPS["decode_audio"].run(content, rate=rate)


def flac(frames: int, rate: int = 8_000) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(frames, np.float32), rate, format="FLAC")
    return bytearray(file.getvalue())


def test_a_sound_that_claims_days_is_unreadable():
    content = flac(4_000)
    assert len(decode(bytes(content))) == 8_000
    content[21] |= 0x0F  # the upper bits of the number of samples, in STREAMINFO
    with pytest.raises(
        SampleUnreadable, match=r"the sound has 64,424,513,440 samples at 8,000 a second"
    ):
        decode(bytes(content))


def test_a_sound_that_would_grow_by_resampling_is_unreadable():
    file = io.BytesIO()
    soundfile.write(file, np.zeros(100_000, np.float32), 1, format="WAV")
    with pytest.raises(SampleUnreadable, match=r"the sound has 1,600,000,000 samples at 16,000"):
        decode(file.getvalue())


def test_a_sound_is_decoded_in_parts_to_the_same_numbers():
    rng = np.random.default_rng(0)
    wave = rng.uniform(-1, 1, (3_000_000, 2)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, wave, 16_000, format="WAV", subtype="FLOAT")
    np.testing.assert_array_equal(decode(file.getvalue()), wave.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize("member", ["x", "y", "ids", "split", "groups"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_of_letters_that_do_not_exist_are_refused(ws, tmp_path, member, order):
    arrays = {"x": np.arange(8.0).reshape(4, 2)}
    letters = np.array([70, 71, 1 << 21, 72], f"{order}u4").view(f"{order}U1")
    np.savez(tmp_path / "d.npz", **{**arrays, member: letters})
    with pytest.raises(DatasetError, match=rf"{member} in .* letter number 2,097,152"):
        ws.datasets.add("d", tmp_path / "d.npz")


@pytest.mark.parametrize("dtype", ["|S0", "<U0", "<f4"])
def test_rows_that_hold_nothing_are_refused(ws, tmp_path, dtype):
    shape = (10**12,) if dtype != "<f4" else (10**12, 0)
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "d.npy").write_bytes(content)
    with pytest.raises(DatasetError, match="its rows hold nothing"):
        ws.datasets.add("d", tmp_path / "d.npy")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_line_without_end_is_refused(ws, tmp_path, suffix, monkeypatch):
    from headstart.extractors.datasets.sources.tables import files

    monkeypatch.setattr(files, "LONGEST", 1000)
    first = {"csv": b"text,label\na,b\n", "jsonl": b'{"text": "a", "label": "b"}\n'}[suffix]
    (tmp_path / f"t.{suffix}").write_bytes(first + bytes(100_000))
    with pytest.raises(DatasetError, match="has more than 1,000 characters"):
        ws.datasets.add("d", tmp_path / f"t.{suffix}")


def test_labels_without_end_are_refused(ws, tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.storage.files.LARGEST_READ", 1000)
    np.save(tmp_path / "x.npy", np.eye(3))
    (tmp_path / "y.txt").write_bytes(bytes(5000))
    with pytest.raises(StorageError, match="Is it the right file"):
        ws.datasets.add("d", tmp_path / "x.npy", labels=tmp_path / "y.txt")


# Files that never end


def fifo(path):
    os.mkfifo(path)
    return path


def device(path):
    path.symlink_to("/dev/zero")
    return path


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [fifo, device])
@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.npz", "d.npy"])
def test_a_source_that_is_no_file_is_refused_at_once(ws, fails, tmp_path, make, name):
    kind = "a FIFO" if make is fifo else "a device"
    assert f"is {kind}, not a file" in fails("dataset", "add", "d", make(tmp_path / name))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [fifo, device])
@pytest.mark.parametrize("name", ["y.npy", "y.txt"])
def test_labels_that_are_no_file_are_refused_at_once(ws, fails, tmp_path, make, name):
    np.save(tmp_path / "d.npy", np.eye(3))
    labels = make(tmp_path / name)
    assert "not a file" in fails("dataset", "add", "d", tmp_path / "d.npy", "--labels", labels)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [fifo, device])
def test_samples_that_are_no_files_are_refused_at_once(ready, fails, pictures, tmp_path, make):
    make(pictures / "red" / "x.png")
    assert "not a file" in fails("dataset", "refresh", "pics")
    (tmp_path / "t.csv").write_text("path,label\npictures/red/x.png,a\n")
    assert "line 2: " in fails("dataset", "add", "d", tmp_path / "t.csv")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [fifo, device])
def test_a_sample_that_became_no_file_has_changed(ready, pictures, make):
    from headstart.errors import SampleChanged
    from headstart.extractors.datasets import SampleReader

    manifest = ready.datasets.manifest("pics")
    sample = manifest.samples[0]
    path = pictures / sample.id
    path.unlink()
    make(path)
    with pytest.raises(SampleChanged, match="not a file"):
        SampleReader(manifest, {}).read(sample)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [fifo, device])
def test_a_row_whose_file_became_no_file_has_changed(ws, tmp_path, make):
    from headstart.errors import SampleChanged
    from headstart.extractors.datasets import SampleReader

    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "t.csv").write_text("file,n,label\na.txt,1,x\n")
    ws.datasets.add("d", tmp_path / "t.csv", values=["f=path:file", "n=number:n"])
    (tmp_path / "a.txt").unlink()
    make(tmp_path / "a.txt")
    manifest = ws.datasets.manifest("d")
    with pytest.raises(SampleChanged, match="not a file"):
        SampleReader(manifest, ws.datasets.get("d").options).read(manifest.samples[0])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("make", [fifo, device])
def test_what_is_predicted_is_a_file(ready, fails, pictures, tmp_path, make):
    view = ready.extract("net", "pics")
    ready.heads.train("h", view)
    assert "not a file" in fails("head", "predict", "h", make(tmp_path / "x.png"))
    make(pictures / "red" / "x.png")
    assert "not a file" in fails("head", "predict", "h", pictures)


@pytest.mark.parametrize(
    "said",
    [
        "(" * 50,
        "[" * 900,
        "{'descr': [('a',)], 'fortran_order': False, 'shape': (2,), }",
        "{'descr': ('<f4', 'x', 1, 2), 'fortran_order': False, 'shape': (2,), }",
        "{'descr': ('<f4', -1), 'fortran_order': False, 'shape': (2,), }",
        "{'descr': [('a', '<f4', 1 << 40)], 'fortran_order': False, 'shape': (2,), }",
        "{'descr': [('a', '<f4', (1099511627776,))], 'fortran_order': False, 'shape': (2,), }",
        "{[]: 1}",
        "  {'descr': '<f4'}",
        "{'descr': '<f4', 'shape': (2L, 2), 'fortran_order': False",
    ],
)
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_a_header_that_is_none_is_refused_in_one_line(ws, fails, tmp_path, said, suffix):
    """What Python's and NumPy's parsers say of it is many kinds of errors."""
    header = said.encode().ljust(953) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)
    path = tmp_path / f"data{suffix}"
    if suffix == ".npz":
        zipped(path, {"x": content, "y": npy(np.arange(2))})
    else:
        path.write_bytes(content)
    np.save(tmp_path / "labels.npy", np.arange(2))
    labels = ["--labels", tmp_path / "labels.npy"] if suffix == ".npy" else []
    message = fails("dataset", "add", "x", path, *labels)
    assert f"{path} is not a readable NumPy file" in message


def test_packed_numbers_that_are_damaged_are_refused_in_one_line(ws, fails, tmp_path):
    path = zipped(
        tmp_path / "data.npz",
        {"x": npy(np.random.default_rng(0).random((40, 4))), "y": npy(np.arange(40))},
        zipfile.ZIP_DEFLATED,
    )
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("x.npy").compress_size
    content[200 : 100 + size // 2] = bytes([255]) * (size // 2 - 100)
    path.write_bytes(content)
    assert "is not a readable NumPy file" in fails("dataset", "add", "x", path)
