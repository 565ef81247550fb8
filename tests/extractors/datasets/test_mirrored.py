"""Several files at an address: fetched once into a folder of the workspace, and read there."""

import gzip
import json
import os
import warnings
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from layout_makers import LAYOUTS, members, write_tar
from remote_fixtures import put_raw, under
from remote_makers import a_dozen, facts, layout_in_bucket, parquet, same, table, tar, tars_of

from headstart.errors import DatasetError, SourceGone
from headstart.extractors.datasets.remote import mirror, recognition
from headstart.extractors.datasets.remote import objects as remote_objects
from headstart.extractors.datasets.remote.addresses import parse
from headstart.extractors.datasets.remote.objects import Objects
from headstart.extractors.datasets.remote.several import objects_at
from headstart.notices import HeadstartNote

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")


@pytest.fixture
def pictures(tmp_path) -> Path:
    return a_dozen(tmp_path / "pictures")


def contents_of(ws) -> list[Path]:
    return sorted(ws.config.contents.iterdir())


@pytest.mark.parametrize(
    "name", ["coco", "imagefolder", "tfds", "tfrecord", "webdataset-of-several", "yolo"]
)
def test_a_layout_in_a_bucket_has_the_samples_of_the_same_here(
    ws, bucket, pictures, tmp_path, name
):
    if name in ("tfds", "tfrecord"):
        pytest.importorskip("tensorflow")
    (tmp_path / "made").mkdir()
    ws.datasets.add("here", LAYOUTS[name](pictures, tmp_path / "made"))
    address = layout_in_bucket(LAYOUTS[name], pictures, tmp_path / name, bucket)
    with pytest.warns(HeadstartNote, match=f"far/{name}/: .* files?, .*, are fetched once, into "):
        added = ws.datasets.add("far", address)
    assert added.kind == ws.datasets.get("here").kind
    assert same(ws) and len(facts(ws, "far")) == 12
    assert ws.datasets.details("far").origin.startswith(f"{address}, kept in ")


@pytest.mark.parametrize("pattern", ["s-{000..002}.tar", "s-*.tar", "s-00[0-2].tar", ""])
def test_tars_of_a_pattern_in_a_bucket(ws, bucket, pictures, pattern):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    ws.datasets.add("here", pictures)
    assert ws.datasets.add("far", f"s3://photos/far/{pattern}").kind == "webdataset"
    assert same(ws)
    ids = {one.id.partition("/")[0] for one in ws.datasets.manifest("far").samples}
    assert ids == {"s-000", "s-001", "s-002"}


def names_at(address) -> list[str]:
    return [one.name for one in objects_at(parse(address), Objects(address, {}))]


def test_wildcards_list_no_folders_in_which_nothing_can_match(bucket, monkeypatch):
    shards = [f"{step}s-{number}.tar" for step in ("", "a/", "a-b/") for number in range(3)]
    for key in [*shards, *(f"other/{number}" for number in range(12))]:
        bucket(key, b"x")
    monkeypatch.setattr(remote_objects, "LARGEST_LISTING", 8)
    assert names_at("s3://photos/s-*.tar") == ["s-0.tar", "s-1.tar", "s-2.tar"]
    below = [f"{step}s-{number}.tar" for step in ("a-b/", "a/") for number in (0, 2)]
    assert names_at("s3://photos/a*/s-[02].tar") == below  # as a listing of all has them


@pytest.mark.parametrize("step", ["*", "{.old,new}", "{.old,n*}", "*w"])
def test_hidden_steps_are_left_out_whatever_names_them(bucket, step):
    for key in ("x/.old/s-0.tar", "x/new/s-0.tar", "x/new/.s-1.tar", "x/.s/new/s-0.tar"):
        bucket(key, b"x")
    assert names_at(f"s3://photos/x/{step}/s-0.tar") == ["new/s-0.tar"]
    assert names_at("s3://photos/x/.old/*.tar") == ["s-0.tar"]  # which was named as it is
    with pytest.raises(SourceGone, match="there are no objects"):
        names_at("s3://photos/x/{.old,.s/new}/s-0.tar")


def test_one_file_more_and_one_that_changed_are_fetched_alone(ready, bucket, pictures):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    ready.datasets.add("far", "s3://photos/far/")
    assert ready.extract("net", "far").report.computed == 12
    splits = {one.digest: one.split for one in ready.datasets.manifest("far").samples}
    bucket(
        "far/s-001.tar", write_tar(pictures.parent / "n.tar", members(pictures)[:2]).read_bytes()
    )
    bucket("far/s-003.tar", tars_of(pictures)["s-001.tar"])
    with pytest.warns(HeadstartNote, match=r": 2 files, .* are fetched once, .*, 2 are here"):
        found = ready.extract("net", "far")
    assert found.report.computed == 0 and found.report.samples == 14
    after = {one.digest: one.split for one in ready.datasets.manifest("far").samples}
    assert after == splits


