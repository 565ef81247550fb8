"""Datasets: what a source says, or exactly where it is wrong."""

import cProfile
import gc as collector
import os
import sys
from pathlib import Path

import pytest

from conftest import draw
from headstart.extractors.cache import gc
from headstart.extractors.datasets import named_files, open_source, rescan
from headstart.notices import HeadstartWarning
from headstart.storage import manifest
from headstart.storage.keys import digest_of_bytes


def manifest_of(ws, name="d"):
    return ws.datasets.manifest(name)


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no time of the last change")
def test_a_file_that_was_written_to_with_its_size_and_time_kept_is_found(ws, pictures):
    ws.datasets.add("d", pictures)
    file = pictures / "red" / "01.png"
    status = file.stat()
    with file.open("r+b") as opened:
        opened.seek(-20, os.SEEK_END)
        byte = opened.read(1)[0]
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    now = file.stat()
    assert (now.st_mtime_ns, now.st_size, now.st_ino) == (
        status.st_mtime_ns,
        status.st_size,
        status.st_ino,
    )
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


def test_a_kind_that_is_not_known_is_an_error(ws, tmp_path, fails):
    (tmp_path / "d.xml").write_text("x")
    assert "is none of: a folder" in fails("dataset", "add", "d", tmp_path / "d.xml")
    assert "no dataset kind 'xml'" in fails(
        "dataset", "add", "d", tmp_path / "d.xml", "--kind", "xml"
    )
