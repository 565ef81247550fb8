"""Tars of samples: what each member becomes, and what is refused of tars of others."""

import gzip
import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from layout_makers import members, put, webdataset, webdataset_shards, write_tar

from conftest import draw, draw_classes
from headstart.errors import DatasetError, HeadstartError, SampleChanged
from headstart.extractors.datasets import find_kind, open_source, scan
from headstart.notices import HeadstartNote, HeadstartWarning
from headstart.storage.keys import digest_of


@pytest.fixture
def folder(tmp_path):
    return draw_classes(tmp_path / "pictures")


def read(source, **options):
    return scan(open_source("webdataset", str(source), options), options)


def known(manifest):
    return sorted((one.digest, one.label) for one in manifest.samples)


def of_folder(folder):
    return known(scan(open_source("folder", str(folder), {}), {}))


def text_tar(path, *samples):
    """A tar of texts with the members that are given."""
    return write_tar(path, [(f"{n:03}", one) for n, one in enumerate(samples)])


def refused(source, **options):
    with pytest.raises(DatasetError) as error:
        read(source, **options)
    said = str(error.value)
    assert "\n" not in said and len(said) < 400
    return said


def test_a_tar_holds_the_samples_of_the_folder_that_it_was_made_of(folder, tmp_path):
    tar = webdataset(folder, tmp_path)
    assert known(read(tar)) == of_folder(folder)
    assert read(tar).samples[0].id == "blue_00"


def test_several_tars_by_pattern_wildcard_and_folder_are_one_dataset(folder, tmp_path):
    pattern = webdataset_shards(folder, tmp_path / "tars")
    for source in (pattern, tmp_path / "tars" / "shard-*.tar", tmp_path / "tars"):
        assert find_kind(str(source)) == "webdataset"
        manifest = read(source)
        assert known(manifest) == of_folder(folder)
        assert manifest.samples[0].id == "shard-000/blue_00"


def test_a_pattern_is_registered_and_refreshed(ws, folder, tmp_path):
    pattern = webdataset_shards(folder, tmp_path / "tars")
    assert ws.datasets.add("tars", pattern).samples == 36
    assert ws.datasets.refresh("tars").samples == 36
    write_tar(tmp_path / "tars" / "shard-001.tar", members(folder)[1:2])
    assert ws.datasets.refresh("tars").samples == 25


def test_a_tar_that_a_pattern_names_and_is_not_there_is_named(ws, folder, tmp_path, fails):
    webdataset_shards(folder, tmp_path / "tars")
    (tmp_path / "tars" / "shard-001.tar").unlink()
    said = fails("dataset", "add", "t", tmp_path / "tars" / "shard-{000..004}.tar")
    assert "shard-001.tar, one of 3 of 5" in said
    assert "no file or folder" in fails("dataset", "add", "t", tmp_path / "tars" / "x-{0..4}.tar")


def test_a_pattern_of_ever_so_many_files_is_refused(tmp_path):
    assert "more than 100,000 files" in refused(tmp_path / "x-{0..99999}-{0..99999}.tar")
    assert "more than 100,000 files" in refused(tmp_path / "x-{0..999999999}.tar")


def test_tars_that_are_called_like_splits_are_splits_which_is_said(ws, folder, tmp_path):
    found = members(folder)
    for number, name in enumerate(("train-000", "train-001", "val-000", "my-test-000")):
        write_tar(tmp_path / "tars" / f"{name}.tar", found[number::4])
    with pytest.warns(HeadstartNote, match="splits by their names: 1 of test, 2 of train, 1 of va"):
        ws.datasets.add("t", tmp_path / "tars")
    splits = {s.id.split("/")[0]: s.split for s in ws.datasets.manifest("t").samples}
    assert splits == {
        "train-000": "train",
        "train-001": "train",
        "val-000": "validation",
        "my-test-000": "test",
    }
    with pytest.warns(HeadstartWarning, match="not used: the splits that it says"):
        read(tmp_path / "tars", split="stratified", deal="stratified")


def test_folders_of_tars_that_are_called_like_splits_are_splits(folder, tmp_path):
    found = members(folder)
    for number, name in enumerate(("train", "val")):
        write_tar(tmp_path / "tars" / name / "000.tar", found[number::2])
    assert find_kind(str(tmp_path / "tars")) == "webdataset"
    assert {(s.id.split("/")[0], s.split) for s in read(tmp_path / "tars").samples} == {
        ("train", "train"),
        ("val", "validation"),
    }


