"""One bucket: what is put twice, what is lost on the way, and what is said of it."""

import os

import pytest
from meddling_proxy import DROP, FLIP_SENT, LOSE, SLOW, TWICE
from object_servers import GivenBucket

from headstart.errors import ShardExists, StorageError, WorkspaceError
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.probe import claim, owner_of, probe

CONTENT = memoryview(bytes(range(256)) * 400)


def test_a_put_whose_answer_is_lost_is_our_own(bucket, proxy):
    proxy.once(LOSE, "PUT")
    found = bucket.create("a/k", CONTENT)
    assert (found.size, bytes(bucket.get("a/k"))) == (len(CONTENT), CONTENT)
    assert len(proxy.of("PUT")) == 2
    with pytest.raises(ShardExists, match="is there already"):
        bucket.create("a/k", CONTENT)


def test_a_put_that_is_doubled_on_the_way_is_our_own(bucket, proxy):
    proxy.once(TWICE, "PUT")
    assert bucket.create("a/k", CONTENT).size == len(CONTENT)


def test_a_put_that_is_lost_itself_is_made_again(bucket, proxy):
    proxy.once(DROP, "PUT", times=3)
    assert bucket.create("a/k", CONTENT).size == len(CONTENT)
    assert bytes(bucket.get("a/k")) == CONTENT


def test_what_was_changed_on_its_way_is_put_again_though_the_look_at_it_was_lost(bucket, proxy):
    """It has our number: it is neither accepted nor taken for another's."""
    wrong = {"PUT": [FLIP_SENT], "GET": [LOSE] * 3}

    def meddle(seen):
        left = [] if "list-type" in seen.path else wrong.get(seen.method, [])
        return left.pop() if left else None

    proxy.meddle = meddle
    assert bucket.create("a/k", CONTENT).size == len(CONTENT)
    assert bytes(bucket.get("a/k")) == CONTENT
    assert wrong == {"PUT": [], "GET": []} and len(proxy.of("POST")) == 1


def test_a_byte_that_is_flipped_on_its_way_there_is_sent_again(bucket, proxy):
    """The server takes it though its signature is not right, as moto does."""
    proxy.once(FLIP_SENT, "PUT", times=2)
    bucket.create("a/k", CONTENT)
    assert bytes(bucket.get("a/k")) == CONTENT
    assert [seen.meddled for seen in proxy.of("PUT")] == [FLIP_SENT, FLIP_SENT, None]


def test_etags_that_are_no_md5_are_found_out_once(bucket, proxy, monkeypatch):
    class Other:
        @staticmethod
        def hexdigest():
            return "0" * 32

    monkeypatch.setattr("hashlib.md5", lambda *_, **__: Other)
    bucket.create("a/k", CONTENT)
    bucket.create("a/l", CONTENT)
    assert len(proxy.of("GET")) == 1
    assert bytes(bucket.get("a/k")) == bytes(bucket.get("a/l")) == CONTENT


def test_a_slow_answer_is_waited_for(bucket, proxy):
    proxy.once(SLOW, "PUT")
    bucket.create("a/k", CONTENT)
    assert len(proxy.of("PUT")) == 1


def test_a_bucket_that_vanishes_and_comes_back_is_waited_for(bucket, proxy, caplog):
    bucket.create("a/k", CONTENT)
    left = [12]

    def away(_seen):
        left[0] -= 1
        return DROP if left[0] > 0 else None

    proxy.meddle = away
    assert bytes(bucket.get("a/k")) == CONTENT
    (line,) = caplog.messages
    assert line.startswith(f"{bucket.place_of()}: ") and "trying again for 5 s" in line


def test_one_that_stays_away_is_an_error_and_never_a_missing_object(proxy, own_bucket):
    bucket = Bucket(parse(own_bucket), patience=0.2)
    proxy.is_away = True
    for ask in (bucket.get, bucket.find, bucket.listed, lambda key: bucket.delete([key])):
        with pytest.raises(StorageError, match="Check the address, the endpoint"):
            ask("a/k")


def test_what_is_missing_is_missing(bucket):
    with pytest.raises(FileNotFoundError):
        bucket.get("a/none")
    assert bucket.find("a/none") is None
    assert bucket.listed("a") == []
    bucket.delete(["a/none"])


@pytest.mark.parametrize("ask", ["get", "find", "listed"])
def test_a_bucket_that_is_gone_is_no_missing_object(proxy, ask):
    bucket = Bucket(parse("s3://no-such-bucket/x"), patience=1)
    with pytest.raises(StorageError, match=r"^s3://no-such-bucket/x.*: there is no such bucket"):
        getattr(bucket, ask)("a/k")


REFUSALS = {
    "ExpiredToken": (400, "the credentials are not taken (400 Bad Request: ExpiredToken"),
    "InvalidAccessKeyId": (403, "the credentials are not taken (403 Forbidden: InvalidAccessKeyId"),
    "AccessDenied": (403, "it is not allowed to these credentials (403 Forbidden: AccessDenied"),
    "AuthorizationHeaderMalformed": (400, "the bucket lies in another region (400 Bad Request"),
    "RequestTimeTooSkewed": (403, "the credentials are not taken (403 Forbidden: RequestTimeTooSk"),
    "SlowDown": (503, "the store cannot answer now (503 Service Unavailable"),
}


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("ask", ["get", "find", "listed"])
def test_what_a_store_refuses_is_one_line_that_says_what_to_do(proxy, own_bucket, code, ask):
    """HEAD has no words: they are asked for by a GET."""
    status, line = REFUSALS[code]
    body = f"<Error><Code>{code}</Code><Message>Why.</Message></Error>"
    proxy.refusal = status, body.encode()
    with pytest.raises(StorageError) as error:
        getattr(Bucket(parse(own_bucket), patience=0.1), ask)("a/k")
    assert error.value.message.startswith(f"{own_bucket}/a")
    assert line in error.value.message
    assert error.value.hint.endswith("the same command continues from there.")
    assert "\n" not in str(error.value)


