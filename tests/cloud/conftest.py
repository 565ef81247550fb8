"""Stores in a bucket of the S3 server, behind a proxy that meddles."""

from datetime import timedelta

import pytest
from meddling_proxy import proxy_before

from headstart.config import create_config
from headstart.registry.database import Database
from headstart.registry.holds import SqlHolds
from headstart.registry.tables import metadata
from headstart.storage.locks import LifeSigns
from headstart.storage.objects import bucket as buckets
from headstart.storage.objects import connection
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.local_copies import LocalCopies
from headstart.storage.objects.object_store import ObjectStore


@pytest.fixture(scope="session")
def one_proxy(s3_process):
    with proxy_before(s3_process) as proxy:
        yield proxy


@pytest.fixture
def hurried(monkeypatch):
    """Pauses are short."""
    quick = {
        "init_backoff": timedelta(milliseconds=2),
        "max_backoff": timedelta(milliseconds=10),
        "base": 2,
    }
    more = {"max_retries": 1, "retry_timeout": timedelta(seconds=2), "backoff": quick}
    monkeypatch.setattr(connection, "RETRY", more)
    monkeypatch.setattr(buckets, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(buckets, "LONGEST_PAUSE", 0.1)


@pytest.fixture
def proxy(one_proxy, own_bucket, monkeypatch, hurried):
    """The proxy, which leads to the bucket of this test."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", one_proxy.address)
    yield one_proxy
    one_proxy.meddle, one_proxy.is_away, one_proxy.refusal = lambda _: None, False, None
    one_proxy.seen.clear()
    one_proxy.given = 0


@pytest.fixture
def bucket(proxy, own_bucket):
    return Bucket(parse(own_bucket), patience=5)


@pytest.fixture
def open_store(tmp_path, bucket):
    """Opens the bucket as another machine would: with copies of its own."""
    database = Database(create_config(tmp_path / "zoo"))
    metadata.create_all(database.engine)

    def opened(machine: str = "here", quota: int = 1 << 30, remembered: float = 30) -> ObjectStore:
        place = tmp_path / machine
        holds = SqlHolds(database, LifeSigns(place / "locks"))
        copies = LocalCopies(place / "copies", quota)
        return ObjectStore(bucket, holds, copies, place / "indexes", remembered)

    return opened


@pytest.fixture
def store(open_store):
    return open_store()
