"""Folders that TensorFlow Datasets has prepared, and `tfds:NAME`."""

import importlib.util
import json
import subprocess
import sys

import pytest
from layout_makers import example, tfds, write_records

from conftest import draw_classes
from headstart.errors import DatasetError
from headstart.extractors.datasets import find_kind, open_source, scan
from headstart.extractors.datasets.sources.shards import tfds as tfds_source
from headstart.notices import HeadstartNote, HeadstartWarning

BY_TFDS = """
import hashlib, json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow_datasets as tfds

pictures, target = sys.argv[1:]
features = tfds.features

class Toy(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=features.FeaturesDict({
            "image": features.Image(),
            "label": features.ClassLabel(names=["red", "green", "blue"]),
            "caption": features.Text(),
            "tags": features.Sequence(features.ClassLabel(names=["x", "y"])),
            "vector": features.Tensor(shape=(2, 2), dtype=np.float32),
            "nested": {"number": np.int64},
            "packed": features.Tensor(shape=(2,), dtype=np.uint8, encoding="zlib"),
        }), supervised_keys=("image", "label"))

    def _split_generators(self, manager):
        make = self._generate_examples
        return {"train": make(0, 3), "test": make(1, 3), "unsupervised": make(2, 3)}

    def _generate_examples(self, first, step):
        folders = [(one, os.listdir(f"{pictures}/{one}")) for one in os.listdir(pictures)]
        names = sorted(f"{one}/{name}" for one, inside in folders for name in inside)
        for number, name in enumerate(names[first::step]):
            yield name, {
                "image": f"{pictures}/{name}", "label": name.split("/")[0], "caption": name,
                "tags": [0, 1][: number % 3], "vector": np.full((2, 2), number, np.float32),
                "nested": {"number": number}, "packed": np.zeros(2, np.uint8),
            }

builder = Toy(data_dir=target, file_format="tfrecord")
builder.download_and_prepare()
known = {}
for split in ("train", "test"):
    rows = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    for row in tfds.as_numpy(rows):
        digest = hashlib.sha256(row["image"]).hexdigest()
        known[digest] = [split, int(row["label"]), row["caption"].decode(), row["vector"].tolist()]
print("KNOWN" + json.dumps(known))
"""


def read(source, **options):
    return scan(open_source("tfds", str(source), options), options)


