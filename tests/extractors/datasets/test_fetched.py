"""Tars, columns and arrays at an address: fetched once, found again, fetched anew when changed."""

import io
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from remote_makers import FILES, LABELS, facts, npz, parquet, pixels, pngs, tar

from headstart.errors import DatasetError, SourceGone
from headstart.extractors.datasets.remote import bodies, fetched, objects
from headstart.notices import HeadstartNote

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")


@pytest.fixture(params=["bucket", "web"])
def place(request):
    """Puts a file at an address; gives the address."""
    server = request.getfixturevalue(request.param)

    def put(name: str, content: bytes) -> str:
        if request.param == "bucket":
            server(f"far/{name}", content)
            return f"s3://photos/far/{name}"
        server.files[f"/far/{name}"] = content
        return f"{server.address}/far/{name}"

    return put


@pytest.mark.parametrize("name", FILES)
def test_a_file_at_an_address_has_the_samples_of_the_same_file_here(ws, place, tmp_path, name):
    content = FILES[name]()
    (tmp_path / name).write_bytes(content)
    ws.datasets.add("here", tmp_path / name)
    address = place(name, content)
    with pytest.warns(HeadstartNote, match=f"{name}, .* MB, is fetched once, into "):
        added = ws.datasets.add("far", address)
    assert facts(ws, "far") == facts(ws, "here") and len(facts(ws, "far")) == 24
    details = ws.datasets.details("far")
    assert details.origin.startswith(f"{address}, kept in ")
    assert added.kind == FILES_ARE[name]


FILES_ARE = dict.fromkeys(FILES, "parquet") | {"x.tar": "webdataset", "x.npz": "arrays"}


def test_an_array_alone_is_taken_with_labels_that_lie_here(ws, place, tmp_path):
    out = io.BytesIO()
    np.save(out, np.stack(pixels()))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    ws.datasets.add("d", place("x.npy", out.getvalue()), labels=tmp_path / "labels.txt")
    assert [label for _, label in facts(ws, "d")] == LABELS


def test_what_has_not_changed_is_fetched_once_under_any_name(ws, web):
    web.files["/x.tar"] = tar()
    address = f"{web.address}/x.tar"
    for name in ("a", "a", "b"):
        ws.datasets.add(name, address)
    assert ws.datasets.get_or_add(address).name in ("a", "b")
    ws.datasets.refresh("a")
    before = web.asked("GET").count("/x.tar")
    ws.datasets.refresh("b")
    assert web.asked("GET").count("/x.tar") == before == 2  # of which one asks for its size
    assert len(list(ws.config.contents.iterdir())) == 1


@pytest.mark.parametrize("name", FILES)
def test_what_has_changed_is_fetched_again_and_samples_keep_their_splits(ready, place, name):
    address = place(name, FILES[name]())
    ready.datasets.add("d", address)
    assert ready.extract("net", "d").report.computed == 24
    first = facts(ready, "d")
    address = place(name, FILES[name](1))
    with pytest.warns(HeadstartNote, match="has changed"):
        assert ready.extract("net", "d").report.computed == 24
    assert facts(ready, "d") != first
    address = place(name, FILES[name]())
    assert ready.extract("net", address).report.computed == 0
    assert list(ready.datasets) == ["d", "pics"] and facts(ready, "d") == first


def test_a_server_that_is_away_leaves_what_was_fetched(ready, web, fails):
    web.files["/x.parquet"] = parquet()
    ready.datasets.add("d", f"{web.address}/x.parquet")
    web.always["/x.parquet"] = 404
    assert ready.extract("net", "d").report.samples == 24
    assert "x.parquet is gone (404" in fails("dataset", "refresh", "d")
    web.always["/x.parquet"] = 403
    with pytest.warns(HeadstartNote, match="nothing says whether it has changed"):
        assert ready.extract("net", "d").report.computed == 0


def test_a_server_that_says_nothing_of_changes_is_asked_when_it_is_added_again(ready, web):
    web.weak = True
    web.files["/x.tar"] = tar()
    ready.datasets.add("d", f"{web.address}/x.tar")
    web.files["/x.tar"] = tar(1)
    with pytest.warns(HeadstartNote, match="`headstart dataset add d .* fetches it again"):
        ready.datasets.refresh("d")
    first = facts(ready, "d")
    ready.datasets.add("d", f"{web.address}/x.tar")
    assert facts(ready, "d") != first


