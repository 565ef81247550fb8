"""Addresses: what may stand in them, and where they lead."""

import pytest
from remote_fixtures import in_table
from remote_makers import in_bucket, on_the_web
from remote_read import manifest_of, opened

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets.remote.addresses import joined, parse, redacted

# Addresses: what may not stand in them.


@pytest.mark.parametrize(
    "address",
    [
        "https://me:unspeakable@host/a.png",
        "https://host/a.png?X-Amz-Signature=unspeakable",
        "https://host/a.png?sv=1&sig=unspeakable",
        "https://host/a.png?token=unspeakable",
        "s3://me:unspeakable@bucket/a.png",
        "https://host/a.png?pwd=unspeakable",
        "https://host/a.png?pass=unspeakable",
        "https://host/a.png?jwt=unspeakable",
        "https://host/a.png?sas=unspeakable",
        "https://host/a.png?code=unspeakable",
        "https://host/a.png?w=1;token=unspeakable",
        "https://host/a.png?unspeakable",
        "https://host/a.png?file=https%3A%2F%2Fme:unspeakable@host",
        "https://me:unspeak/unspeakable@host/a.png",
        "https://me:unspeakable?/unspeakable@host/a.png",
        "https://me:unspeakable/a.png",
        "https://me:12/unspeakable@host/a.png",
        "s3://AKIA:unspeak/unspeakable@bucket/a.png",
        "s3://AKIA:unspeakable/a.png",
        "s3://bucket/a.png?X-Amz-Signature=unspeakable",
        "ftp://me:un/unspeakable@host/a.png",
        "https://host/a%2funspeakable",
        "s3://bucket/../x.png",
        "https:///a.png",
        "s3://",
        "https://[::1/a.png",
        f"https://host/{'x' * 5000}",
    ],
)
def test_an_address_with_a_secret_or_without_sense_is_refused_and_the_secret_not_shown(
    address, tmp_path
):
    (tmp_path / "t.csv").write_text(in_table([(address, "a")]))
    with pytest.raises(DatasetError) as caught:
        manifest_of("csv", str(tmp_path / "t.csv"))
    assert "unspeakable" not in str(caught.value).replace("a%2funspeakable", "")
    assert len(str(caught.value)) < 600


def test_a_source_with_a_secret_is_refused_and_nothing_is_stored(fails, ws):
    said = fails("dataset", "add", "d", "https://me:unspeakable@host/t.csv")
    assert "a name and a password" in said and "unspeakable" not in said
    assert ws.datasets.list() == []


def test_a_query_without_secrets_is_part_of_the_address(web):
    web.files["/a"] = b"x"
    source, _ = opened("csv", f"{web.address}/t.csv")
    assert source.read(f"{web.address}/a?width=20") == b"x"
    assert web.asked() == ["/a?width=20"]


@pytest.mark.parametrize("cell", ["file:///etc/passwd", "ftp://host/x", "FILE:/etc/passwd"])
def test_tables_do_not_lead_to_files_here_by_address(cell, tmp_path, web, ws):
    (tmp_path / "t.csv").write_text(in_table([(cell, "a")]))
    with pytest.raises(DatasetError, match=r"line 2: .*is not read from tables"):
        manifest_of("csv", str(tmp_path / "t.csv"))
    web.files["/t.csv"] = in_table([(cell, "a")]).encode()
    with pytest.raises(DatasetError, match=r"line 2: .*is not read from tables"):
        manifest_of("csv", f"{web.address}/t.csv")


def test_a_table_on_the_web_never_names_a_file_here(web, tmp_path):
    secret = draw(tmp_path / "x.png", 1, (4, 4))
    web.files["/t.csv"] = in_table([(str(secret), "a")]).encode()
    with pytest.raises(DatasetError, match="is gone"):
        manifest_of("csv", f"{web.address}/t.csv")
    assert str(secret) in web.asked("HEAD")
    web.files["/t.csv"] = in_table([("../../x.png", "a")]).encode()
    with pytest.raises(DatasetError, match="leads above"):
        manifest_of("csv", f"{web.address}/t.csv")


