"""A disk with 0 bytes free: what is there can be read, and what cannot be done says why."""

import os
import sqlite3

import pytest

import headstart as hs


def fill(folder):
    """To the last byte: what is said to be free is not all that there is."""
    descriptor = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    size = 1 << 20
    while size:
        try:
            os.write(descriptor, bytes(size))
        except OSError:
            size //= 2
    os.close(descriptor)
    space = os.statvfs(folder)
    assert space.f_bavail * space.f_frsize == 0


@pytest.fixture
def full(tmp_path, model_file, pictures):
    """A workspace on a file system of its own with nothing free, where a test may have one."""
    mount = tmp_path / "zoo"
    mount.mkdir()
    if os.system(f"mount -t tmpfs -o size=24m none {mount} 2>/dev/null") != 0:
        pytest.skip("this process may not mount a file system of its own")
    try:
        ws = hs.init(mount)
        ws.backbones.add("net", model_file, preprocess="unit")
        ws.datasets.add("pics", pictures)
        ws.heads.train("colours", ws.extract("net", "pics"))
        ws.database.close()
        fill(mount)
        yield ws
    finally:
        os.system(f"umount -l {mount}")


READING = [
    "backbone list",
    "backbone show net",
    "dataset list",
    "dataset show pics",
    "features list",
    "features show KEY",
    "features explain net pics",
    "features export net pics OUT/features.npz",
    "features verify net pics --full",
    "features gc",
    "head list",
    "head show colours",
    "head predict colours PICTURES",
    "head report colours OUT/report.html",
    "doctor",
]


def test_everything_that_only_reads_works_without_a_byte_free(full, run, pictures, tmp_path):
    (key,) = (one.key for one in full.context.feature_sets.find_sets())
    out = tmp_path / "elsewhere"
    out.mkdir()
    places = {"KEY": key, "PICTURES": pictures, "OUT": out}
    failed = []
    for line in READING:
        for name, place in places.items():
            line = line.replace(name, str(place))
        ran = run(*line.split())
        if "disk I/O error" in ran.err + ran.out or (ran.code and line != "doctor"):
            failed.append((line, ran))  # `doctor` says that space is short
    assert failed == []
    assert (out / "features.npz").exists()
    assert (out / "report.html").exists()
    assert "36" in run("features", "list").out
    assert run("extract", "net", "pics", "--json").json["computed"] == 0


def test_what_writes_says_in_one_line_that_the_disk_is_full(full, fails):
    (key,) = (one.key for one in full.context.feature_sets.find_sets())
    for line in (
        f"features gc --set {key} --apply",  # first: an error would keep a view alive
        "head train other net pics",
        "dataset remove pics --force",
        "backbone alias best net",
        "extract net@conv pics",
    ):
        error = fails(*line.split())
        assert "full" in error or "no space is left" in error or "are free" in error
        assert "headstart features gc" in error


def test_garbage_can_be_collected_from_a_full_disk(full, run):
    """What the database does not know of needs no word to it."""
    orphan = next(full.config.features.rglob("*.h5")).with_name("orphan.h5")
    (full.config.root / "ballast").rename(orphan)
    assert run("features", "gc", "--apply").code == 0
    assert not orphan.exists()
    assert full.extract("net@conv", "pics").report.computed == 36


def test_two_who_read_a_full_disk_take_turns(full):
    """Each is alone while it reads, so the other waits instead of failing."""
    with full.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM shards").scalar() == 1
        other = sqlite3.connect(full.config.sqlite_file, timeout=0.1)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("SELECT count(*) FROM shards")
        other.close()
    assert len(full.context.feature_sets.find_all_shards()) == 1
