"""A bucket and a web server for tests; see `web_server`."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from object_servers import make_bucket, s3_server
from web_server import WebServer

from headstart.extractors.datasets.remote import objects


@pytest.fixture(scope="session")
def s3():
    """An S3 server with the bucket `photos`; gives its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def one_web():
    server = WebServer()
    yield server
    server.stop()


@pytest.fixture
def web(one_web, monkeypatch):
    one_web.reset()
    monkeypatch.setattr(
        objects,
        "RETRY",
        {
            "max_retries": 3,
            "retry_timeout": timedelta(seconds=2),
            "backoff": {
                "init_backoff": timedelta(milliseconds=10),
                "max_backoff": timedelta(milliseconds=50),
                "base": 2,
            },
        },
    )
    monkeypatch.setattr(objects, "PAUSE", 0.01)
    return one_web


@pytest.fixture(scope="session")
def s3_process():
    """An S3 server in a process of its own; gives its address."""
    with s3_server() as address:
        yield address


@pytest.fixture
def own_bucket(s3_process, monkeypatch, tmp_path):
    """The address of an empty bucket of that server, which the environment leads to."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_process)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unspeakable")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = f"zoo-{abs(hash(str(tmp_path)))}"
    make_bucket(s3_process, name)
    return f"s3://{name}/headstart"


@pytest.fixture
def account(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unspeakable")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return s3


@pytest.fixture
def bucket(account):
    """Empties the bucket `photos`; gives what puts an object into it."""
    from obstore.store import S3Store

    put_raw(f"{account}/photos")
    store = S3Store("photos", client_options={"allow_http": True})
    for block in store.list():
        store.delete([one["path"] for one in block])

    def put(key: str, content: bytes) -> None:
        store.put(key, content)

    return put


def put_raw(address: str, content: bytes = b"", fields: dict[str, str] | None = None) -> None:
    """What obstore has no words for: a bucket, an object like a folder, an ACL."""
    asked = Request(address, data=content, method="PUT", headers=fields or {})
    urlopen(asked).close()


def under(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def in_table(addresses, line="{address},{label}\n") -> str:
    rows = (line.format(address=address, label=label) for address, label in addresses)
    return "path,label\n" + "".join(rows)


def serve(web: WebServer, folder: Path) -> list[tuple[str, str]]:
    """The files of a folder below `/p/` of the server; gives address and class of each."""
    web.files.update({f"/p/{name}": content for name, content in under(folder).items()})
    return [(f"{web.address}{quote(path)}", path.split("/")[2]) for path in sorted(web.files)]