def refused(source, **options):
    with pytest.raises(DatasetError) as error:
        read(source, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The pictures, where TensorFlow Datasets has prepared them, and what it reads of that."""
    if importlib.util.find_spec("tensorflow_datasets") is None:
        pytest.skip("TensorFlow Datasets is not installed")
    root = tmp_path_factory.mktemp("tfds")
    folder = draw_classes(root / "pictures")
    command = [sys.executable, "-W", "ignore", "-c", BY_TFDS, str(folder), str(root / "data")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    known = json.loads(done.stdout.rpartition("KNOWN")[2])
    return folder, root / "data", known


def test_what_tfds_prepared_holds_the_bytes_of_the_files_and_its_own_labels(prepared):
    folder, data, known = prepared
    made = data / "toy" / "1.2.0"
    assert find_kind(str(made)) == "tfds"
    manifest = read(made)
    names = ["red", "green", "blue"]
    assert {one.digest: (one.split, one.label) for one in manifest.samples} == {
        digest: (split, names[label]) for digest, (split, label, *_) in known.items()
    }
    plain = {
        one.digest: one.label for one in scan(open_source("folder", str(folder), {}), {}).samples
    }
    assert all(plain[one.digest] == one.label for one in manifest.samples)


def test_other_features_are_samples_and_labels_when_they_are_asked_for(prepared):
    _, data, known = prepared
    made = str(data / "toy" / "1.2.0")
    captions = {caption for _, _, caption, _ in known.values()}
    texts = open_source("tfds", made, {"member": "caption"})
    assert {texts.read(one.location).decode() for one in texts.scan()} == captions
    vectors = open_source("tfds", made, {"member": "vector", "label_column": "nested/number"})
    found = {one.label: vectors.read(one.location).tolist() for one in vectors.scan()}
    assert found == {number: [[number] * 2] * 2 for number in range(12)}
    tags = [one.label for one in read(made, label_column="tags").samples]
    assert set(tags) == {None, "x", "x|y"}
    assert "'packed' cannot be a sample" in refused(made, member="packed")
    assert "has no feature 'captoin'" in refused(made, member="captoin")


def test_a_name_stands_for_what_was_prepared_and_nothing_is_imported(ws, prepared):
    _, data, _ = prepared
    with pytest.warns(HeadstartWarning) as warned:
        added = ws.datasets.add("toy", "tfds:toy", data_dir=data)
    said = " ".join(str(one.message) for one in warned)
    assert (added.kind, added.samples, added.source) == ("tfds", 24, "tfds:toy")
    assert "train, test are its splits" in said and "split 'unsupervised' (12 samples)" in said
    assert "feature 'packed' (24 records)" in said
    assert ws.datasets.refresh("toy").digest == added.digest
    assert len(read("tfds:toy:1.2.0:train", data_dir=str(data)).samples) == 12
    dealt = read("tfds:toy:train", data_dir=str(data)).samples
    assert {"train", "test"} <= {one.split for one in dealt}
    assert "no split is called 'dev'. There are train, test" in refused(
        "tfds:toy:dev", data_dir=str(data)
    )


def test_a_builder_folder_holds_the_samples_of_the_folder_that_it_was_made_of(tmp_path):
    folder = draw_classes(tmp_path / "pictures")
    found, plain = read(tfds(folder, tmp_path)), scan(open_source("folder", str(folder), {}), {})
    assert sorted((one.digest, one.label) for one in found.samples) == sorted(
        (one.digest, one.label) for one in plain.samples
    )


def test_single_files_beside_features_are_read_by_what_those_say(tmp_path):
    made = tfds(draw_classes(tmp_path / "pictures"), tmp_path)
    file = next(made.glob("*.tfrecord-*"))
    assert find_kind(str(file)) == "tfrecord"
    found = scan(open_source("tfrecord", str(file), {}), {})
    assert {one.label for one in found.samples} == {"red", "green", "blue"}


@pytest.fixture
def made(tmp_path):
    """A builder folder, and what changes one of its JSON files."""
    folder = tfds(draw_classes(tmp_path / "pictures"), tmp_path)

    def change(file, edit):
        told = json.loads((folder / file).read_text())
        changed = edit(told)
        is_other = isinstance(changed, list) or (isinstance(changed, dict) and "content" in changed)
        (folder / file).write_text(json.dumps(changed if is_other else told))
        return folder

    return change


INFO, FEATURES = "dataset_info.json", "features.json"


@pytest.mark.parametrize(
    ("file", "edit", "why"),
    [
        (INFO, lambda t: t.update(fileFormat="array_record"), "of format 'array_record'. Prepare"),
        (INFO, lambda t: t.update(splits=[]), "names no splits"),
        (INFO, lambda t: t.pop("name"), "is not understood"),
        (INFO, lambda t: t["splits"][0].update(shardLengths=["x"]), "is not understood"),
        (INFO, lambda t: t["splits"][0].update(shardLengths=["35"]), "where 35 are written down"),
        (INFO, lambda t: t["splits"][0].update(shardLengths=["9"] * 200_000), "too many files"),
        (INFO, lambda t: t["splits"][0].update(shardLengths=["18", "18"]), "-00000-of-00002"),
        (INFO, lambda t: t["splits"][0].update(filepathTemplate="../{SPLIT}"), "files are called"),
        (INFO, lambda t: t["splits"][0].update(filepathTemplate="{X}"), "files are called"),
        (INFO, lambda t: t["splits"][0].update(name="../../etc"), "files are called"),
        (INFO, lambda t: [t], "is no JSON object"),
        (FEATURES, lambda t: {"content": {}}, "is not understood"),
        (FEATURES, lambda t: t["featuresDict"]["features"].update(x=7), "is not understood"),
        (FEATURES, lambda t: t["featuresDict"]["features"]["image"].pop("image"),
         "which of image, label is the sample"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_folder_is_named(made, file, edit, why):
    assert why in refused(made(file, edit))


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is no JSON"), (b"[" * 10**5, "nested too deeply"), (b"\xff{}", "is not UTF-8")],
)
def test_a_file_that_is_damaged_is_an_error_in_one_line(made, content, why):
    folder = made(INFO, lambda told: None)
    (folder / FEATURES).write_bytes(content)
    assert why in refused(folder)


def test_samples_without_a_label_are_named_and_can_be_skipped(ws, made):
    folder = made(INFO, lambda told: told["splits"][0].update(shardLengths=["3"]))
    rows = [example({"image": b"%d" % n, "label": label}) for n, label in enumerate((0, -1, 7))]
    write_records(folder / "pictures-train.tfrecord-00000-of-00001", rows)
    assert "label is no label (-1)" in refused(folder)
    with pytest.warns(HeadstartWarning, match="2 samples skipped: .*label is 7, of 3 classes"):
        assert ws.datasets.add("t", folder, on_error="skip").samples == 1


def test_names_of_classes_are_lines_and_as_many_as_the_features_say(made):
    folder = made(INFO, lambda told: None)
    (folder / "label.labels.txt").write_text("a\u2028b\nc\x0bd\x0ce\nf\x85g\n\n", "utf-8")
    assert {one.label for one in read(folder).samples} == {"a\u2028b", "c\x0bd\x0ce", "f\x85g"}
    (folder / "label.labels.txt").write_text("a\n\nb\nc\n")
    assert "label.labels.txt, line 2: a class without a name" in refused(folder)
    (folder / "label.labels.txt").write_text("a\nb\n")
    assert "names 2 classes, where features.json says 3" in refused(folder)


def test_several_configurations_are_asked_about(tmp_path):
    for name in ("small", "large"):
        folder = tmp_path / "data" / "toy" / name / "1.0.0"
        folder.mkdir(parents=True)
        (folder / INFO).write_text("{}")
    assert "several configurations: large, small. Say which: tfds:toy/large" in refused(
        "tfds:toy", data_dir=str(tmp_path / "data")
    )


@pytest.mark.parametrize("name", ["tfds:", "tfds:../x", "tfds:A", "tfds:a/../../b", "tfds:a:b:c:d"])
def test_names_that_are_none_are_refused_before_anything_is_looked_for(tmp_path, name):
    assert "is no tfds:NAME" in refused(name, data_dir=str(tmp_path))


def test_what_is_not_prepared_and_cannot_be_is_an_error_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    said = refused("tfds:mnist", data_dir=str(tmp_path))
    assert "tfds:mnist is not prepared in" in said and "pip install 'headstart[tfds]'" in said

    class Offline:
        @staticmethod
        def builder(name, **given):
            sys.stdout.write("Downloading")
            assert (name, given["file_format"]) == ("mnist", "tfrecord")
            raise OSError("no route\nto host")

        @staticmethod
        def disable_progress_bar():
            pass

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", Offline)
    with pytest.warns(HeadstartNote, match="fetches it now"):
        said = refused("tfds:mnist", data_dir=str(tmp_path))
    assert "cannot prepare mnist" in said and "It needs the network once" in said


def test_results_on_standard_output_stay_alone(tmp_path, monkeypatch, capsys):
    class Prints:
        @staticmethod
        def disable_progress_bar():
            sys.stdout.write("Downloading")

        builder = None

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", Prints)
    with pytest.warns(HeadstartNote):
        refused("tfds:mnist", data_dir=str(tmp_path))
    assert capsys.readouterr().out == ""


def test_the_newest_version_that_was_prepared_is_taken(tmp_path):
    for version in ("1.9.0", "1.10.0", "broken"):
        (tmp_path / "toy" / version).mkdir(parents=True)
        (tmp_path / "toy" / version / INFO).write_text("{}")
    asked = tfds_source.ADDRESS.fullmatch("tfds:toy")
    assert tfds_source._find_prepared(tmp_path, asked).name == "1.10.0"
