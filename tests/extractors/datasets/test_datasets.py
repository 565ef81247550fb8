"""Datasets: what a source says, or exactly where it is wrong."""

import cProfile
import gc as collector
import os
from pathlib import Path

import numpy as np
import pytest

from conftest import draw
from headstart.extractors.cache import gc
from headstart.extractors.datasets import named_files, open_source, rescan
from headstart.extractors.datasets.sources.arrays import ArraySource
from headstart.notices import HeadstartWarning
from headstart.storage import manifest
from headstart.storage.keys import digest_of_bytes


def manifest_of(ws, name="d"):
    return ws.datasets.manifest(name)


@pytest.fixture
def csv(tmp_path):
    """A function that writes a CSV over four pictures, and gives its path."""
    for number in range(4):
        draw(tmp_path / "img" / f"{number}.png", number)

    def write(text: str, name: str = "d.csv") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


GOOD = "path,label\nimg/0.png,a\nimg/1.png,b\nimg/2.png,a\nimg/3.png,b\n"


# folders


def test_a_folder_of_class_folders_is_read_in_order(ws, pictures):
    dataset = ws.datasets.add("d", pictures)
    manifest = manifest_of(ws)
    assert (dataset.kind, dataset.samples, dataset.unique) == ("folder", 36, 36)
    assert dataset.classes == ["blue", "green", "red"]
    assert [sample.id for sample in manifest.samples[:2]] == ["blue/00.jpg", "blue/01.png"]
    assert manifest.samples[0].label == "blue"
    assert manifest.samples[0].digest == digest_of_bytes((pictures / "blue/00.jpg").read_bytes())


def test_hidden_files_and_files_of_other_kinds_are_not_samples(ws, pictures):
    (pictures / "red" / "Thumbs.db").write_bytes(b"x")
    (pictures / "red" / ".hidden.png").write_bytes(b"x")
    (pictures / ".git").mkdir()
    (pictures / "notes.txt").write_text("x")
    with pytest.warns(HeadstartWarning, match="not used: file 'notes.txt'$"):
        assert ws.datasets.add("d", pictures).samples == 36


def test_an_empty_class_folder_is_an_error(ws, pictures, fails):
    (pictures / "empty").mkdir()
    message = fails("dataset", "add", "d", pictures)
    assert f"the class folder {pictures / 'empty'} holds no images" in message
    assert ws.datasets.list() == []


def test_a_folder_without_class_folders_or_samples_is_an_error(ws, tmp_path, fails):
    (tmp_path / "flat").mkdir()
    assert "holds no class folders" in fails("dataset", "add", "d", tmp_path / "flat")
    assert "no file or folder" in fails("dataset", "add", "d", tmp_path / "none")


def test_a_digest_is_computed_again_only_for_files_that_changed(ws, pictures, monkeypatch):
    ws.datasets.add("d", pictures)
    read = []
    real = named_files.open_within
    monkeypatch.setattr(
        named_files, "open_within", lambda path, *more: read.append(path) or real(path, *more)
    )
    before = ws.datasets.get("d")
    assert ws.datasets.refresh("d") == before
    assert read == []
    draw(pictures / "red" / "00.jpg", 999)
    os.utime(pictures / "red" / "01.png", ns=(1, 1))
    after = ws.datasets.refresh("d")
    assert sorted(path.name for path in read) == ["00.jpg", "01.png"]
    assert after.digest != before.digest


def test_a_file_that_was_replaced_with_its_size_and_time_kept_is_found_by_its_inode(ws, pictures):
    ws.datasets.add("d", pictures)
    file = pictures / "red" / "01.png"
    status, content = file.stat(), bytearray(file.read_bytes())
    content[-20] ^= 1
    other = file.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    before = ws.datasets.get("d").digest
    assert ws.datasets.refresh("d").digest != before