def test_tars_of_one_split_are_dealt_out_and_a_stranger_among_splits_is_an_error(folder, tmp_path):
    found = members(folder)
    write_tar(tmp_path / "tars" / "train-0.tar", found)
    with pytest.warns(HeadstartNote, match="all files are called train, and are dealt out"):
        manifest = read(tmp_path / "tars")
    assert {one.split for one in manifest.samples} == {"train", "validation", "test"}
    write_tar(tmp_path / "tars" / "extra.tar", found[:1])
    said = refused(tmp_path / "tars")
    assert "train-0.tar is called like a split, extra.tar is not" in said and "--split" in said
    assert len(read(tmp_path / "tars", split="hash", deal="hash").samples) == 37


def test_a_folder_of_pictures_with_a_tar_beside_them_is_a_folder(folder, tmp_path):
    write_tar(folder / "backup.tar", members(folder)[:2])
    assert find_kind(str(folder)) == "folder"
    draw(tmp_path / "flat" / "a.png", 1)
    write_tar(tmp_path / "flat" / "backup.tar", members(folder)[:2])
    assert find_kind(str(tmp_path / "flat")) == "folder"


@pytest.mark.parametrize(
    ("members", "options", "label"),
    [
        ({"cls": b"3\n"}, {}, 3),
        ({"cls": b"dog"}, {}, "dog"),
        ({"cls.txt": b"dog", "json": b'{"label": "cat"}'}, {}, "dog"),
        ({"json": b'{"label": "cat", "url": "u"}'}, {}, "cat"),
        ({"json": b'{"class": 7}'}, {}, 7),
        ({"json": b'{"label": ["a", "b"]}'}, {}, "a|b"),
        ({"json": b'{"kind": "owl", "label": 1}'}, {"label_column": "kind"}, "owl"),
        ({"cls": b"3", "json": b'{"kind": "owl"}'}, {"label_column": "kind"}, "owl"),
        ({"species": b"owl"}, {"label_column": "species"}, "owl"),
        ({"cls": b"3"}, {"label_column": "none"}, None),
        ({}, {}, None),
    ],
)
def test_labels_are_where_others_put_them(tmp_path, members, options, label):
    tar = text_tar(tmp_path / "t.tar", {"txt": b"one", **members}, {"txt": b"two", **members})
    assert {one.label for one in read(tar, **options).samples} == {label}


def test_a_text_beside_a_picture_is_a_caption_unless_it_is_asked_for(ws, tmp_path):
    png = draw(tmp_path / "a.png", 1).read_bytes()
    tar = write_tar(tmp_path / "t.tar", [("a", {"png": png, "txt": b"a dog"})])
    with pytest.warns(HeadstartWarning, match=r"not used: member \.txt \(1 sample\)$"):
        ws.datasets.add("t", tar)
    sample = ws.datasets.manifest("t").samples[0]
    assert (sample.label, sample.digest) == (None, digest_of(png))
    assert read(tar, label_column="txt").samples[0].label == "a dog"


def test_members_and_fields_that_nothing_is_taken_from_are_named(ws, tmp_path):
    said = {"cls": b"1", "json": b'{"url": "u"}', "npy": b"..", "seg.png": b"x", "png": b"y"}
    tar = write_tar(tmp_path / "t.tar", [("a", said), ("b", {"png": b"z", "cls": b"0"})])
    with pytest.warns(HeadstartWarning) as warned:
        ws.datasets.add("t", tar)
    (unused,) = [str(one.message) for one in warned if "not used" in str(one.message)]
    for what in ("member .json (1 sample)", "member .npy (1", "member .seg.png (1"):
        assert what in unused
    assert ".cls" not in unused and ".png (2" not in unused
    digests = {one.digest for one in read(tar, member="png").samples}
    assert digests == {digest_of(b"y"), digest_of(b"z")}
    with pytest.warns(HeadstartWarning, match="field 'url' of .json"):
        tar = text_tar(tmp_path / "j.tar", {"txt": b"t", "json": b'{"url": "u", "label": "l"}'})
        ws.datasets.add("j", tar)


def test_a_sample_without_a_label_or_content_is_an_error_or_is_skipped(ws, tmp_path):
    good, bare = {"txt": b"one", "cls": b"1"}, {"txt": b"two"}
    tar = text_tar(tmp_path / "t.tar", bare, good, {"cls": b"0"}, {**good, "txt": b"three"})
    assert "sample '000' has no member cls" in refused(tar)
    with pytest.warns(HeadstartWarning, match="2 samples skipped: .*'002' has no member txt"):
        added = ws.datasets.add("t", tar, on_error="skip")
    assert added.samples == 2


