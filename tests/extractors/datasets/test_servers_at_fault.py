"""Servers that fail, are slow, lie, or are not there; many requests at once."""

import ssl
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from remote_fixtures import in_table
from remote_read import manifest_of, opened
from web_server import WebServer

from headstart.errors import DatasetError, SampleChanged, SampleUnreadable, SourceGone
from headstart.extractors.datasets.remote import objects
from headstart.extractors.datasets.remote.addresses import parse
from headstart.notices import HeadstartWarning


def path_of(address: str, web: WebServer) -> str:
    return unquote(address.removeprefix(web.address))


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
    with pytest.warns(HeadstartWarning, match="1 sample skipped"):
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