def test_nothing_that_changed_asks_for_nothing(ws, bucket, pictures, monkeypatch):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    ws.datasets.add("a", "s3://photos/far/")
    monkeypatch.setattr(mirror, "_fill", None)
    ws.datasets.add("b", "s3://photos/far/")
    ws.datasets.refresh("a")
    assert ws.datasets.get_or_add("s3://photos/far/").name in ("a", "b")
    assert len(contents_of(ws)) == 1


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "cut short"])
def test_what_was_lost_here_is_fetched_again_and_nothing_else(ws, bucket, pictures, is_gone):
    tars = tars_of(pictures)
    for name, content in tars.items():
        bucket(f"far/{name}", content)
    ws.datasets.add("far", "s3://photos/far/")
    (folder,) = contents_of(ws)
    lost, whole = folder / "s-001.tar", facts(ws, "far")
    for look in (ws.datasets.refresh, lambda name: ws.datasets.add(name, "s3://photos/far/")):
        lost.unlink()
        if not is_gone:
            lost.write_bytes(b"half")
        with pytest.warns(HeadstartNote, match=r": 1 file, .* are fetched once, .*, 2 are here"):
            look("far")
        assert lost.read_bytes() == tars["s-001.tar"]
    assert facts(ws, "far") == whole and contents_of(ws) == [folder]


def test_what_broke_off_goes_on_where_it_was(ws, web, pictures):
    for name, content in tars_of(pictures).items():
        web.files[f"/far/{name}"] = content
    web.always["/far/s-002.tar"] = 403
    address = f"{web.address}/far/s-{{000..002}}.tar"
    web.modified = 1.0
    with pytest.raises(SourceGone, match=r"s-002\.tar is not given to us"):
        ws.datasets.add("far", address)
    web.always.clear()
    (folder,) = contents_of(ws)
    assert not (folder / ".fetched").exists()
    kept = {one.name for one in folder.iterdir()}
    web.log.clear()
    ws.datasets.add("far", address)
    asked = {path.rpartition("/")[2] for path in web.asked("GET")}
    assert "s-002.tar" in asked and len(facts(ws, "far")) == 12
    assert not kept & asked or kept <= {"s-000.tar", "s-001.tar"}


def test_a_server_that_says_nothing_of_changes(ws, web, pictures):
    web.weak = True
    for name, content in tars_of(pictures).items():
        web.files[f"/far/{name}"] = content
    address = f"{web.address}/far/s-{{000..002}}.tar"
    ws.datasets.add("far", address)
    with pytest.warns(HeadstartNote, match="nothing says whether it has changed"):
        ws.datasets.refresh("far")
    first = facts(ws, "far")
    web.files["/far/s-000.tar"] = tars_of(pictures)["s-001.tar"]
    ws.datasets.add("far", address)
    assert facts(ws, "far") != first


def test_columns_in_a_folder_of_a_bucket_are_splits_as_they_are_called(ws, bucket, tmp_path):
    for split in ("train", "test"):
        path = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table(int(split == "test")), path)
    for name, content in under(tmp_path / "data").items():
        bucket(f"far/data/{name}", content)
    bucket("far/readme.md", b"words")
    ws.datasets.add("here", tmp_path / "data")
    with pytest.warns(match=r"s3://photos/far: not used: file 'readme\.md'"):
        assert ws.datasets.add("far", "s3://photos/far").kind == "parquet"
    splits = [
        sorted((one.digest, one.split) for one in ws.datasets.manifest(name).samples)
        for name in ("here", "far")
    ]
    assert splits[0] == splits[1] and {split for _, split in splits[0]} >= {"train", "test"}