def test_nothing_outside_of_the_root_is_asked_for(web, served, tmp_path):
    (tmp_path / "t.csv").write_text(in_table(served))
    with pytest.raises(DatasetError, match=r"line 2: .* lies outside of the root"):
        manifest_of("csv", str(tmp_path / "t.csv"), root=str(tmp_path))
    assert web.log == []
    with pytest.raises(DatasetError, match=r"line 2: .* lies outside of the root"):
        manifest_of("csv", str(tmp_path / "t.csv"), root=f"{web.address}/p/green")
    # Those below the root may have been asked for ahead.
    assert all(path.startswith("/p/green/") for _, path in web.log)
    draw(tmp_path / "x.png", 1, (4, 4))
    (tmp_path / "t.csv").write_text(in_table([("x.png", "a")]))
    with pytest.raises(DatasetError, match="lies outside of the root"):
        manifest_of("csv", str(tmp_path / "t.csv"), root=web.address)


def test_a_relative_path_is_joined_to_the_address_of_its_table():
    base = parse("https://host/some/t.csv")
    assert str(joined(base, "a b.png", "")) == "https://host/some/a%20b.png"
    assert str(joined(base, "a%20b.png", "")) == "https://host/some/a%20b.png"
    assert str(joined(base, "../x/./y.png", "")) == "https://host/x/y.png"
    assert str(joined(base, "/y.png", "")) == "https://host/y.png"
    assert str(joined(parse("s3://b/k/t.csv"), "50%.png", "")) == "s3://b/k/50%.png"
    assert str(joined(base, "gs://b/y.png", "")) == "gs://b/y.png"
    assert redacted("https://me:x@host/a?sig=1") == "https://…@host/a?…"
    assert redacted("https://me:x/y?z@host/a") == "https://…@host/a"
    assert redacted("https://cdn.host/net@1.0/a.png") == "https://cdn.host/net@1.0/a.png"


@pytest.mark.parametrize(
    "address",
    [
        "https://host/a.png?versionId=3&raw=1",
        "https://host.org:8080/net@1.0/a.png?w=20;h=20",
        "https://[::1]:8080/a@b.png",
        "http://localhost:9000/a@b.png?v=2",
        "s3://bucket/a@b: what?.png",
    ],
)
def test_addresses_without_secrets_are_read_as_they_are_written(address):
    assert str(parse(address)) == address


def test_file_addresses_are_paths(ws, local):
    assert ws.datasets.add("d", local.as_uri()).source == str(local)


def test_columns_of_parquet_may_hold_addresses(served, web, tmp_path, local):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"image": [one for one, _ in served], "label": [label for _, label in served]})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match="is plain http"):
        manifest_of("parquet", str(tmp_path / "t.parquet"), path_column="image")
    web.seconds = 0.05
    found = manifest_of(
        "parquet", str(tmp_path / "t.parquet"), path_column="image", root=web.address
    )
    assert [one.digest for one in found.samples] == [
        one.digest for one in manifest_of("folder", str(local)).samples
    ]
    assert web.most >= 12
    web.log.clear()
    given = {"path_column": "image", "root": web.address}
    assert manifest_of("parquet", str(tmp_path / "t.parquet"), found, **given) == found
    assert web.asked() == []


def test_what_is_not_read_at_an_address_is_refused_in_a_line(fails, ws):
    said = fails("dataset", "add", "d", "s3://photos/a.json", "--kind", "coco")
    assert "s3://photos/a.json: a dataset of kind coco is not read there" in said


@pytest.mark.parametrize("name", ["x.png", "annotations.json", "data.yaml"])
def test_an_address_of_no_known_kind_is_refused_in_a_line(fails, ws, name):
    said = fails("dataset", "add", "d", f"https://host/{name}")
    assert f"https://host/{name} is not a dataset that can be read at an address" in said


@pytest.mark.parametrize("place", ["bucket", "web"])
def test_the_makers_of_the_table_of_sources_give_the_same_samples(place, bucket, web, local):
    made = in_bucket(local, bucket) if place == "bucket" else on_the_web(local, web)
    kind = {"bucket": "folder", "web": "csv"}[place]
    found, here = manifest_of(kind, made), manifest_of("folder", str(local))
    assert [(one.digest, one.label) for one in found.samples] == [
        (one.digest, one.label) for one in here.samples
    ]