def test_adding_files_moves_no_sample_to_another_split(ws, pictures):
    ws.datasets.add("d", pictures)
    before = {sample.digest: sample.split for sample in manifest_of(ws).samples}
    for number in range(40):
        draw(pictures / "red" / f"new{number}.png", 5000 + number)
    ws.datasets.refresh("d")
    after = {sample.digest: sample.split for sample in manifest_of(ws).samples}
    assert len(after) == 76
    assert all(after[digest] == split for digest, split in before.items())


def test_renaming_the_folder_does_not_change_the_dataset(ws, pictures):
    first = ws.datasets.add("d", pictures)
    pictures.rename(pictures.with_name("moved"))
    second = ws.datasets.add("e", pictures.with_name("moved"))
    assert second.digest == first.digest


def test_copies_are_counted_once_among_the_different_ones(ws, pictures):
    (pictures / "red" / "copy.png").write_bytes((pictures / "red" / "01.png").read_bytes())
    dataset = ws.datasets.add("d", pictures)
    assert (dataset.samples, dataset.unique) == (37, 36)


def test_files_come_in_the_order_of_their_paths_parts(ws, tmp_path):
    names = [
        "a-b.png",
        "a.png",
        "a/z.png",
        "a/b/c.png",
        "a!/x.png",
        "B.png",
        "a.b/q.PNG",
        "z/é.jpg",
    ]
    for number, name in enumerate([*names, "..png", "x.", "png"]):
        draw(tmp_path / "d" / "class" / f"{number}.png", number, (4, 4))
        (tmp_path / "d" / "class" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "d" / "class" / f"{number}.png").rename(tmp_path / "d" / "class" / name)
    with pytest.warns(HeadstartWarning, match="not used: file 'class/png', file 'class/x.'$"):
        ws.datasets.add("d", tmp_path / "d")
    expected = sorted(Path("class", name) for name in names)
    assert [sample.id for sample in manifest_of(ws).samples] == [str(path) for path in expected]


@pytest.mark.parametrize("place", ["red/x.png", "red/deep", "loop", "table.csv", "named"])
def test_a_link_to_itself_is_one_clear_line(ws, pictures, fails, tmp_path, place):
    link = pictures / place
    if place == "named":
        link = tmp_path / "self.png"
        (pictures / "table.csv").write_text(f"image,label\n{link},a\n")
    link.symlink_to(link)
    source = pictures / "table.csv" if place in ("table.csv", "named") else pictures
    if place == "loop":  # no class folder; the others are read
        with pytest.warns(HeadstartWarning, match="not used: file 'loop'$"):
            ws.datasets.add("d", source)
        return
    message = fails("dataset", "add", "d", source)
    assert str(link) in message
    assert "bug" not in message


def test_a_folder_that_leads_back_into_itself_is_an_error(ws, pictures, fails):
    (pictures / "red" / "again").symlink_to(pictures)
    message = fails("dataset", "add", "d", pictures)
    assert f"the folder {pictures / 'red' / 'again'}" in message
    assert "lies in itself" in message


def test_a_link_to_another_folder_is_followed(ws, pictures, tmp_path):
    draw(tmp_path / "other" / "x.png", 77)
    (pictures / "red" / "more").symlink_to(tmp_path / "other")
    assert ws.datasets.add("d", pictures).samples == 37


def test_a_name_that_is_no_text_is_an_error(ws, pictures, fails):
    name = os.fsencode(pictures / "red") + b"/\xff.png"
    Path(os.fsdecode(name)).write_bytes(b"x")
    message = fails("dataset", "add", "d", pictures)
    assert "red/" in message
    assert "is not UTF-8" in message


@pytest.fixture
def large(ws, tmp_path):
    """A dataset of 6,000 files that are no pictures; they are never decoded."""
    for number in range(6_000):
        path = tmp_path / "large" / f"c{number % 3}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    ws.datasets.add("large", tmp_path / "large")
    return tmp_path / "large"