def test_paths_in_columns_of_a_folder_are_relative_to_its_address(ready, bucket):
    import io

    import pyarrow as pa

    for number in range(24):
        bucket(f"far/p/{number}.png", table()["image"][number].as_py())
    out = io.BytesIO()
    cells = [f"p/{number}.png" for number in range(24)]
    pq.write_table(pa.table({"image": cells, "label": table()["label"]}), out)
    bucket("far/c/x.parquet", out.getvalue())
    bucket("far/c/y.txt", b"")
    with pytest.raises(DatasetError, match=r"s3://photos/far/c/.*p/0\.png"):
        ready.datasets.add("d", "s3://photos/far/c/", path_column="image")
    out = io.BytesIO()
    cells = [f"../p/{number}.png" for number in range(24)]
    pq.write_table(pa.table({"image": cells, "label": table()["label"]}), out)
    bucket("far/c/x.parquet", out.getvalue())
    ready.datasets.add("d", "s3://photos/far/c/", path_column="image")
    assert ready.extract("net", "d").report.samples == 24
    for cell in ("/etc/passwd", "../../../../etc/passwd", "file:///etc/passwd"):
        out = io.BytesIO()
        pq.write_table(pa.table({"image": [cell, *cells[1:]], "label": table()["label"]}), out)
        bucket("far/e/x.parquet", out.getvalue())
        with pytest.raises(DatasetError):
            ready.datasets.add("e", "s3://photos/far/e/", path_column="image")


def test_pictures_beside_a_tar_stay_a_folder_of_pictures(ws, bucket, pictures):
    for name, content in under(pictures).items():
        bucket(f"far/{name}", content)
    bucket("far/red/more.tar", tar())
    assert ws.datasets.add("far", "s3://photos/far/").kind == "folder"
    assert not ws.config.contents.exists() or not contents_of(ws)


def test_gc_leaves_a_folder_that_is_needed_and_deletes_one_that_is_not(ws, bucket, pictures):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    ws.datasets.add("far", "s3://photos/far/")
    (folder,) = contents_of(ws)
    os.utime(folder, (1, 1))
    ws.cache.gc(apply=True)
    assert contents_of(ws) == [folder]
    size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    ws.datasets.remove("far")
    (found,) = [one for one in ws.cache.gc(apply=True).deleted if one.kind == "content"]
    assert found.size == size and contents_of(ws) == []


def test_a_workspace_with_a_folder_can_be_moved(ready, bucket, pictures, tmp_path):
    import shutil

    import headstart as hs

    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    ready.datasets.add("far", "s3://photos/far/")
    moved = tmp_path / "moved"
    shutil.copytree(ready.config.root, moved)
    shutil.rmtree(ready.config.contents)
    again = hs.open(moved)
    assert again.extract("net", "far").report.computed == 12
    assert again.datasets.get("far").source.startswith(str(moved))


def test_bad_files_are_named_by_their_address(ws, bucket, pictures):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content[:3000] if "001" in name else content)
    with pytest.raises(DatasetError, match=r"s3://photos/far/s-001\.tar") as error:
        ws.datasets.add("far", "s3://photos/far/s-{000..002}.tar")
    assert "contents/" not in str(error.value)


def test_what_is_not_there_is_said(ws, bucket, web, fails):
    bucket("far/x-0.tar", tar())
    told = fails("dataset", "add", "d", "s3://photos/far/x-{0..2}.tar")
    assert "s3://photos/far/x-1.tar is gone" in told and "one of 3 that are named" in told
    assert "there are no objects s3://photos/far/y-*.tar" in fails(
        "dataset", "add", "d", "s3://photos/far/y-*.tar"
    )
    assert "the web lists nothing" in fails("dataset", "add", "d", f"{web.address}/far/*.tar")
    assert "The web lists no folders" in fails(
        "dataset", "add", "d", f"{web.address}/far/", "--kind", "webdataset"
    )
    assert "** names nothing" in fails("dataset", "add", "d", "s3://photos/**/x.tar")
    assert "arrays are one file" in fails("dataset", "add", "d", "s3://photos/far/x-*.npy")
    told = fails("dataset", "add", "d", f"{web.address}/annotations.json")
    assert "is not a dataset that can be read at an address" in told and "COCO" in told


def test_names_in_a_bucket_never_lead_out_of_the_folder(ws, bucket, pictures, account):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    plain = {"Content-Type": "application/octet-stream"}
    put_raw(f"{account}/photos/far/a%5C..%5C..%5Cx.tar", tars_of(pictures)["s-000.tar"], plain)
    ws.datasets.add("far", "s3://photos/far/")
    (folder,) = contents_of(ws)
    assert {one.parent for one in ws.config.root.rglob("*.tar")} == {folder}


def test_an_object_and_a_folder_of_one_name_are_said(ws, bucket, pictures):
    for name, content in tars_of(pictures).items():
        bucket(f"far/train/{name}", content)
    bucket("far/train", b"an object")
    with pytest.raises(DatasetError, match="s3://photos/far/: train is an object and a folder"):
        ws.datasets.add("far", "s3://photos/far/", kind="webdataset")
    bucket("near/a.tar", tars_of(pictures)["s-000.tar"])
    bucket("near/a.tar.gz", gzip.compress(tars_of(pictures)["s-000.tar"]))
    with pytest.raises(DatasetError, match=r"near/: a\.tar would lie here as a\.tar, as another"):
        ws.datasets.add("far", "s3://photos/near/")