def test_a_label_that_comes_late_is_not_passed_over(tmp_path):
    plain = [{"txt": b"%d" % n} for n in range(100)]
    tar = text_tar(tmp_path / "t.tar", *plain, {"txt": b"x", "cls": b"1"})
    assert "has a label, cls, unlike the first 100" in refused(tar)
    assert len(read(tar, label_column="none").samples) == 101


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "'' is neither"),
        (b"1\n2", "several lines"),
        (b"\xff\xfe", "is no text"),
        (b"x" * 5000, "5,000 bytes"),
    ],
)
def test_labels_that_are_none_are_named(tmp_path, content, why):
    tar = text_tar(tmp_path / "t.tar", {"txt": b"a", "cls": content})
    assert why in refused(tar) and "sample '000'" in refused(tar)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "is none"),
        (b"[1]", "is no object"),
        (b"[" * 100_000, "too deeply"),
        (b'{"label": null}', "no label in the field"),
        (b'{"label": {"a": 1}}', "no label in the field"),
        (b'{"label": ["a|b"]}', "stands between labels"),
    ],
)
def test_json_that_holds_no_label_is_named(tmp_path, content, why):
    assert why in refused(text_tar(tmp_path / "t.tar", {"txt": b"a", "json": content}))


def test_members_of_a_sample_that_do_not_stand_together_are_an_error(tmp_path):
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name in ("a.txt", "b.txt", "a.cls", "b.cls"):
            put(tar, name, b"1")
    assert "its members lie at two places" in refused(tmp_path / "t.tar")


def test_prediction_reads_without_labels(tmp_path):
    tar = text_tar(tmp_path / "t.tar", {"txt": b"one"}, {"txt": b"two", "cls": b"x"})
    source = open_source("webdataset", str(tar), {})
    assert [source.read(one) for one in source.locations()] == [b"one", b"two"]


def test_long_names_of_all_makes_and_folders_are_read(tmp_path):
    long = f"{'d' * 90}/{'é' * 80}"
    for number, form in enumerate((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
        with tarfile.open(tmp_path / f"{number}.tar", "w", format=form) as tar:
            folder = tarfile.TarInfo("./d")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            put(tar, f"./{long}.txt", b"one")
            put(tar, f"./{long}.cls", b"1")
        (sample,) = read(tmp_path / f"{number}.tar").samples
        assert (sample.id, sample.label) == (long, 1)


def test_samples_are_read_at_random_from_several_threads(folder, tmp_path):
    source = open_source("webdataset", webdataset_shards(folder, tmp_path / "tars"), {})
    wanted = {entry.location: source.digest(entry.location) for entry in source.scan()}
    places = np.random.default_rng(0).permutation(list(wanted) * 6).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: digest_of(source.read(place)), places))
    assert found == [wanted[place] for place in places]


# Tars of others: nothing is unpacked, and no header is believed.


def hostile(tmp_path, **changes):
    """A tar with one member that is as the changes say."""
    with tarfile.open(tmp_path / "h.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        put(tar, "a.txt", b"one")
        info = tarfile.TarInfo(changes.pop("name", "b.txt"))
        for name, value in changes.items():
            setattr(info, name, value)
        tar.addfile(info, io.BytesIO(b"x" * info.size) if info.isreg() else None)
    return tmp_path / "h.tar"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a link"),
        ({"type": tarfile.LNKTYPE, "linkname": "a.txt"}, "is a link"),
        ({"type": tarfile.SYMTYPE, "linkname": "l" * 500}, "is a link"),
        ({"type": tarfile.CHRTYPE}, "is a device"),
        ({"type": tarfile.BLKTYPE}, "is a device"),
        ({"type": tarfile.FIFOTYPE}, "is a FIFO"),
        ({"type": b"Z"}, "unknown type"),
        ({"name": "/etc/x.txt"}, "leads out of the tar"),
        ({"name": "../x.txt"}, "leads out of the tar"),
        ({"name": "a/../../x.txt"}, "leads out of the tar"),
        ({"name": "a\\..\\x.txt"}, "leads out of the tar"),
    ],
)
def test_members_that_are_no_plain_files_are_refused(tmp_path, changes, why):
    tar = hostile(tmp_path, **changes)
    assert why in refused(tar)
    with pytest.raises(DatasetError, match=why):
        list(open_source("webdataset", str(tar), {}).locations())


