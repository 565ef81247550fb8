"""Google's and Azure's stores, by what obstore itself says of them: options, and what is wrong.

There is no server of Google's that takes what obstore writes (`fake-gcs-server` gives only), and
Azurite comes from the npm registry: see tests/store_servers.py.
"""

import pytest
from meddling_proxy import proxy_before
from store_servers import azure

from headstart.errors import ShardExists, StorageError
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.probe import probe

STORES = {"gs": ("gs://zoo/x", "GOOGLE_"), "az": ("az://zoo/x", "AZURE_")}
ACCOUNT = {
    "gs": {"GOOGLE_SKIP_SIGNATURE": "true"},
    "az": {
        "AZURE_STORAGE_ACCOUNT_NAME": "somebody",
        "AZURE_STORAGE_ACCOUNT_KEY": "dW5zcGVha2FibGU=",
    },
}
ENDPOINT = {"gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}


@pytest.fixture(params=STORES)
def kind(request, monkeypatch, hurried):
    import os

    for name in [one for one in os.environ if one.startswith(("GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    return request.param


@pytest.fixture
def served(kind, monkeypatch):
    """A bucket of a server that refuses everything, and its proxy."""
    with proxy_before("http://127.0.0.1:9") as proxy:
        for name, value in ACCOUNT[kind].items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(ENDPOINT[kind], proxy.address)
        yield Bucket(parse(STORES[kind][0]), patience=0.1), proxy


REFUSALS = [
    ("AuthenticationFailed", 403, "the credentials are not taken (403 Forbidden"),
    ("AccessDenied", 403, "it is not allowed to these credentials (403 Forbidden"),
    ("ContainerNotFound", 404, "there is no such bucket (404 Not Found"),
    ("ServerBusy", 503, "the store cannot answer now (503 Service Unavailable"),
    ("Unauthenticated", 401, "the credentials are not taken (401 Unauthorized"),
]


@pytest.mark.parametrize(("code", "status", "line"), REFUSALS)
@pytest.mark.parametrize("ask", ["get", "find", "listed", "create"])
def test_what_they_refuse_is_one_line_that_says_what_to_do(served, kind, code, status, line, ask):
    bucket, proxy = served
    proxy.refusal = status, f"<Error><Code>{code}</Code><Message>Why.</Message></Error>".encode()
    given = ("a/k", memoryview(b"x")) if ask == "create" else ("a/k",)
    with pytest.raises(StorageError) as error:
        getattr(bucket, ask)(*given)
    assert line in error.value.message and "\n" not in str(error.value)
    assert error.value.message.startswith(STORES[kind][0])
    if status in (401, 403):
        assert STORES[kind][1] in error.value.hint
    assert "dW5zcGVha2FibGU" not in str(error.value)


@pytest.mark.parametrize("code", ["NoSuchKey", "BlobNotFound"])
def test_an_object_that_is_missing_there_is_missing(served, code):
    bucket, proxy = served
    proxy.refusal = 404, f"<Error><Code>{code}</Code></Error>".encode()
    with pytest.raises(FileNotFoundError):
        bucket.get("a/k")
    assert bucket.find("a/k") is None


def test_one_that_does_not_answer_is_an_error_and_never_a_missing_object(served):
    bucket, proxy = served
    proxy.is_away = True
    for ask in (bucket.get, bucket.find, bucket.listed):
        with pytest.raises(StorageError, match="Check the address, the endpoint"):
            ask("a/k")


@pytest.mark.parametrize(
    ("scheme", "given", "said"),
    [
        ("gs", {"GOOGLE_SERVICE_ACCOUNT_PATH": "/no/such.json"}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("gs", {"GOOGLE_SERVICE_ACCOUNT_KEY": "{}"}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
        (
            "az",
            {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "?"},
            "KEY",
        ),
    ],
)
def test_credentials_that_cannot_be_any_are_said_before_anything_is_asked(
    monkeypatch, scheme, given, said
):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match="cannot be opened") as error:
        Bucket(parse(STORES[scheme][0]), patience=0.1).find("a/k")
    assert said in error.value.hint and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["gs", "az"], indirect=True)
def test_no_credentials_at_all_are_looked_for_and_missed_in_words(kind, monkeypatch, tmp_path):
    """Offline, those of the machine itself are looked for at an address that answers nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    if kind == "az":
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "somebody")
    with pytest.raises(StorageError, match=r"no credentials were found.* Set (GOOGLE|AZURE)_"):
        Bucket(parse(STORES[kind][0]), patience=0.1).find("a/k")


def test_azures_emulator_is_a_store_that_is_fit(monkeypatch, tmp_path):
    with azure(monkeypatch, tmp_path) as (address, _put):
        bucket = Bucket(parse(f"{address}/zoo"), patience=5)
        probe(bucket)
        bucket.create("a/k", memoryview(b"first"))
        with pytest.raises(ShardExists):
            bucket.create("a/k", memoryview(b"second"))
        assert bytes(bucket.get_ranges("a/k", [1], [3])[0]) == b"irs"
        assert [found.key for found in bucket.listed("a")] == ["a/k"]
        with pytest.raises(FileNotFoundError):
            bucket.get("a/none")
        assert bucket.find("a/none") is None