def test_predictions_of_a_folder_that_is_fetched_say_what_to_do(ready, bucket, pictures, run):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    ready.heads.train("h", ready.extract("net", "pics"))
    ran = run("head", "predict", "h", "s3://photos/far/")
    assert ran.code == 1 and "`headstart dataset add NAME s3://photos/far/`" in ran.err, ran.err


def test_a_query_on_the_web_is_no_pattern(ws, web):
    web.files["/x.parquet"] = parquet()
    ws.datasets.add("d", f"{web.address}/x.parquet?download=1")
    assert len(facts(ws, "d")) == 24


def test_what_was_fetched_is_written_down(ws, bucket, pictures):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ws.datasets.add("far", "s3://photos/far/")
    (folder,) = contents_of(ws)
    assert list(json.loads((folder / ".fetched").read_text())) == sorted(tars_of(pictures))


@pytest.mark.parametrize("name", ["coco", "imagefolder", "yolo"])
def test_what_says_what_a_folder_is_may_come_late_in_its_listing(
    ws, bucket, pictures, tmp_path, name, monkeypatch
):
    monkeypatch.setattr(recognition, "LOOKED_AT", 2)
    (tmp_path / "made").mkdir()
    ws.datasets.add("here", LAYOUTS[name](pictures, tmp_path / "made"))
    address = layout_in_bucket(LAYOUTS[name], pictures, tmp_path / name, bucket)
    bucket(f"far/{name}/Aa/1.png", b"")
    bucket(f"far/{name}/Aa/2.png", b"")
    assert ws.datasets.add("far", address).kind == ws.datasets.get("here").kind and same(ws)


def test_what_changes_while_it_is_fetched_is_refused(ws, bucket, pictures, monkeypatch):
    for name, content in tars_of(pictures).items():
        bucket(f"far/{name}", content)
    fill = mirror._fill

    def changing(*given):
        fill(*given)
        bucket("far/s-001.tar", tar())

    monkeypatch.setattr(mirror, "_fill", changing)
    with pytest.raises(DatasetError, match="s3://photos/far/ has changed while it was fetched"):
        ws.datasets.add("far", "s3://photos/far/")
    monkeypatch.setattr(mirror, "_fill", fill)
    with pytest.raises(DatasetError, match=r"far/s-00\d\.tar, sample .* has no member"):
        ws.datasets.add("far", "s3://photos/far/")  # as it is by now: of two kinds of labels


@pytest.mark.parametrize("name", ["imagefolder", "yolo", "coco"])
def test_nothing_outside_of_the_root_is_fetched(ws, bucket, pictures, tmp_path, name):
    (tmp_path / "made").mkdir()
    ws.datasets.add("here", LAYOUTS[name](pictures, tmp_path / "made"))
    address = layout_in_bucket(LAYOUTS[name], pictures, tmp_path / name, bucket)
    for root in ("s3://photos/other/", f"{address}images/", str(tmp_path)):
        with pytest.raises(DatasetError, match="lies outside of the root"):
            ws.datasets.add("far", address, root=root)
    assert not ws.config.contents.exists() or contents_of(ws) == []
    ws.datasets.add("far", address, root="s3://photos/far/")
    assert same(ws)
    bucket(f"far/{name}/more.md", b"")
    for _ in range(2):
        assert ws.datasets.refresh("far").samples == 12
    assert len(contents_of(ws)) == 2  # the first is there until `gc`


def test_a_folder_whose_data_yaml_names_another_place_is_refused(ws, bucket, pictures, tmp_path):
    address = layout_in_bucket(LAYOUTS["yolo"], pictures, tmp_path / "yolo", bucket)
    bucket("far/yolo/data.yaml", f"train: {pictures}\nnames: [a]\n".encode())
    with pytest.raises(DatasetError, match="lies outside of the root"):
        ws.datasets.add("far", address)


def test_gc_finds_what_a_killed_fetch_was_writing(ws, bucket, pictures):
    for name, content in tars_of(pictures).items():
        bucket(f"far/train/{name}", content)
    ws.datasets.add("far", "s3://photos/far/", kind="webdataset")
    (folder,) = contents_of(ws)
    left = folder / "train" / ".s-009.tar.0123456789abcdef.partial"
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    ws.cache.gc(apply=True)
    assert not left.exists() and len(list(folder.rglob("*.tar"))) == 3