def test_one_new_file_among_many_costs_little_to_find_and_to_write(ws, large, files_of):
    root = ws.config.root
    before = files_of(root)
    (large / "c1" / "new.png").write_bytes(b"new")
    with cProfile.Profile() as profile:
        after = ws.datasets.refresh("large")
    assert after.samples == 6_001
    calls = sum(entry.callcount for entry in profile.getstats())
    assert calls < 60 * 6_000  # 235 a file before parts and directory entries
    written = [path for path in files_of(root) - before if "headstart.db" not in path]
    assert 2 <= len(written) <= 3
    assert sum((root / path).stat().st_size for path in written) < 700_000  # it was 1.3 MB


@pytest.fixture
def parts_read(monkeypatch):
    """The parts of manifests that are read, in order."""
    real, seen = manifest.read_part, []

    def read(folder, source, part, *more):
        seen.append(part.file)
        return real(folder, source, part, *more)

    monkeypatch.setattr(manifest, "read_part", read)
    return seen


def test_a_command_reads_a_manifest_at_most_once(ws, large, tmp_path, run, parts_read):
    parts = len(list((ws.config.root / "manifests-parts").iterdir()))
    assert parts > 1
    (large / "c1" / "new.png").write_bytes(b"new")
    ran = run("dataset", "refresh", "large", "--json")
    assert ran.json["samples"] == sum(ran.json["splits"].values()) == 6_001
    assert len(parts_read) == len(set(parts_read)) == parts
    parts_read.clear()
    other = run("dataset", "add", "other", large, "--json").json
    # Dealt out as a whole, it has other splits than what one sample was added to.
    own = ("name", "created_at", "digest", "splits")
    assert [other[name] for name in other if name not in own] == [
        ran.json[name] for name in ran.json if name not in own
    ]
    assert parts_read == []  # what was just written is at hand
    table = tmp_path / "table.csv"
    table.write_text("text,label\n" + "".join(f"t{n},c{n % 3}\n" for n in range(6_000)))
    run("dataset", "add", "table", table, "--text-column", "text")
    assert parts_read == []
    run("dataset", "show", "large")
    assert len(parts_read) == len(set(parts_read)) > 1


def test_what_is_as_before_is_not_gone_through_by_the_garbage_collector(ws, large):
    """Everything that is made is kept or gone at once, so that there is nothing to be found."""
    name, rounds = ws.datasets.get("large").manifest, []
    source = open_source("folder", str(large), {})
    collector.collect()
    collector.callbacks.append(lambda phase, info: rounds.append(phase))
    try:
        before = manifest.Manifest.read(ws.config.manifests / name)
        read = len(rounds)
        assert rescan(source, {}, before) == before
    finally:
        collector.callbacks.pop()
    assert read <= 2  # begin and end of one that was put off; it was 34
    assert len(rounds) - read <= 20  # it was 48


def test_a_part_that_is_lost_is_written_again_by_adding_the_dataset_again(ws, large, fails):
    known = ws.datasets.get("large")
    part = next((ws.config.root / "manifests-parts").iterdir())
    part.write_bytes(b"{}")
    assert "is damaged" in fails("dataset", "show", "large")
    ws.datasets.add("large", large)
    assert ws.datasets.get("large").digest == known.digest
    assert len(ws.datasets.manifest("large").samples) == 6_000


def test_gc_keeps_the_parts_of_registered_datasets_and_collects_the_others(ws, large, monkeypatch):
    monkeypatch.setattr(gc, "MANIFEST_SECONDS", -1.0)
    (large / "c1" / "new.png").write_bytes(b"new")
    ws.datasets.refresh("large")
    deleted = ws.cache.collect(ws.cache.find_garbage())
    assert {one.kind for one in deleted} == {"manifest"}
    assert 2 <= len(deleted) <= 3  # the old index, and what parts were replaced
    assert len(ws.datasets.manifest("large").samples) == 6_001
    ws.datasets.remove("large")
    ws.cache.collect(ws.cache.find_garbage())
    assert not list((ws.config.root / "manifests-parts").iterdir())


