"""Backups in an object store, of a server that speaks S3's protocol, and in a folder by its
address."""

import pytest

import headstart as hs
from headstart.errors import EXITS, AlreadyExists, BackupDamaged, NotFound, StorageError
from headstart.jobs.backups import restore as restores
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket

FLAT = "flat@as_it_is"


@pytest.fixture
def url(own_bucket):
    return f"{own_bucket}/backups/zoo"


def test_a_workspace_goes_into_a_bucket_and_comes_back(full, url, tmp_path, run):
    done = full.backup(url, features=True)
    assert done.folder == url and done.missing == ()
    checked = run("restore", url, "--check", "--json").json
    assert (checked["files"], checked["folder"]) == (done.files, url)
    restored = run("restore", url, "--workspace", tmp_path / "elsewhere", "--json")
    assert restored.code == 0, restored.err
    ws = hs.open(tmp_path / "elsewhere")
    assert ws.extract(FLAT, "rows").report.computed == 0
    assert ws.heads.get("production").reproduce().agrees
    assert len(ws.context.manifest("kept").samples) == 4


def test_a_backup_in_a_bucket_is_brought_up_to_date(full, url, tmp_path):
    first = full.backup(url, features=True)
    full.heads.train("h", full.features(FLAT, "rows"), hs.Linear(strengths=2.0))
    full.datasets.remove("kept", force=True)
    second = full.backup(url, features=True)
    assert second.copied < first.copied
    keys = {one.key for one in Bucket(parse(url)).listed("")}
    assert len(keys) == second.files + 1  # and the list of them
    assert not [key for key in keys if key.startswith("contents/")]
    ws = hs.restore(url, tmp_path / "elsewhere")
    assert [one.version for one in ws.context.heads.find_all()] == [1, 2]
    with pytest.raises(AlreadyExists, match="a backup of another workspace"):
        hs.init(tmp_path / "other").backup(url)
    with pytest.raises(NotFound, match="holds no backup"):
        hs.restore(f"{url}/nothing", tmp_path / "nowhere")


def test_an_object_that_is_not_what_was_written_is_found_and_nothing_is_made(full, url, tmp_path):
    full.backup(url, features=True)
    bucket = Bucket(parse(url))
    for folder in ("artifacts", "features", "registry"):
        key = next(one.key for one in bucket.listed("") if one.key.startswith(folder))
        content = bytes(bucket.get(key))
        bucket.put(key, content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(BackupDamaged, match="its sha256 is another"):
            hs.restore(url, tmp_path / "elsewhere")
        with pytest.raises(BackupDamaged, match="its sha256 is another"):
            restores.check(url)
        bucket.delete([key])
        with pytest.raises(BackupDamaged, match="is missing in the backup"):
            hs.restore(url, tmp_path / "elsewhere")
        bucket.put(key, content)
    assert not (tmp_path / "elsewhere").exists()
    restores.check(url)


def test_a_store_that_is_not_there_is_said_in_a_line(ws, own_bucket, run):
    ran = run("backup", "s3://no-such-bucket-here/zoo")
    assert ran.code == EXITS["storage"] and "there is no such bucket" in ran.err
    assert run("backup", "ftp://host/zoo").code == 1
    with pytest.raises(StorageError):
        hs.restore("s3://no-such-bucket-here/zoo", ws.config.root / "x")


def test_a_folder_by_its_address_is_that_folder(full, tmp_path):
    done = full.backup(f"file://{tmp_path / 'copy'}")
    assert done.folder == str(tmp_path / "copy") and (tmp_path / "copy" / "backup.json").exists()
    assert len(hs.restore(f"file://{tmp_path / 'copy'}", tmp_path / "elsewhere").backbones) == 1