def edited(tmp_path, change):
    """A good tar of two samples, whose bytes were changed."""
    tar = text_tar(tmp_path / "e.tar", {"txt": b"one" * 300}, {"txt": b"two"})
    content = bytearray(tar.read_bytes())
    changed = change(content)
    tar.write_bytes(content if changed is None else changed)
    return tar


def with_size(content, size):
    """The first header with another size, and a checksum that fits."""
    info = tarfile.TarInfo.frombuf(bytes(content[:512]), "utf-8", "strict")
    info.size = size
    content[:512] = info.tobuf(tarfile.GNU_FORMAT)[:512]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: with_size(c, 10**12), "1,000,000,000,000 bytes, of which the file holds"),
        (lambda c: with_size(c, -512), "is said to have -512 bytes"),
        (lambda c: with_size(c, 100), "is damaged at byte"),
        (lambda c: c[:700], "is said to have 900 bytes, of which"),
        (lambda c: c[: 512 * 3], "without the mark of its end: it is cut off"),
        (lambda c: c[: 512 * 3 + 100], "is damaged at byte 1,536"),
        (lambda c: b"", "is empty"),
        (lambda c: c + b"more", "stands behind the end of the tar"),
        (lambda c: b"no tar at all" * 100, "is no tar"),
        (lambda c: gzip.compress(c), "is packed with gzip"),
    ],
)
def test_tars_that_are_damaged_cut_off_or_lie_are_refused(tmp_path, change, why):
    assert why in refused(edited(tmp_path, change))


def test_a_header_of_gigabytes_takes_no_memory(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, 1 << 36
        path = tmp_path / "x.tar"
        with path.open("wb") as file:
            file.write(info.tobuf(tarfile.GNU_FORMAT))
            file.truncate(1 << 37)  # the file is as large as it says, and takes no disk
        assert "a header of 68,719,476,736 bytes" in refused(path)


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (b"30 path=../../../etc/x.txt\n", "damaged extended header"),
        (b"27 path=../../../etc/x.txt\n", "leads out of the tar"),
        (b"20 size=99999999999\n", "of which the file holds"),
        (b"11 size=-1\n", "a size is '-1'"),
        (b"26 GNU.sparse.realsize=99\n", "is a sparse file"),
        (b"0 path=a\n", "damaged extended header"),
        (b"9999999999999999999999 path=a\n", "damaged extended header"),
    ],
)
def test_extended_headers_are_not_believed(tmp_path, records, why):
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, len(records)
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(head.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0"))
        file.write(edited(tmp_path, lambda c: None).read_bytes())
    assert why in refused(tmp_path / "x.tar")


def test_several_packed_tars_say_what_to_do(ws, tmp_path, fails):
    for name in ("p-0.tar.gz", "p-1.tar.gz"):
        with tarfile.open(tmp_path / name, "w:gz") as tar:
            put(tar, "a.txt", b"one")
    said = fails("dataset", "add", "p", tmp_path / "p-*.tar.gz")
    assert "p-0.tar.gz is packed with .tar.gz" in said and "gunzip" in said


def test_a_tar_that_shrank_or_is_gone_is_an_error_of_ours_when_samples_are_read(folder, tmp_path):
    tar = webdataset(folder, tmp_path)
    source = open_source("webdataset", str(tar), {})
    last = list(source.scan())[-1].location
    tar.write_bytes(tar.read_bytes()[:1000])
    for what in (source.read, source.digest):
        with pytest.raises(SampleChanged, match="shorter than it was"):
            what(last)
    tar.unlink()
    with pytest.raises(SampleChanged, match="is gone"):
        source.read(last)
    for place in ("", "x", 7, f"{tar}#-1:5", f"{tar}#{'9' * 30}:1", "/etc/passwd#0:1\n"):
        with pytest.raises(HeadstartError):
            source.read(place)


def test_bytes_that_are_no_text_in_a_name_are_named(tmp_path):
    with tarfile.open(tmp_path / "n.tar", "w") as tar:
        put(tar, "\udcff.txt", b"one")
    assert "is not UTF-8" in refused(tmp_path / "n.tar")


def test_json_of_labels_is_that_of_every_sample(tmp_path):
    rows = [{"txt": b"t%d" % n, "json": json.dumps({"label": n}).encode()} for n in range(150)]
    labels = [one.label for one in read(text_tar(tmp_path / "t.tar", *rows)).samples]
    assert labels == list(range(150))
