"""Every kind of source keeps the contract of `extractors/datasets/source.py`."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import layout_makers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from conftest import draw
from headstart.errors import DatasetError, SampleError
from headstart.extractors.datasets import SOURCES, checked, find_kind, kind_of, open_source, scan
from headstart.notices import HeadstartWarning
from headstart.storage.keys import digest_of
from headstart.storage.manifest import SPLITS


def folder(root: Path) -> Path:
    for number in range(12):
        draw(root / "pics" / "ab"[number % 2] / f"{number:02}.png", number, (4, 4))
    return root / "pics"


def files(root: Path) -> Path:
    folder(root)
    rows = "".join(f"pics/{'ab'[n % 2]}/{n:02}.png,{'ab'[n % 2]}\n" for n in range(12))
    (root / "t.csv").write_text(f"path,label\n{rows}")
    return root / "t.csv"


def texts(root: Path) -> Path:
    rows = [{"id": f"r{n}", "text": f"text {n}", "label": "ab"[n % 2]} for n in range(12)]
    (root / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return root / "t.jsonl"


def numbers(root: Path) -> Path:
    rows = "".join(f"{n}\t{n / 7}\t{n % 2}\n" for n in range(12))
    (root / "t.tsv").write_text(f"age\theight\tlabel\n{rows}")
    return root / "t.tsv"


def archive(root: Path) -> Path:
    np.savez(root / "d.npz", x=np.arange(36.0).reshape(12, 3), y=np.arange(12) % 2)
    return root / "d.npz"


def several(root: Path) -> Path:
    x = np.arange(36.0, dtype=np.float32).reshape(12, 3)
    np.savez(root / "s.npz", left=x, right=x + 1, y=np.arange(12) % 2)
    return root / "s.npz"


def array(root: Path) -> Path:
    np.save(root / "d.npy", np.arange(36.0).reshape(12, 3))
    (root / "labels.txt").write_text("a\nb\n" * 6)
    return root / "d.npy"


def parquet(root: Path) -> Path:
    content = [draw(root / "p" / f"{n}.png", n, (4, 4)).read_bytes() for n in range(12)]
    table = pa.table({"image": content, "label": ["a", "b"] * 6})
    pq.write_table(table, root / "d.parquet", row_group_size=5)
    return root / "d.parquet"


def arrow(root: Path) -> Path:
    rows = np.arange(36.0).reshape(12, 3).tolist()
    feather.write_feather(pa.table({"x": rows, "y": [0, 1] * 6}), root / "d.arrow", chunksize=5)
    return root / "d.arrow"


def parquet_of_files(root: Path) -> Path:
    folder(root)
    names = [f"pics/{'ab'[n % 2]}/{n:02}.png" for n in range(12)]
    pq.write_table(pa.table({"path": names, "label": ["a", "b"] * 6}), root / "f.parquet")
    return root / "f.parquet"


def of_splits(root: Path) -> Path:
    x, y = np.arange(36.0).reshape(12, 3), np.arange(12) % 2
    np.savez(root / "k.npz", x_train=x[:7], y_train=y[:7], x_test=x[7:], y_test=y[7:])
    return root / "k.npz"


def folder_of_splits(root: Path) -> Path:
    for number in range(12):
        place = root / "tt" / ("train", "val", "test")[number % 3] / "ab"[number % 2]
        draw(place / f"{number:02}.png", number, (4, 4))
    return root / "tt"


def tar(root: Path) -> Path:
    return layout_makers.webdataset(folder(root), root)


def records(root: Path) -> Path:
    return layout_makers.tfrecord(folder(root), root)


def annotations(root: Path) -> Path:
    return layout_makers.coco(folder(root), root)


def boxes(root: Path) -> Path:
    return layout_makers.yolo(folder(root), root)


def metadata(root: Path) -> Path:
    return layout_makers.imagefolder(folder(root), root)


def builder(root: Path) -> Path:
    return layout_makers.tfds(folder(root), root)


MAKERS = {
    "folder": ("folder", folder, {}),
    "folder-of-splits": ("folder", folder_of_splits, {}),
    "table-of-files": ("csv", files, {}),
    "table-of-texts": ("csv", texts, {}),
    "table-of-numbers": ("csv", numbers, {}),
    "arrays-npz": ("arrays", archive, {}),
    "arrays-of-splits": ("arrays", of_splits, {}),
    "arrays-several-inputs": ("arrays", several, {}),
    "parquet": ("parquet", parquet, {}),
    "parquet-of-files": ("parquet", parquet_of_files, {}),
    "arrow": ("parquet", arrow, {"label_column": "y"}),
    "arrays-npy": ("arrays", array, {"labels": "labels.txt"}),
    "coco": ("coco", annotations, {}),
    "yolo": ("yolo", boxes, {}),
    "imagefolder": ("imagefolder", metadata, {}),
    "tfds": ("tfds", builder, {}),
    "tfrecord": ("tfrecord", records, {}),
    "webdataset": ("webdataset", tar, {}),
}


@pytest.fixture(params=MAKERS)
def made(request, tmp_path):
    """The kind, the path and the options of a source with twelve samples of two classes."""
    kind, make, options = MAKERS[request.param]
    path = str(make(tmp_path))
    given = {
        name: str(tmp_path / value) if name == "labels" else value
        for name, value in options.items()
    }
    return kind, path, given


@pytest.fixture
def opened(made):
    kind, path, options = made
    return open_source(kind, path, options)


def test_it_is_recognised_by_its_own_kind_alone(made):
    kind, path, _ = made
    assert find_kind(path) == kind_of(path) == kind
    others = [one for name, one in dict(SOURCES).items() if name != kind]
    assert all(one.recognise(path) < SOURCES[kind].recognise(path) for one in others)


@pytest.mark.parametrize("kind", list(SOURCES))
@pytest.mark.parametrize(
    "text", ["", "/", "no/such", "hf:some/set", "s3://bucket/x", "a\nb", "a\0b", "é.x", "x" * 5000]
)
def test_no_text_whatever_makes_recognise_fail(kind, text):
    assert 0 <= SOURCES[kind].recognise(text) <= 1


def test_a_path_that_is_too_long_is_an_error_in_one_line(ws, fails):
    assert "no file or folder" in fails("dataset", "add", "d", "x" * 5000)


@pytest.mark.parametrize("kind", list(SOURCES))
def test_opening_reads_nothing(kind, tmp_path):
    made = open_source(kind, str(tmp_path / "gone"), {})
    assert made.source == str(tmp_path / "gone")
    with pytest.raises((DatasetError, SampleError)):
        made.read(0 if kind == "arrays" else str(tmp_path / "gone" / "x.png"))


@pytest.mark.parametrize("kind", list(SOURCES))
def test_it_declares_what_it_is(kind):
    made = SOURCES[kind]
    assert made.kind == kind and made.what
    names = [option.name for option in made.options]
    assert len(names) == len(set(names))
    assert all(option.help.endswith(".") for option in made.options)


def test_samples_have_ids_labels_and_places_and_come_in_the_same_order_again(opened, made):
    entries = list(opened.scan())
    assert len(entries) == 12
    assert len({entry.id for entry in entries}) == 12
    assert len({entry.label for entry in entries}) == 2
    again = open_source(*made)
    assert [entry.id for entry in again.scan()] == [entry.id for entry in entries]
    assert not again.unused()


def test_a_digest_is_that_of_what_is_read(opened):
    for entry in opened.scan():
        digest = digest_of(opened.read(entry.location))
        assert opened.digest(entry.location) == digest
        assert entry.digest in (None, digest)


def test_samples_are_read_from_several_threads(opened):
    places = [entry.location for entry in opened.scan()] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: digest_of(opened.read(place)), places))
    assert found == found[:12] * 8


def test_what_is_there_without_labels_is_what_is_there_with_them(made):
    kind, path, options = made
    with_labels = open_source(kind, path, options)
    wanted = [digest_of(with_labels.read(entry.location)) for entry in with_labels.scan()]
    plain = open_source(kind, path, {})
    assert [digest_of(plain.read(place)) for place in plain.locations()] == wanted


def test_a_stamp_changes_with_the_source_and_is_that_of_its_samples(made):
    kind, path, options = made
    opened = open_source(kind, path, options)
    before = opened.stamp()
    if not before:
        return  # it changes sample by sample
    assert {entry.stat for entry in opened.scan()} == {before}
    file = Path(path) if Path(path).is_file() else next(Path(path).iterdir())
    file.write_bytes(file.read_bytes() + b" ")
    assert opened.stamp() != before


def test_a_sample_that_is_gone_is_an_error_of_ours(opened, made):
    place = next(opened.scan()).location
    gone = 99 if isinstance(place, int) else f"{place}.gone"
    with pytest.raises(SampleError):
        open_source(*made).read(gone)


def test_the_manifest_has_every_sample_in_one_split(opened, made):
    manifest = scan(opened, made[2])
    assert len(manifest.samples) == 12 and manifest.kind == made[0]
    assert {sample.split for sample in manifest.samples} <= set(SPLITS)
    assert scan(open_source(*made), made[2], manifest) == manifest


@pytest.mark.parametrize("kind", list(SOURCES))
def test_an_option_of_another_kind_is_refused_and_said_whose_it_is(kind):
    known = dict(SOURCES)
    for other in known.values():
        for option in other.options:
            if option.name in {own.name for own in known[kind].options}:
                continue
            with pytest.raises(DatasetError) as error:
                checked(known[kind], {option.name: "x"}, known.values())
            whose = str(error.value).partition("which is for ")[2]
            assert option.name in str(error.value) and other.kind in whose


# What the seam is for: nothing that is not used is passed over in silence.


def test_an_option_that_arrays_do_not_know_is_refused_and_named(ws, tmp_path, fails):
    np.savez(tmp_path / "g.npz", x=np.eye(4), y=[0, 1, 0, 1], groups=[1, 1, 2, 2])
    said = fails("dataset", "add", "g", tmp_path / "g.npz", "--group-column", "groups")
    assert "of kind arrays does not know the option --group-column" in said
    assert "csv" in said.partition("which is for ")[2]
    assert ws.datasets.list() == []


def test_a_misspelt_option_is_refused_with_the_nearest_name(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(4), y=[0, 1, 0, 1])
    with pytest.raises(DatasetError, match=r"option 'lable_column'\. Did you mean 'label_column'"):
        ws.datasets.add("a", tmp_path / "a.npz", lable_column="y")
    assert ws.datasets.list() == []


def test_arrays_that_nothing_is_taken_from_are_named(ws, tmp_path, run):
    x = np.eye(4)
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1, 0, 1], names=["a", "b", "c", "d"], x_test=x)
    with pytest.warns(
        HeadstartWarning, match=r"not used: array 'names', array 'x_test' \(next to 'x'\)$"
    ):
        ws.datasets.add("a", tmp_path / "a.npz")
    ran = run("dataset", "add", "b", tmp_path / "a.npz")
    assert ran.code == 0
    assert (
        "warning: " in ran.err
        and "not used: array 'names', array 'x_test' (next to 'x')" in ran.err
    )


def test_labels_that_other_labels_stand_in_for_are_named(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(4), y=[0, 1, 0, 1])
    (tmp_path / "l.txt").write_text("a\nb\na\nb\n")
    with pytest.warns(HeadstartWarning, match="not used: array 'y'"):
        dataset = ws.datasets.add("a", tmp_path / "a.npz", labels=tmp_path / "l.txt")
    assert dataset.classes == ["a", "b"]


def test_columns_and_cells_that_nothing_is_taken_from_are_named(ws, tmp_path):
    (tmp_path / "t.csv").write_text("text,label,by\nhello,a,me\nthere,b,you,7\n")
    message = r"not used: column 'by', cells behind the last column \(.*line 3\)$"
    with pytest.warns(HeadstartWarning, match=message):
        ws.datasets.add("t", tmp_path / "t.csv")


def test_a_column_whose_name_occurs_twice_is_named(ws, tmp_path):
    (tmp_path / "t.csv").write_text("text,label,label\nhello,a,x\nthere,b,y\n")
    with pytest.warns(HeadstartWarning, match="not used: all but the last column 'label'$"):
        assert ws.datasets.add("t", tmp_path / "t.csv").classes == ["x", "y"]


def test_an_option_that_another_one_makes_idle_is_named(ws, tmp_path):
    (tmp_path / "t.csv").write_text("text,label,by\n1 hello,a,me\n2 there,b,you\n")
    how = {"values": ["text:text"], "text_column": "text", "group_column": "by"}
    message = "not used: option group_pattern, option text_column$"
    with pytest.warns(HeadstartWarning, match=message):
        ws.datasets.add("t", tmp_path / "t.csv", group_pattern=r"\d", **how)


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_a_column_without_a_name_is_not_taken_for_the_split(ws, tmp_path):
    (tmp_path / "t.csv").write_text(",text,label\ntest,hello,a\ntest,there,b\n")
    ws.datasets.add("t", tmp_path / "t.csv")
    (tmp_path / "u.csv").write_text("text,label\nhello,a\nthere,b\n")
    ws.datasets.add("u", tmp_path / "u.csv")
    splits = [[s.split for s in ws.datasets.manifest(name).samples] for name in "tu"]
    assert splits[0] == splits[1]


@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_the_index_of_a_data_frame_is_no_number_of_the_samples(ws, tmp_path, index):
    """`df.to_csv("t.csv")` writes it in front: where rows are sorted, it knows the label."""
    rows = "".join(f"{n},{n % 7},{n * n % 11},{n // 6}\n" for n in range(12))
    (tmp_path / "t.csv").write_text(f"{index},age,height,label\n{rows}")
    message = "not used: column 1, .*an index that a data frame was saved with"
    with pytest.warns(HeadstartWarning, match=message) as said:
        ws.datasets.add("t", tmp_path / "t.csv")
    assert [one.category for one in said].count(HeadstartWarning) == 1
    raws = list(open_source("csv", str(tmp_path / "t.csv"), {}).scan())
    assert open_source("csv", str(tmp_path / "t.csv"), {}).read(5).tolist() == [5, 25 % 11]
    assert len(raws) == 12
    before = open_source("csv", str(tmp_path / "t.csv"), {"deal": "before"})
    assert before.read(5).tolist() == [5, 5, 25 % 11]  # as it was registered


def test_a_column_without_a_name_that_is_not_the_first_is_left_out_and_named(ws, tmp_path):
    (tmp_path / "t.csv").write_text("age,,label\n1,2,a\n3,4,b\n")
    with pytest.warns(HeadstartWarning, match="not used: column 2, which has no name$"):
        ws.datasets.add("t", tmp_path / "t.csv")
    assert open_source("csv", str(tmp_path / "t.csv"), {}).read(1).tolist() == [3]


def test_a_group_pattern_counts_although_the_arrays_are_the_same_as_before(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(4), y=[0, 1, 0, 1], ids=["p_1", "p_2", "q_1", "q_2"])
    ws.datasets.add("a", tmp_path / "a.npz")
    ws.datasets.add("a", tmp_path / "a.npz", group_pattern="^[a-z]")
    assert [s.group for s in ws.datasets.manifest("a").samples] == ["p", "p", "q", "q"]


def test_a_split_that_a_table_said_is_not_left_to_a_folder_of_the_same_files(tmp_path):
    root = folder(tmp_path)
    rows = "".join(f"{'ab'[n % 2]}/{n:02}.png,{'ab'[n % 2]},test\n" for n in range(12))
    (root / "t.csv").write_text(f"path,label,split\n{rows}")
    before = scan(open_source("csv", str(root / "t.csv"), {}), {})
    assert {sample.split for sample in before.samples} == {"test"}
    again = scan(open_source("folder", str(root), {}), {}, before)
    assert again == scan(open_source("folder", str(root), {}), {})
