"""Datasets whose files lie in an object store (a real S3 server) or on the web (a real one)."""

import sys

import pytest
from remote_fixtures import in_table, put_raw, under
from remote_read import CLASSES, facts, manifest_of, opened

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets import scan
from headstart.extractors.datasets.remote import objects
from headstart.notices import HeadstartWarning

# A folder in a bucket is what the same folder is here.


def test_a_folder_in_a_bucket_has_the_samples_of_the_same_folder_here(bucket, local, ws):
    for name, content in under(local).items():
        bucket(f"some/pics/{name}", content)
    bucket("some/pics/.hidden/x.png", b"x")
    bucket("some/pics/red/.DS_Store", b"x")
    bucket("some/pics-of-others/red/x.png", b"x")
    there, here = manifest_of("folder", "s3://photos/some/pics/"), manifest_of("folder", str(local))
    assert facts(there) == facts(here)
    assert len(there.samples) == 24
    added = ws.datasets.add("d", "s3://photos/some/pics")
    assert added.kind == "folder" and added.classes == list(CLASSES)
    assert facts(ws.datasets.manifest("d")) == facts(here)


def test_empty_objects_in_the_place_of_folders_are_no_files(bucket, local, account):
    for name, content in under(local).items():
        bucket(f"pics/{name}", content)
    for key in ("pics/", "pics/red/"):
        put_raw(f"{account}/photos/{key}")
    made, _ = opened("folder", "s3://photos/pics/")
    assert len(list(made.scan())) == 24
    assert not made.unused()


def test_split_folders_and_flat_folders_in_a_bucket_are_known(bucket, local):
    contents = list(under(local).values())
    for number, content in enumerate(contents):
        split = ("train", "val", "test")[number % 3]
        bucket(f"tt/{split}/{'ab'[number % 2]}/{number}.png", content)
        bucket(f"flat/{number}.png", content)
    bucket("tt/train/a/captions.txt", b"x")
    bucket("tt/readme.md", b"x")
    made, given = opened("folder", "s3://photos/tt")
    found = scan(made, given)
    assert {(one.split, one.label) for one in found.samples} == {
        (split, label) for split in ("train", "validation", "test") for label in "ab"
    }
    assert list(made.unused()) == ["file 'readme.md'", "file 'train/a/captions.txt'"]
    assert {one.label for one in manifest_of("folder", "s3://photos/flat").samples} == {None}


def test_the_second_look_reads_what_changed_alone(bucket, local, monkeypatch):
    for name, content in under(local).items():
        bucket(f"pics/{name}", content)
    before = manifest_of("folder", "s3://photos/pics")
    read = []
    real = objects.Objects.digest
    monkeypatch.setattr(
        objects.Objects, "digest", lambda self, one: read.append(str(one)) or real(self, one)
    )
    assert manifest_of("folder", "s3://photos/pics", before) == before
    assert read == []
    changed = before.samples[3]
    bucket(f"pics/{changed.id}", b"another content")
    after = manifest_of("folder", "s3://photos/pics", before)
    assert read == [changed.location]
    assert after.samples[3].digest != changed.digest


# A table of addresses.