@pytest.mark.parametrize("has_changed", [False, True])
def test_a_file_that_was_new_is_fetched_once_more_and_then_its_changes_are_seen(
    ready, web, monkeypatch, has_changed
):
    web.weak, web.modified = True, time.time()
    web.files["/x.tar"] = tar()
    ready.datasets.add("d", f"{web.address}/x.tar")
    first = facts(ready, "d")
    web.files["/x.tar"] = tar(1 if has_changed else 0)
    monkeypatch.setattr(objects, "SETTLED", -1.0)
    with pytest.warns(HeadstartNote, match="was new when it was fetched, and is fetched once more"):
        ready.datasets.refresh("d")
    assert (facts(ready, "d") != first) == has_changed
    asked = web.asked("GET").count("/x.tar")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ready.datasets.refresh("d")
    assert web.asked("GET").count("/x.tar") == asked
    assert not [one for one in said if "nothing says" in str(one.message)]


def test_a_file_that_was_lost_is_fetched_again(ready, web):
    web.files["/x.npz"] = npz()
    ready.datasets.add("d", f"{web.address}/x.npz")
    for file in ready.config.contents.iterdir():
        file.unlink()
    assert ready.extract("net", "d").report.computed == 24


def test_gc_leaves_what_was_fetched(ws, web):
    web.files["/x.tar"] = tar()
    ws.datasets.add("d", f"{web.address}/x.tar")
    ws.cache.gc(apply=True)
    assert len(list(ws.config.contents.iterdir())) == 1


def test_a_large_file_comes_in_parts_and_a_part_that_breaks_off_again(ws, web, monkeypatch):
    content = web.files["/x.tar"] = tar()
    monkeypatch.setattr(objects, "PART", 10_000)
    monkeypatch.setattr(fetched, "PAUSE", 0.0)
    web.faults["/x.tar"] = ["", "", "broken", "", "long"]
    with pytest.warns(HeadstartNote, match=r"MB of .* MB are here"):
        ws.datasets.add("d", f"{web.address}/x.tar")
    (kept,) = ws.config.contents.iterdir()
    assert kept.read_bytes() == content
    assert len(web.asked("GET")) >= 3 + len(content) // 10_000


def test_a_server_that_gives_no_parts_gives_the_whole_again_if_it_breaks_off(ws, web, monkeypatch):
    content = web.files["/x.tar"] = tar()
    web.divides = False
    monkeypatch.setattr(objects, "PART", 10_000)
    monkeypatch.setattr(fetched, "PAUSE", 0.0)
    web.faults["/x.tar"] = ["", "", "broken", "long"]
    with pytest.warns(HeadstartNote, match=r"MB of .* MB are here"):
        ws.datasets.add("d", f"{web.address}/x.tar")
    (kept,) = ws.config.contents.iterdir()
    assert kept.read_bytes() == content


@pytest.mark.parametrize(
    ("divides", "hint"),
    [
        (True, r"Try again later\.$"),
        (False, r"gives no parts of a file: download it by other means, and add that file\.$"),
    ],
)
def test_what_breaks_off_for_good_says_what_to_do(ws, web, monkeypatch, divides, hint):
    def broken(given, size):
        raise bodies.BrokenOff(f"after 7 of {size} bytes")

    web.files["/x.tar"] = tar()
    web.divides = divides
    monkeypatch.setattr(objects, "PART", 10_000)
    monkeypatch.setattr(bodies, "chunks_of", broken)
    with pytest.raises(SourceGone, match=f"{web.address}/x.tar breaks off.* 3 times.*{hint}"):
        ws.datasets.add("d", f"{web.address}/x.tar")


def test_a_file_that_changes_while_it_is_fetched_is_refused(ws, web, monkeypatch):
    web.files["/x.tar"] = tar()
    monkeypatch.setattr(objects, "PART", 10_000)
    seen = []

    def change(done, size):
        seen.append(done)
        web.files["/x.tar"] = tar(1)

    monkeypatch.setattr(fetched.Watched, "advance", lambda self, done, size: change(done, size))
    with pytest.raises(SourceGone, match=r"/x\.tar has changed while .*Run the same command again"):
        ws.datasets.add("d", f"{web.address}/x.tar")
    assert len(seen) == 1 and not list(ws.config.contents.glob("*"))


