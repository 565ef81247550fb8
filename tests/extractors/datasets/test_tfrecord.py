"""TFRecord files: framing, crcs, features as declared or by their names."""

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_makers import example, labelled, tfrecord, write_records

from conftest import draw_classes
from headstart.errors import DatasetError, SampleChanged, SampleUnreadable
from headstart.extractors.datasets import find_kind, open_source, scan
from headstart.extractors.datasets.sources.shards.crc32c import crc32c, masked
from headstart.notices import HeadstartNote, HeadstartWarning
from headstart.storage.keys import digest_of


def read(source, **options):
    return scan(open_source("tfrecord", str(source), options), options)


def known(manifest):
    return sorted((one.digest, one.label) for one in manifest.samples)


def refused(source, **options):
    with pytest.raises(DatasetError) as error:
        read(source, **options)
    said = str(error.value)
    assert "\n" not in said and len(said) < 500
    return said


def one_by_one(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_the_crc_is_castagnolis():
    """RFC 3720, B.4: 32 bytes of zeros, of ones, rising and falling."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C


@given(st.binary(max_size=700))
def test_the_crc_of_lanes_is_that_of_bytes_one_by_one(content):
    assert crc32c(content) == one_by_one(content)


def test_a_file_holds_the_samples_of_the_folder_that_it_was_made_of(tmp_path):
    folder = draw_classes(tmp_path / "pictures")
    manifest = read(tfrecord(folder, tmp_path))
    assert known(manifest) == known(scan(open_source("folder", str(folder), {}), {}))
    assert manifest.samples[0].id == "0"


def test_no_listing_imports_tensorflow(tmp_path):
    """Nor does reading the records."""
    path = write_records(tmp_path / "t.tfrecord", [example({"text": b"one", "label": 1})])
    code = (
        "import sys; from headstart.extractors.datasets import open_source as o;"
        f"s = o('tfrecord', {str(path)!r}, {{}}); e = next(s.scan()); s.read(e.location);"
        "assert 'tensorflow' not in sys.modules; print(e.label)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


def test_files_of_a_folder_are_one_dataset_and_their_names_say_splits(ws, tmp_path):
    folder = draw_classes(tmp_path / "pictures")
    rows = [
        example({"image": file.read_bytes(), "label": "rgb".index(label[0])})
        for file, label in labelled(folder)
    ]
    for number, name in enumerate(
        (
            "train.tfrecord-00000-of-00002",
            "train.tfrecord-00001-of-00002",
            "validation.tfrecord-00000-of-00001",
        )
    ):
        write_records(tmp_path / "made" / f"toy-{name}", rows[number::3])
    assert find_kind(str(tmp_path / "made")) == "tfrecord"
    with pytest.warns(HeadstartNote, match="splits by their names: 2 of train, 1 of validation"):
        added = ws.datasets.add("made", tmp_path / "made")
    assert (added.samples, added.classes) == (36, ["0", "1", "2"])
    first = ws.datasets.manifest("made").samples[0]
    assert (first.id, first.split) == ("toy-train-00000-of-00002/0", "train")
    assert len({one.id for one in ws.datasets.manifest("made").samples}) == 36


@pytest.mark.parametrize(
    ("features", "options", "content", "label"),
    [
        ({"img": b"x", "y": 3}, {"features": ["img=bytes"]}, b"x", None),
        ({"img": b"x", "label": 3}, {"features": ["img=bytes", "label=int64"]}, b"x", 3),
        ({"img": b"x", "y": b"dog"}, {"features": ["img=bytes"], "label_column": "y"}, b"x", "dog"),
        ({"text": b"x", "label": [b"a", b"b"]}, {}, b"x", "a|b"),
        ({"text": b"x", "label": [1, 5, 1]}, {}, b"x", "1|5"),
        ({"text": b"x", "label": []}, {}, b"x", None),
        ({"text": b"x", "label": 0.5}, {}, b"x", "0.5"),
        ({"text": b"x", "label": [0, 1, 1]},
         {"features": ["text=bytes", "label=int64:3"]}, b"x", "1|2"),
        ({"image/encoded": b"x", "image/class/text": b"", "image/class/label": 4}, {}, b"x", 4),
        ({"image/encoded": b"x", "image/class/text": b"cat", "image/class/label": 4}, {}, b"x",
         "cat"),
        ({"image/encoded": b"x", "image/object/class/text": [b"cat", b"dog", b"cat"]},
         {"label_column": "image/object/class/text"}, b"x", "cat|dog"),
        ({"text": b"x", "label": 1}, {"label_column": "none"}, b"x", None),
        ({"x": [1.0, 2.0], "label": 1}, {"features": ["x=float", "label=int64"]},
         np.array([1, 2], np.float32), 1),
        ({"x": [1.0, 2, 3, 4], "label": 1}, {"features": ["x=float:2x2", "label=int64"]},
         np.array([[1, 2], [3, 4]], np.float32), 1),
        ({"x": [7, 8], "label": 1}, {"features": ["x=int64", "label=int64"]}, np.array([7, 8]), 1),
        ({"x": bytes(range(12)), "label": 1}, {"features": ["x=uint8:2x2x3", "label=int64"]},
         np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 1),
    ],
)  # fmt: skip
def test_features_are_what_was_declared_or_what_they_are_called(
    tmp_path, features, options, content, label
):
    path = write_records(tmp_path / "t.tfrecord", [example(features)])
    (sample,) = read(path, **options).samples
    assert (sample.digest, sample.label) == (digest_of(content), label)
    raw = open_source("tfrecord", str(path), options).read(sample.location)
    assert digest_of(raw) == sample.digest


def test_several_inputs_are_contents_by_name(tmp_path):
    path = write_records(tmp_path / "t.tfrecord", [example({"a": b"x", "b": 1.5, "y": 2})])
    options = {"features": ["a=bytes", "b=float"], "label_column": "y"}
    (sample,) = read(path, **options).samples
    raw = open_source("tfrecord", str(path), options).read(sample.location)
    assert raw["a"] == b"x" and raw["b"].tolist() == [1.5] and sample.label == 2


def test_ids_and_groups_are_features(tmp_path):
    rows = [
        {"text": b"%d" % n, "label": n % 2, "name": b"n%d" % n, "who": n // 4} for n in range(12)
    ]
    grouped = [{**row, "who": n // 4} for n, row in enumerate(rows)]
    path = write_records(tmp_path / "t.tfrecord", map(example, grouped))
    samples = read(path, id_column="name", group_column="who").samples
    assert [one.id for one in samples] == [f"n{n}" for n in range(12)]
    assert [one.group for one in samples] == [str(n // 4) for n in range(12)]


def test_features_that_nothing_is_taken_from_are_named(ws, tmp_path):
    path = write_records(
        tmp_path / "t.tfrecord",
        [example({"text": b"a", "label": 1, "by": b"me"}), example({"text": b"b", "label": 0})],
    )
    with pytest.warns(HeadstartWarning, match=r"not used: feature 'by' \(1 records\)$"):
        ws.datasets.add("t", path)


@pytest.mark.parametrize(
    ("features", "options", "why"),
    [
        ({"img": b"x", "y": 1}, {}, "--feature img=bytes --feature y=int64"),
        ({"image": 5, "y": 1}, {}, "no feature is called like a sample"),
        ({"img": b"x", "y": 1}, {"features": ["img=bytes", "y=int64"]}, "which of img, y is the"),
        ({"img": b"x"}, {"features": ["img=picture"]}, "NAME=TYPE"),
        ({"img": b"x"}, {"features": ["img=bytes:3"]}, "bytes have no shape"),
        ({"img": b"x"}, {"features": ["img=bytes", "img=int64"]}, "declared twice"),
        ({"img": b"x"}, {"features": ["img=uint8:999999999x999999999"]}, "has 999,999,998,0"),
        ({"img": b"x"}, {"features": ["image=bytes"]}, "has no feature 'image', but img"),
        ({"img": 7}, {"features": ["img=bytes"]}, "is of type int64, not bytes"),
        ({"img": [b"x", b"y"]}, {"features": ["img=bytes"]}, "holds 2 values, not 1"),
        ({"x": [1.0, 2.0]}, {"features": ["x=float:3x3"]}, "holds 2 numbers, which are not 3x3"),
        ({"x": b"abc"}, {"features": ["x=uint8:2x2"]}, "3 bytes of uint8, which are not 2x2"),
        ({"x": b"abc"}, {"features": ["x=float32"]}, "3 bytes of float32"),
        ({"text": b"x", "label": b" "}, {}, "is neither a class name nor a number"),
        ({"text": b"x", "label": float("nan")}, {}, "is neither a class name nor a number"),
        ({"text": b"x", "label": [0, 1, 0, 0]}, {}, "zeros and ones. Declare it: --feature label="),
        ({"text": b"x", "label": [b"a|b", b"c"]}, {}, "stands between labels"),
        ({"text": b"x"}, {"label_column": "labl"}, "has no feature 'labl'"),
        ({"text": b"x"}, {"id_column": "name"}, "has no feature 'name'"),
    ],
)  # fmt: skip
def test_records_that_are_not_as_was_said_are_named(tmp_path, features, options, why):
    assert why in refused(write_records(tmp_path / "t.tfrecord", [example(features)]), **options)


# Files of others.


@pytest.fixture
def texts(tmp_path):
    return write_records(
        tmp_path / "t.tfrecord",
        [example({"text": b"text %d" % n, "label": n % 2}) for n in range(4)],
    )


def frame(content, length=None):
    head = (len(content) if length is None else length).to_bytes(8, "little")
    crcs = [masked(crc32c(one)).to_bytes(4, "little") for one in (head, content)]
    return head + crcs[0] + content + crcs[1]


def test_a_damaged_record_is_named_by_file_and_byte_and_can_be_skipped(ws, texts):
    content = bytearray(texts.read_bytes())
    second = open_source("tfrecord", str(texts), {})
    place = [entry.location for entry in second.scan()][1]
    offset = int(place.rpartition("#")[2].partition(":")[0])
    content[offset + 20] ^= 1
    texts.write_bytes(content)
    assert f"{texts}: the record at byte {offset:,} is damaged" in refused(texts)
    with pytest.warns(HeadstartWarning, match="1 sample skipped: .*is damaged"):
        assert ws.datasets.add("t", texts, on_error="skip").samples == 3
    with pytest.raises(SampleUnreadable, match="is damaged"):
        second.read(place)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c[:-3], "is cut off: the record at byte"),
        (lambda c: c[: len(c) // 4 + 5], "is cut off at byte"),
        (lambda c: c + b"more", "is cut off at byte"),
        (lambda c: c + bytes(16), "is damaged at byte"),
        (lambda c: b"", "lists no samples"),
        (lambda c: b"nothing at all", "is no TFRecord file"),
        (lambda c: gzip.compress(c), "is packed with gzip"),
        (lambda c: frame(b"", 1 << 62) + c, "has 4,611,686,018,427,387,904 bytes, of which"),
        (lambda c: frame(b"no message"), "is no Example"),
        (lambda c: frame(b""), "is no Example with features"),
        (lambda c: frame(os.urandom(50)), "is no Example"),
    ],
)
def test_files_that_are_damaged_cut_off_or_lie_are_refused(texts, change, why):
    texts.write_bytes(change(texts.read_bytes()))
    said = refused(texts)
    assert why in said or ("can be read" in said and "Example" in why)


def test_a_record_of_gigabytes_takes_no_memory(tmp_path):
    path = tmp_path / "t.tfrecord"
    with path.open("wb") as file:
        file.write(frame(b"", 1 << 36)[:12])
        file.truncate(1 << 37)
    assert "68,719,476,736 bytes, more than" in refused(path)


def test_places_that_are_none_are_errors_of_ours(texts):
    source = open_source("tfrecord", str(texts), {})
    for place in (f"{texts}#0:3", f"{texts}#1:40", f"{texts}#0:999999"):
        with pytest.raises((SampleChanged, SampleUnreadable)):
            source.read(place)