def test_a_table_here_may_hold_addresses_and_paths_side_by_side(bucket, served, local, tmp_path):
    bucket("one.png", b"in the bucket")
    draw(tmp_path / "near.png", 99, (6, 6))
    more = [("s3://photos/one.png", "red"), ("near.png", "blue")]
    (tmp_path / "t.csv").write_text(in_table([*served, *more]))
    root = served[0][0].partition("/p/")[0]
    with pytest.raises(DatasetError, match=r"line 2: .* is plain http.*allow it: --root http://"):
        manifest_of("csv", str(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text(in_table(served))
    found = manifest_of("csv", str(tmp_path / "t.csv"), root=root)
    here = manifest_of("folder", str(local))
    assert [one.digest for one in found.samples] == [one.digest for one in here.samples]
    assert [one.label for one in found.samples] == [one.label for one in here.samples]
    (tmp_path / "t.csv").write_text(in_table(more))
    assert len(manifest_of("csv", str(tmp_path / "t.csv")).samples) == 2


def test_a_table_on_the_web_names_files_relative_to_it_and_is_fetched_once(web, served, local):
    rows = [(f"{address.partition('/p/')[2]}", label) for address, label in served]
    web.files["/p/t.csv"] = in_table(rows).encode()
    found = manifest_of("csv", f"{web.address}/p/t.csv")
    here = manifest_of("folder", str(local))
    assert [(one.digest, one.label) for one in found.samples] == [
        (one.digest, one.label) for one in here.samples
    ]
    assert web.asked().count("/p/t.csv") == 1
    assert len(web.asked()) == 25
    web.log.clear()
    assert manifest_of("csv", f"{web.address}/p/t.csv", found) == found
    assert web.asked() == ["/p/t.csv"]


def test_a_refresh_after_one_change_reads_one_object(web, served, ws):
    web.files["/t.csv"] = in_table(served).encode()
    ws.datasets.add("d", f"{web.address}/t.csv")
    web.log.clear()
    changed = sorted(path for path in web.files if path.startswith("/p/"))[7]
    web.files[changed] = b"another content"
    ws.datasets.refresh("d")
    assert len(web.asked()) == 2  # the table, and what changed
    assert len(web.asked("HEAD")) == 24
    web.log.clear()
    ws.datasets.refresh("d")
    assert web.asked() == ["/t.csv"]


def test_a_table_of_texts_in_a_bucket_is_read_once_a_scan(bucket, ws):
    bucket(
        "t.jsonl",
        b"".join(b'{"text": "number %d", "label": "%d"}\n' % (n, n % 2) for n in range(20)),
    )
    ws.datasets.add("d", "s3://photos/t.jsonl")
    assert ws.datasets.get("d").samples == 20
    assert ws.datasets.refresh("d").samples == 20


def test_weak_etags_are_not_trusted(web, served):
    web.weak = True
    web.files["/t.csv"] = in_table(served).encode()
    before = manifest_of("csv", f"{web.address}/t.csv")
    assert {one.stat for one in before.samples} == {()}
    web.log.clear()
    assert manifest_of("csv", f"{web.address}/t.csv", before) == before
    assert len(web.asked()) == 25


# Credentials, buckets, the extra.


def test_a_bucket_that_is_not_there_and_an_empty_folder_are_said(bucket, fails, ws):
    assert "there is no such bucket (404 Not Found: NoSuchBucket" in fails(
        "dataset", "add", "d", "s3://nowhere/pics/"
    )
    assert "s3://photos/pics/ holds no objects" in fails("dataset", "add", "d", "s3://photos/pics/")
    assert ws.datasets.list() == []


def test_wrong_credentials_are_said_and_never_shown(web, monkeypatch, fails, ws):
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unspeakable")
    web.always["/photos?list-type=2&prefix=pics/"] = 401
    web.files["/photos"] = b""
    said = fails("dataset", "add", "d", "s3://photos/pics/")
    assert "the credentials are not taken (401 Unauthorized). Set AWS_ACCESS_KEY_ID" in said
    assert "unspeakable" not in said and "somebody" not in said
    assert ws.datasets.list() == []


def test_an_option_of_the_store_is_used_and_one_with_a_key_is_refused(
    bucket, local, fails, ws, monkeypatch, account
):
    for key in ("pics/a/1.png", "pics/b/2.png"):
        put_raw(f"{account}/photos/{key}", key.encode(), {"x-amz-acl": "public-read"})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    added = ws.datasets.add("d", "s3://photos/pics", store_options=["skip_signature=true"])
    assert added.samples == 2
    said = fails("dataset", "add", "e", "s3://photos/pics", "--store-option", "no_such=1")
    assert "'no_such' is not valid for store 'S3'" in said
    said = fails(
        "dataset", "add", "e", local, "--store-option", "aws_secret_access_key=unspeakable"
    )
    assert "would be stored with the dataset" in said and "unspeakable" not in said
    for given in (
        "endpoint=https://me:unspeakable@minio:9000",
        "proxy_url=http://me:un/speakable@host",
        "proxy_url=me:unspeakable@host:8080",
        "endpoint=https://host/?sig=unspeakable",
        "default_headers=Authorization: unspeakable",
        "pwd=unspeakable",
    ):
        said = fails("dataset", "add", "e", local, "--store-option", given)
        assert "would be stored with the dataset" in said and "speakable" not in said
    with pytest.warns(HeadstartWarning, match="not used: option store_options"):
        ws.datasets.add("f", local, store_options="region=eu-west-1")


def test_without_the_extra_it_is_said_what_to_install(fails, ws, monkeypatch):
    for name in ("obstore", "obstore.store", "obstore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    said = fails("dataset", "add", "d", "s3://photos/pics/")
    assert "obstore is not installed" in said and "pip install 'headstart[cloud]'" in said


def test_the_web_has_no_folders(fails, ws):
    said = fails("dataset", "add", "d", "https://localhost/pics/")
    assert "cannot be listed: the web has no folders" in said and "a table" in said