# CSV


def test_a_csv_is_read_in_its_order_with_paths_relative_to_it(ws, csv):
    dataset = ws.datasets.add("d", csv(GOOD))
    assert [sample.id for sample in manifest_of(ws).samples] == [f"img/{n}.png" for n in range(4)]
    assert dataset.classes == ["a", "b"]


def test_columns_are_found_by_usual_names_or_as_told(ws, csv):
    ws.datasets.add("d", csv("\ufeffFilename;x,Class\n".replace(";x", "") + "img/0.png,a\n"))
    file = csv("key,where,what,part\nk1,img/0.png,a,val\nk2,img/1.png,b,test\n", "e.csv")
    ws.datasets.add(
        "e", file, path_column="where", label_column="what", split_column="part", id_column="key"
    )
    samples = ws.datasets.manifest("e").samples
    assert [(s.id, s.label, s.split) for s in samples] == [
        ("k1", "a", "validation"),
        ("k2", "b", "test"),
    ]


def test_a_tsv_is_read_too(ws, csv):
    assert ws.datasets.add("d", csv(GOOD.replace(",", "\t"), "d.tsv")).samples == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "img/9.png,a\n", "line 6: no file"),
        (GOOD + "img/0.png,a\n", "the id 'img/0.png' occurs 2 times"),
        (GOOD.replace("img/2.png,a", "img/2.png,"), "line 4: no label"),
        (GOOD.replace("img/2.png,a", "img/2.png"), "line 4: no label"),
        (GOOD.replace("img/2.png,a", ",a"), "line 4: no path"),
        (GOOD.replace("label", "colour"), "has no label column; its columns are path, colour"),
        (GOOD.replace("path", "place"), "has no path or text column"),
        ("path,label\n", "lists no samples"),
        ("", "has no label column; its columns are none"),
        ("path,label,split\nimg/0.png,a,holdout\n", "line 2: split is 'holdout'"),
    ],
)
def test_a_wrong_csv_is_an_error_that_names_the_place(ws, csv, fails, text, message, files_of):
    file = csv(text)
    before = files_of(ws.config.root)
    said = fails("dataset", "add", "d", file)
    assert str(file) in said
    assert message in said
    assert ws.datasets.list() == []
    assert len(files_of(ws.config.root) - before) == 0 or all(
        "headstart.db" in name for name in files_of(ws.config.root) - before
    )


def test_a_csv_of_another_encoding_is_an_error(ws, tmp_path, fails):
    (tmp_path / "d.csv").write_bytes("path,label\nimg/é.png,é\n".encode("utf-16"))
    assert "not a readable CSV file" in fails("dataset", "add", "d", tmp_path / "d.csv")


def test_a_column_that_is_not_there_is_an_error(ws, csv, fails):
    said = fails("dataset", "add", "d", csv(GOOD), "--label-column", "labl")
    assert "has no column 'labl'" in said
    assert "Did you mean 'label'?" in said


def test_an_error_at_refresh_leaves_the_dataset_as_it_was(ws, csv, fails):
    before = ws.datasets.add("d", csv(GOOD))
    csv(GOOD + "img/9.png,a\n")
    assert "no file" in fails("dataset", "refresh", "d")
    assert ws.datasets.get("d") == before
    assert len(manifest_of(ws).samples) == 4


# arrays


def arrays(tmp_path, **members):
    np.savez(tmp_path / "d.npz", **members)
    return tmp_path / "d.npz"


def test_an_npz_holds_samples_and_labels(ws, tmp_path):
    x = np.arange(12).reshape(4, 3)
    dataset = ws.datasets.add("d", arrays(tmp_path, x=x, y=np.array(["a", "b", "a", "b"])))
    assert (dataset.kind, dataset.samples, dataset.classes) == ("arrays", 4, ["a", "b"])
    assert [sample.id for sample in manifest_of(ws).samples] == ["0", "1", "2", "3"]