def test_a_server_that_is_no_store_does_not_make_objects_missing(proxy, own_bucket):
    proxy.refusal = 404, b"<html>not here</html>"
    bucket = Bucket(parse(own_bucket), patience=0.1)
    for ask in (bucket.get, bucket.find):
        with pytest.raises(StorageError, match="something that is no store answers"):
            ask("a/k")


def test_no_credentials_at_all(monkeypatch, own_bucket):
    """Offline, the machine's own credentials are looked for at an address that answers nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    text = "Error performing PUT http://169.254.169.254/latest/api/token in 1s - HTTP error"
    bucket = Bucket(parse(own_bucket), patience=0.1)

    def refuse(_store):
        from obstore.exceptions import GenericError

        raise GenericError(text)

    with pytest.raises(StorageError, match=r"no credentials were found.*AWS_ACCESS_KEY_ID"):
        bucket._asked("a/k", refuse)


def test_a_process_that_was_forked_off_is_told_so_and_does_not_hang(bucket):
    bucket.create("a/k", CONTENT)
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            bucket.get("a/k")
        except StorageError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        assert b"forked off a reader. Start processes by spawn" in said.read()
    os.waitpid(process, 0)


# What a workspace relies on


def test_a_store_that_is_fit_keeps_nothing_of_the_probe(bucket):
    probe(bucket)
    assert bucket.listed("") == []


@pytest.mark.parametrize("scheme", ["memory", "folder"])
def test_other_stores_are_fit_as_well(tmp_path, scheme):
    from obstore.store import MemoryStore

    folder = parse(f"file://{tmp_path / 'store'}")
    probe(GivenBucket(MemoryStore()) if scheme == "memory" else Bucket(folder, makes=True))


def test_a_folder_that_is_not_there_is_not_made_and_nothing_is_missing(tmp_path):
    bucket = Bucket(parse(f"file://{tmp_path / 'not mounted'}"))
    for ask in (bucket.get, bucket.find, bucket.listed):
        with pytest.raises(StorageError, match="cannot be opened"):
            ask("a/k")
    assert not (tmp_path / "not mounted").exists()


@pytest.mark.parametrize("kind", ["create", "put"])
def test_what_is_put_into_a_folder_is_on_the_disk_with_all_folders_above(
    tmp_path, monkeypatch, kind
):
    store, synced = tmp_path / "store", []
    sync = os.fsync

    def noting(descriptor):
        sync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", noting)
    bucket = Bucket(parse(f"file://{store}"), makes=True)
    getattr(bucket, kind)("a/b/k", CONTENT)
    below = (store / "a" / "b" / "k", store / "a" / "b", store / "a", store)
    assert synced == [path.stat().st_ino for path in below]


class Careless:
    """A store of obstore that does not do what it is asked to."""

    def __init__(self, store, **wrong):
        self._store = store
        self.__dict__.update(wrong)

    def __getattr__(self, name):
        return getattr(self._store, name)


def overwriting(store):
    return {"put": lambda key, content, **_: store.put(key, content)}


WRONG = {
    "takes a second object of the same name": overwriting,
    "does not list what was put": lambda store: {"list": lambda prefix: []},
    "does not delete what it is asked to": lambda store: {"delete": lambda key: None},
}


@pytest.mark.parametrize("said", WRONG)
def test_a_store_that_is_unfit_is_refused(said):
    from obstore.store import MemoryStore

    store = MemoryStore()
    with pytest.raises(StorageError, match=f"{said}.*take a store that writes an object once"):
        probe(GivenBucket(Careless(store, **WRONG[said](store))))


def test_a_store_is_one_workspaces(bucket):
    assert owner_of(bucket) is None
    assert claim(bucket, "first") == "first"
    assert claim(bucket, "second") == "first"
    assert owner_of(bucket) == "first"
    bucket.put("headstart.json", b"{}")
    with pytest.raises(StorageError, match="is not what this code writes there"):
        owner_of(bucket)


# Addresses


@pytest.mark.parametrize(
    "text", ["s3://bucket", "s3://my-bucket/a/b", "gs://b.c/x", "az://container/p", "file:///a/b"]
)
def test_an_address_is_what_it_was(text):
    assert str(parse(f"{text}/")) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bucket/prefix", "is not the address of a store"),
        ("http://host/x", "is not the address of a store"),
        ("s3://", "names no bucket"),
        ("s3://KEY:SECRET@bucket/x", "holds more than a bucket and a prefix"),
        ("s3://bucket/x?secret=SECRET", "holds more than a bucket and a prefix"),
        ("s3://bucket/../x", "has a prefix that cannot be one"),
        ("file://relative", "is not a whole path"),
        ("file:///a/../b", "is not a whole path"),
    ],
)
def test_what_is_no_address_is_refused_and_no_secret_is_shown(text, said):
    with pytest.raises(WorkspaceError, match=said) as error:
        parse(text)
    assert "SECRET" not in str(error.value)
