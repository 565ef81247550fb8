"""`init --store`: what is looked at first, whose a store is, and what `doctor` says of it."""

import pickle
import tomllib
from urllib.request import Request, urlopen

import pytest

import headstart as hs
from headstart.errors import AlreadyExists, ForeignDatabase, StorageError, WorkspaceError
from headstart.jobs import doctor
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.probe import claim


def settings_of(root):
    return tomllib.loads((root / "headstart.toml").read_text())


@pytest.mark.parametrize("kind", ["bucket", "folder"])
def test_a_workspace_says_where_its_store_is_and_no_secret(tmp_path, own_bucket, kind, monkeypatch):
    store = own_bucket if kind == "bucket" else f"file://{tmp_path / 'store'}"
    ws = hs.init(tmp_path / "zoo", store=f"{store}/")
    assert settings_of(tmp_path / "zoo") == {"version": 1, "id": ws.config.id, "store": store}
    assert "unspeakable" not in (tmp_path / "zoo" / "headstart.toml").read_text()
    assert hs.init(tmp_path / "zoo").config == hs.open(tmp_path / "zoo").config == ws.config
    assert hs.init(tmp_path / "zoo", store=store).config == ws.config
    with pytest.raises(AlreadyExists, match=f"keeps its shards in {store}"):
        hs.init(tmp_path / "zoo", store=f"{store}/other")


def test_a_workspace_that_keeps_shards_in_its_folder_stays_so(tmp_path, own_bucket):
    hs.init(tmp_path / "zoo")
    with pytest.raises(AlreadyExists, match=r"its own folder.*features sync"):
        hs.init(tmp_path / "zoo", store=own_bucket)


@pytest.mark.parametrize("store", ["s3://no-such-bucket-here/x", "bucket", "s3://K:S@bucket/x"])
def test_of_a_store_that_cannot_be_used_no_workspace_is_left(tmp_path, own_bucket, store):
    with pytest.raises((StorageError, WorkspaceError)):
        hs.init(tmp_path / "zoo", store=store)
    assert not (tmp_path / "zoo").exists()


def test_a_second_machine_joins_by_naming_store_and_database(tmp_path, own_bucket, own_database):
    one = hs.init(tmp_path / "one", own_database, store=own_bucket)
    other = hs.init(tmp_path / "other", own_database, store=own_bucket)
    assert one.config.id == other.config.id
    assert one.config.root != other.config.root


def test_a_store_of_another_database_is_refused(tmp_path, own_bucket, own_database):
    hs.init(tmp_path / "one", store=own_bucket)
    with pytest.raises(WorkspaceError, match=r"is the store of a workspace .*--database-url"):
        hs.init(tmp_path / "two", store=own_bucket)
    assert not (tmp_path / "two").exists()
    hs.init(tmp_path / "three", own_database)
    with pytest.raises(ForeignDatabase):
        hs.init(tmp_path / "four", own_database, store=own_bucket)


@pytest.mark.parametrize("said", [None, "another"])
def test_a_store_that_is_not_this_workspaces_is_neither_read_nor_written(tmp_path, said):
    """The folder of a disk that is not mounted is an empty one."""
    store = tmp_path / "store"
    hs.init(tmp_path / "zoo", store=f"file://{store}")
    (store / "headstart.json").unlink()
    if said is not None:
        claim(Bucket(parse(f"file://{store}")), said)
    before = sorted(store.iterdir())
    ws = hs.open(tmp_path / "zoo")
    assert ws.backbones.list() == []  # for which no object is touched
    words = "is missing" if said is None else "store of the workspace another"
    for use in (lambda: ws.context.artifacts.keep(b"x"), ws.cache.gc):
        with pytest.raises(StorageError, match=f"headstart.json .*{words}.*nothing was"):
            use()
    assert sorted(store.iterdir()) == before
    if said is None:  # what the hint says
        hs.init(tmp_path / "zoo")
        ws.context.artifacts.keep(b"x")


def test_it_is_asked_once_whose_the_store_is(tmp_path, own_bucket, proxy):
    hs.init(tmp_path / "zoo", store=own_bucket)
    proxy.seen.clear()
    ws = hs.open(tmp_path / "zoo")
    assert proxy.seen == []
    digest = ws.context.artifacts.keep(b"x")
    ws.context.artifacts.path_of(digest, ".part").unlink()
    assert ws.context.artifacts.read(digest) == b"x"
    assert len([seen for seen in proxy.of("GET") if "headstart.json" in seen.path]) == 1
    again = pickle.loads(pickle.dumps(ws.context.bucket))
    assert again.listed("artifacts") and again.address == ws.context.bucket.address


def test_doctor_looks_at_the_store(tmp_path, own_bucket, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "copies"))
    monkeypatch.setenv("HEADSTART_CACHE_SIZE", "3GB")
    ws = hs.init(tmp_path / "zoo", store=own_bucket)

    def of_store():
        (check,) = [one for one in doctor.examine(ws.config.root) if one.what == "store"]
        return check

    assert of_store().ok
    assert own_bucket in of_store().found and f"{tmp_path / 'copies'}, at most 3.0 GiB" in (
        of_store().found
    )
    ws.context.bucket.put("headstart.json", b'{"format":"headstart.store","version":1,"id":"x"}')
    assert not of_store().ok and "is of another workspace (x)" in of_store().found
    monkeypatch.setenv("HEADSTART_CACHE_SIZE", "much")
    (check,) = [one for one in doctor.examine(ws.config.root) if not one.ok]
    assert "HEADSTART_CACHE_SIZE is 'much', which is not a size" in check.found
    monkeypatch.setenv("HEADSTART_CACHE_SIZE", "")
    ws.context.bucket.delete([one.key for one in ws.context.bucket.listed("")])
    address = own_bucket.removeprefix("s3://").partition("/")[0]
    urlopen(Request(f"{own_address()}/{address}", method="DELETE")).close()
    assert not of_store().ok and "there is no such bucket" in of_store().found


def own_address():
    import os

    return os.environ["AWS_ENDPOINT_URL"]


def test_without_obstore_a_line_says_what_to_install(tmp_path, monkeypatch, fails, own_bucket):
    import sys

    for name in ("obstore", "obstore.store", "obstore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    said = fails("init", "--store", own_bucket)
    assert "obstore is not installed" in said and "pip install 'headstart[cloud]'" in said


def test_a_workspace_of_a_folder_does_not_load_obstore(tmp_path):
    import subprocess
    import sys

    program = (
        "import sys, headstart as hs; ws = hs.init(sys.argv[1]); ws.cache.gc();"
        "print([name for name in sys.modules if name.startswith('obstore')])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "zoo")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