def test_integer_labels_stay_integers(ws, tmp_path):
    ws.datasets.add("d", arrays(tmp_path, x=np.eye(4), y=np.array([10, 9, 10, 9], np.uint8)))
    assert manifest_of(ws).classes == [9, 10]


def test_ids_and_splits_can_come_along(ws, tmp_path):
    file = arrays(
        tmp_path, x=np.eye(3), y=[0, 1, 0], ids=["p", "q", "r"], split=["train", "val", "test"]
    )
    ws.datasets.add("d", file)
    assert [(s.id, s.split) for s in manifest_of(ws).samples] == [
        ("p", "train"),
        ("q", "validation"),
        ("r", "test"),
    ]


@pytest.mark.parametrize("labels", ["labels.npy", "labels.txt"])
def test_an_npy_takes_its_labels_from_another_file(ws, tmp_path, labels):
    np.save(tmp_path / "d.npy", np.eye(3))
    if labels.endswith("npy"):
        np.save(tmp_path / labels, np.array(["a", "b", "a"]))
    else:
        (tmp_path / labels).write_text("a\nb\na\n")
    dataset = ws.datasets.add("d", tmp_path / "d.npy", labels=tmp_path / labels)
    assert dataset.classes == ["a", "b"]


def test_arrays_that_have_not_changed_are_not_read_again(ws, tmp_path, monkeypatch):
    file = arrays(tmp_path, x=np.eye(3), y=[0, 1, 0])
    ws.datasets.add("d", file)
    monkeypatch.setattr(ArraySource, "scan", lambda *_: pytest.fail("read again"))
    ws.datasets.refresh("d")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x": np.eye(4), "y": [0, 1]}, "has 4 rows, but 2 labels"),
        ({"x": np.eye(2), "y": [0, 1], "ids": ["a"]}, "has 2 rows, but 1 ids"),
        ({"x": np.eye(2), "y": [0, 1], "ids": ["a", "a"]}, "the id 'a' occurs 2 times"),
        ({"y": [0, 1]}, "holds no array of samples; it holds y"),
        (
            {"a": np.eye(2), "b": np.eye(3), "y": [0, 1]},
            "different numbers of rows: a 2, b 3",
        ),
        (
            {"x": np.eye(2), "y": np.zeros((2, 1, 2))},
            "row 0: the label array([[0., 0.]]) is neither",
        ),
        ({"x": np.eye(2), "y": [0.5, np.inf]}, "row 1: the label inf is neither"),
        ({"x": np.eye(2), "y": [1, np.nan]}, "row 1: the label nan is neither"),
        ({"x": np.eye(2), "y": ["a", ""]}, "row 1: the label '' is neither"),
        ({"x": np.zeros((0, 3)), "y": []}, "holds no rows"),
        ({"x": np.array(3), "y": [1]}, "a single number"),
        ({"x": np.array([{}, {}]), "y": [0, 1]}, "object arrays are refused"),
    ],
)
def test_wrong_arrays_are_an_error_that_names_the_place(ws, tmp_path, fails, members, message):
    file = arrays(tmp_path, **members)
    said = fails("dataset", "add", "d", file)
    assert str(file) in said
    assert message in said
    assert ws.datasets.list() == []


@pytest.mark.parametrize("name", ["d.npz", "d.npy"])
def test_a_damaged_array_file_is_an_error(ws, tmp_path, fails, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
    assert "is not a readable NumPy file" in fails("dataset", "add", "d", tmp_path / name)


def test_a_kind_that_is_not_known_is_an_error(ws, tmp_path, fails):
    (tmp_path / "d.xml").write_text("x")
    assert "is none of: a folder" in fails("dataset", "add", "d", tmp_path / "d.xml")
    assert "no dataset kind 'xml'" in fails(
        "dataset", "add", "d", tmp_path / "d.xml", "--kind", "xml"
    )
