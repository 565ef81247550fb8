"""Datasets whose files lie in an object store (a real S3 server) or on the web (a real one)."""

import ssl
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from remote_fixtures import in_table, put_raw, serve, under
from remote_makers import in_bucket, on_the_web
from web_server import WebServer

from conftest import draw
from headstart.errors import DatasetError, SampleChanged, SampleUnreadable, SourceGone
from headstart.extractors.datasets import SOURCES, checked, open_source, scan
from headstart.extractors.datasets.remote import objects
from headstart.extractors.datasets.remote.addresses import joined, parse, redacted
from headstart.notices import HeadstartWarning

CLASSES = ("blue", "green", "red")


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """24 pictures of three classes in a folder of this machine."""
    folder = tmp_path_factory.mktemp("local") / "pics"
    for number in range(24):
        draw(folder / CLASSES[number % 3] / f"{number:02} é+%.png", number, (6, 6))
    return folder


def facts(manifest) -> list[tuple]:
    return [(one.id, one.digest, one.label, one.split) for one in manifest.samples]


def opened(kind: str, source: str, **options):
    given = checked(SOURCES[kind], options, SOURCES.values())
    return open_source(kind, source, given), given


def manifest_of(kind: str, source: str, previous=None, **options):
    made, given = opened(kind, source, **options)
    return scan(made, given, previous)


@pytest.fixture
def served(web, local):
    """The pictures on the web server; gives address and label of each."""
    return serve(web, local)


def path_of(address: str, web: WebServer) -> str:
    return unquote(address.removeprefix(web.address))


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


# Many requests at once, and what goes wrong with them.


def test_many_objects_are_asked_for_at_once(web, served):
    web.files["/t.csv"] = in_table(served).encode()
    web.seconds = 0.2
    manifest_of("csv", f"{web.address}/t.csv")
    assert web.most >= 20


def test_errors_of_servers_and_broken_bodies_are_tried_again(web, served):
    web.files["/t.csv"] = in_table(served).encode()
    paths = [path_of(address, web) for address, _ in served]
    web.faults[paths[0]] = [500, 503, 500]
    web.faults[paths[1]] = [429, "broken", "broken"]
    web.faults[paths[2]] = ["long"]
    web.faults[paths[3]] = [405]
    assert len(manifest_of("csv", f"{web.address}/t.csv").samples) == 24


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (404, DatasetError, "is gone"),
        (403, SampleUnreadable, "is not given to us (403 Forbidden)"),
        (500, SourceGone, "the server cannot answer now (500 Internal Server Error)"),
        ("broken", SampleUnreadable, "breaks off"),
        ("long", SampleUnreadable, "breaks off"),
        ("nameless", SampleUnreadable, "does not say how long it is"),
    ],
)
def test_an_object_that_is_not_given_is_named(web, served, fault, error, words, ws):
    web.files["/t.csv"] = in_table(served).encode()
    bad = served[4][0]
    web.always[path_of(bad, web)] = fault
    with pytest.raises(error) as caught:
        manifest_of("csv", f"{web.address}/t.csv")
    assert str(parse(bad)) in str(caught.value) and words in str(caught.value)
    assert "\n" not in str(caught.value)
    if error is SourceGone:
        with pytest.raises(SourceGone):
            ws.datasets.add("d", f"{web.address}/t.csv", on_error="skip")
        return
    with pytest.warns(HeadstartWarning, match="1 samples skipped"):
        assert ws.datasets.add("d", f"{web.address}/t.csv", on_error="skip").samples == 23


def test_an_object_that_vanished_or_changed_is_said_when_it_is_read(web, served):
    from headstart.extractors.datasets import SampleReader

    web.files["/t.csv"] = in_table(served).encode()
    found = manifest_of("csv", f"{web.address}/t.csv")
    paths = [path_of(address, web) for address, _ in served]
    reader = SampleReader(found, {})
    assert reader.read(found.samples[2])
    web.always[paths[0]] = 404
    with pytest.raises(SampleChanged, match="is gone"):
        reader.read(found.samples[0])
    web.always[paths[0]] = 403
    with pytest.raises(SampleUnreadable, match="not given to us"):
        reader.read(found.samples[0])


def test_a_server_that_is_away_is_said_at_once(tmp_path, web):
    (tmp_path / "t.csv").write_text(in_table([("https://localhost:1/a.png", "a")] * 1))
    with pytest.raises(SourceGone, match=r"https://localhost:1/a\.png: .*does not answer"):
        manifest_of("csv", str(tmp_path / "t.csv"))


def test_an_object_that_is_too_large_is_not_read(web, served, monkeypatch):
    monkeypatch.setattr(objects, "LARGEST_OBJECT", 50)
    web.files["/t.txt"] = b"x" * 51
    made, _ = opened("csv", f"{web.address}/t.csv")
    with pytest.raises(SampleUnreadable, match=r"has 51 bytes; more than 50 are not read"):
        made.read(f"{web.address}/t.txt")


def test_a_redirect_from_https_to_plain_http_is_not_followed(tmp_path, web, monkeypatch):
    safe = of_tls(tmp_path, monkeypatch)
    try:
        web.files["/a.png"] = safe.files["/a.png"] = b"a picture"
        source, _ = opened("csv", f"{safe.address}/t.csv")
        assert source.read(f"{safe.address}/a.png") == b"a picture"
        safe.always["/a.png"] = f"to:{web.address}/a.png"
        with pytest.raises(SourceGone, match="leads to plain http"):
            source.read(f"{safe.address}/a.png")
        assert web.asked() == []
        monkeypatch.delenv("SSL_CERT_FILE")
        source, _ = opened("csv", f"{safe.address}/t.csv")
        with pytest.raises(SourceGone, match="certificate is not trusted"):
            source.read(f"{safe.address}/a.png")
    finally:
        safe.stop()


def of_tls(folder: Path, monkeypatch) -> WebServer:
    """A server that speaks TLS, with a certificate that is trusted here."""
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "tls.pem"
    as_pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(as_pem, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(as_pem)
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(as_pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return WebServer(context)


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
    assert f"https://host/{name} is no dataset that can be read at an address" in said


@pytest.mark.parametrize("place", ["bucket", "web"])
def test_the_makers_of_the_table_of_sources_give_the_same_samples(place, bucket, web, local):
    made = in_bucket(local, bucket) if place == "bucket" else on_the_web(local, web)
    kind = {"bucket": "folder", "web": "csv"}[place]
    found, here = manifest_of(kind, made), manifest_of("folder", str(local))
    assert [(one.digest, one.label) for one in found.samples] == [
        (one.digest, one.label) for one in here.samples
    ]