def test_what_is_too_large_for_the_disk_is_refused_before_it_is_fetched(ws, web, monkeypatch):
    web.files["/x.tar"] = tar()
    monkeypatch.setattr(fetched, "SHARE", 1e-12)
    with pytest.raises(DatasetError, match=r"x\.tar has [\d,]+ bytes; at most .* are free in"):
        ws.datasets.add("d", f"{web.address}/x.tar")
    assert not list(ws.config.contents.glob("*"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.tar", b"", "x.tar"),
        ("x.tar", b"\0" * 10240, "holds no samples"),
        ("x.tar", tar()[:5000], "x.tar"),
        ("x.parquet", b"PAR1 no", "x.parquet"),
        ("x.parquet", b"", "x.parquet"),
        ("x.npz", npz()[:300], "x.npz"),
        ("x.npy", b"", "x.npy"),
        ("x.arrow", b"ARROW1\0\0", "x.arrow"),
    ],
)
def test_bad_files_are_named_by_their_address(ws, web, name, content, words):
    web.files[f"/ä b/{name}"] = content
    with pytest.raises(DatasetError) as error:
        ws.datasets.add("d", f"{web.address}/ä b/{name}")
    assert words in str(error.value) and "contents/" not in str(error.value)


@pytest.mark.parametrize("name", ["no.tar", "no.tar.gz", "no.tgz", "no.npy"])
def test_what_is_not_there_is_said(ws, web, fails, name):
    told = fails("dataset", "add", "d", f"{web.address}/{name}")
    assert f"{name} is gone" in told and told.endswith("Check the address.")


def test_options_of_a_store_are_kept_and_of_no_use_on_the_web(ws, bucket, account, web, fails):
    bucket("x.tar", tar())
    option = f"endpoint={account}"
    ws.datasets.add("d", "s3://photos/x.tar", store_options=[option])
    (record,) = ws.datasets.list()
    assert record.options["fetched"]["store_options"] == [option]
    ws.datasets.refresh("d")
    web.files["/x.tar"] = tar()
    told = fails("dataset", "add", "w", f"{web.address}/x.tar", "--store-option", option)
    assert "lies in no store" in told
    told = fails(
        "dataset", "add", "w", "s3://photos/x.tar", "--store-option", "secret_access_key=x"
    )
    assert "would be stored" in told


def test_paths_in_a_fetched_table_are_relative_to_its_address_and_never_files_here(web, ready):
    for number, content in enumerate(pngs()):
        web.files[f"/far/p/{number}.png"] = content
    columns = {"image": [f"p/{n}.png" for n in range(24)], "label": LABELS}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    web.files["/far/x.parquet"] = out.getvalue()
    ready.datasets.add("d", f"{web.address}/far/x.parquet", path_column="image")
    assert ready.extract("net", "d").report.samples == 24
    (kept,) = (f.name for f in ready.config.contents.iterdir())
    for cell in (kept, "/etc/passwd", "../../../etc/passwd", "file:///etc/passwd"):
        out = io.BytesIO()
        pq.write_table(pa.table({"image": [cell, *columns["image"][1:]], "label": LABELS}), out)
        web.files["/far/y.parquet"] = out.getvalue()
        with pytest.raises(DatasetError):
            ready.datasets.add("e", f"{web.address}/far/y.parquet", path_column="image")


def test_a_large_packed_archive_is_unpacked_after_it_was_fetched(ws, web, monkeypatch):
    from headstart.extractors.datasets.memory import unpacked

    monkeypatch.setattr(unpacked, "LARGE", 1000)
    web.files["/x.npz"] = npz(save=np.savez_compressed)
    ws.datasets.add("d", f"{web.address}/x.npz")
    ws.datasets.refresh("d")
    asked = web.asked("GET").count("/x.npz")
    ws.datasets.add("d", f"{web.address}/x.npz")
    assert web.asked("GET").count("/x.npz") == asked
    assert len(facts(ws, "d")) == 24


def test_it_is_windowed_and_found_by_any_command(ready, web, run):
    web.files["/x.npz"] = npz()
    ran = run("head", "train", "h", "net", f"{web.address}/x.npz", "--json")
    assert ran.code == 0 and ran.json["dataset"] == "x", ran.err
    assert Path(ready.datasets.get("x").source).parent == ready.config.contents


@pytest.mark.parametrize("name", ["x.parquet", "x.tar", "x.npz"])
def test_predictions_of_a_file_that_is_fetched_say_what_to_do(ready, web, run, name):
    web.files[f"/{name}"] = FILES[name]()
    ready.heads.train("h", ready.extract("net", "pics"))
    address = f"{web.address}/{name}"
    ran = run("head", "predict", "h", address)
    assert ran.code == 1 and f"`headstart dataset add NAME {address}`" in ran.err, ran.err
    ready.datasets.add("far", address)
    assert run("head", "predict", "h", "far", "--json").code == 0
