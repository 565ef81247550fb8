"""Somebody may write to the bucket, or to a row, and wants more: files of this machine, features of
another set, code that runs. And what nobody who looks at jobs, events or logs is to see."""

import logging
import sqlite3

import numpy as np
import pytest
from object_servers import GivenBucket
from test_bucket_workspace import EAGER, another_machine, cloud
from test_machines import KEY, machine, samples_of

import headstart as hs
from conftest import direct, draw_classes, network
from headstart.errors import ArtifactDamaged, HeadstartError, ManifestDamaged, StorageError
from headstart.registry import tables as t
from headstart.storage.local_store import LocalStore
from headstart.storage.objects.local_copies import LocalCopies
from headstart.storage.objects.object_store import ObjectStore
from headstart.storage.objects.shared_folder import SharedFolder

__all__ = ["cloud", "machine"]
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "unspeakable",
    "AWS_SESSION_TOKEN": "unmentionable",
    "RAY_AUTH_TOKEN": "ineffable",
}
ELSEWHERE = (
    "../../outside.txt",
    "/etc/outside.txt",
    "ab/../../outside.txt",
    "ab/\0.txt",
    "..",
    "ab//outside.txt",
)
ODD = ("ab/ü.txt", "ab/\u202egnp.h5", "ab/-rf", "ab/$(reboot)", "ab/a b\n.h5")
"""Names that are nobody's, and lead nowhere else."""


class Listing:
    """A store of obstore that lists what it is told to, and keeps what it is to delete."""

    def __init__(self, keys):
        from datetime import UTC, datetime

        at = datetime(2020, 1, 1, tzinfo=UTC)
        self._found = [
            {"path": key, "size": 1, "e_tag": "1", "last_modified": at, "version": None}
            for key in keys
        ]
        self.deleted = []

    def list(self, _prefix):
        return [self._found]

    def list_with_delimiter(self, _prefix):
        return {"common_prefixes": [one["path"] for one in self._found], "objects": []}

    def delete(self, key):
        self.deleted.append(key)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_name_in_a_listing_leads_to_no_file_of_this_machine(tmp_path, name, files_of):
    (tmp_path / "outside.txt").write_text("mine")
    folder = SharedFolder(
        tmp_path / "zoo" / "artifacts", GivenBucket(Listing([f"artifacts/{name}"]))
    )
    with pytest.raises(HeadstartError, match=r"is not the name of a file|cannot be the name"):
        folder.remove([one.path for one in folder.stored()])
    assert files_of(tmp_path) == {"outside.txt"}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_in_a_listing_is_a_file_of_that_name_or_an_error(tmp_path, name, files_of):
    (tmp_path / "outside.txt").write_text("mine")
    bucket = GivenBucket(given := Listing([f"artifacts/{name}"]))
    folder = SharedFolder(tmp_path / "zoo" / "artifacts", bucket)
    (found,) = folder.stored()
    assert found.path.parent == tmp_path / "zoo" / "artifacts" / "ab"
    folder.remove([found.path])
    assert given.deleted == [f"artifacts/{name}"]
    assert files_of(tmp_path) == {"outside.txt"}


@pytest.mark.parametrize("name", [*ELSEWHERE, *ODD])
def test_a_name_in_a_listing_of_shards_is_no_shard(tmp_path, name, files_of):
    (tmp_path / "outside.txt").write_text("mine")
    keys = [f"features/{name}", f"features/ab/{KEY}/{name}"]
    locks = LocalStore(tmp_path / "zoo" / "features", tmp_path / "zoo" / "locks")
    bucket = GivenBucket(given := Listing(keys))
    copies = LocalCopies(tmp_path / "zoo" / "cache", 1 << 20)
    store = ObjectStore(bucket, locks, copies, tmp_path / "zoo" / "features")
    assert store.sets() == []
    for entry in store.entries() + store.entries(KEY):
        try:
            store.delete(entry.name)
        except HeadstartError:
            continue
        assert given.deleted.pop() in keys  # nothing else than what is there
    assert files_of(tmp_path) <= {"outside.txt"}


# What somebody put in the place of something else


def overwrite(ws, prefix, content):
    (found,) = [one for one in ws.context.bucket.listed(prefix) if one.key.endswith(content[0])]
    ws.context.bucket.put(found.key, content[1])


def test_a_model_that_somebody_put_in_the_place_of_ours_is_not_opened(cloud, tmp_path, monkeypatch):
    """Though it is one: another machine fetches it, and computes nothing with it."""
    network(seed=9).save(tmp_path / "other.keras")
    overwrite(cloud, "artifacts", (".keras", (tmp_path / "other.keras").read_bytes()))
    for found in cloud.context.bucket.listed("compiled"):
        cloud.context.bucket.delete([found.key])
    other = another_machine(cloud, tmp_path)
    with pytest.raises((ArtifactDamaged, StorageError), match="its sha256 is another"):
        other.extract("net@features", "pics", settings=EAGER)
    assert other.context.feature_sets.find_all_shards() == []


def test_a_manifest_that_somebody_put_in_the_place_of_ours_is_not_read(cloud, tmp_path):
    (found,) = [one for one in cloud.context.bucket.listed("manifests") if "/" in one.key]
    content = bytes(cloud.context.bucket.get(found.key)).replace(b"red", b"ret")
    cloud.context.bucket.put(found.key, content)
    other = another_machine(cloud, tmp_path)
    with pytest.raises(ManifestDamaged, match="its sha256 is another"):
        other.features("net@features", "pics")


def test_a_shard_that_somebody_put_in_the_place_of_ours_is_computed_again(
    cloud, tmp_path, model, proxy
):
    view = cloud.extract("net@features", "pics", settings=EAGER)
    expected, key = view.to_numpy(), view.key
    shards = [one for one in cloud.context.bucket.listed("features") if one.key.endswith(".h5")]
    one, other = shards[:2]
    cloud.context.bucket.put(one.key, bytes(cloud.context.bucket.get(other.key)))
    there = another_machine(cloud, tmp_path)
    again = there.extract("net@features", "pics", settings=EAGER)
    assert (again.report.computed, again.report.quarantined, again.key) == (4, 1, key)
    np.testing.assert_allclose(again.to_numpy(), direct(there, again, model), atol=1e-5)
    np.testing.assert_allclose(again.to_numpy(), expected, atol=1e-5)


# What somebody put into a row


@pytest.mark.parametrize(
    "file",
    [
        "../../elsewhere/x.h5",
        "/etc/passwd",
        f"ab/{'ab' * 32}/../x.h5",
        f"cd/{'cd' * 32}/SAME",
        "s3://other/x.h5",
    ],
)
def test_a_row_that_points_elsewhere_gives_no_rows_and_deletes_nothing(machine, file):
    """To another prefix, another set's shard, or out of all: it is damaged, or refused."""
    one = machine("one")
    one.commit(range(10))
    (shard,) = one.context.feature_sets.find_all_shards()
    bucket = one.context.shard_store.bucket
    file = file.replace("SAME", shard.file.rpartition("/")[2])
    if file.startswith("cd/"):
        bucket.put(f"features/{file}", bytes(bucket.get(f"features/{shard.file}")))
    with one.context.database.writing() as connection:
        connection.execute(t.shards.update().values(file=file))
    before = [found.key for found in bucket.listed("")]
    other = machine("other")
    for look in (
        lambda: other.context.cache().open_present(KEY, samples_of(range(10)))[1],
        lambda: len(other.context.cache(reads_rows=False).open_index(KEY)) or None,
    ):
        try:
            found = look()
        except HeadstartError:
            continue
        assert found is None or file.startswith("cd/")
    other.collect()
    gone = set(before) - {found.key for found in bucket.listed("")}
    assert gone <= {f"features/{shard.file}"}  # which no row names any more


# What nobody is to see


def test_no_secret_is_shown_logged_or_stored(
    own_bucket, tmp_path, model_file, run, monkeypatch, caplog, capsys
):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    caplog.set_level(logging.DEBUG)
    ws = hs.init(tmp_path / "zoo", store=own_bucket)
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.datasets.add("pics", draw_classes(tmp_path / "pictures"))
    commands = (
        ("extract", "net", "pics", "--detach"),
        ("worker", "-vv"),
        ("job", "show", "1"),
        ("job", "show", "1", "--json"),
        ("job", "list", "--json"),
        ("log", "--json"),
        ("stats", "--json"),
        ("config", "show"),
        ("config", "show", "--json"),
        ("doctor",),
        ("doctor", "--json"),
        ("features", "gc", "--json"),
    )
    told = ""
    for command in commands:
        done = run(*command)
        told += done.out + done.err
    assert ws.jobs.get(1).state == "done"
    stored = b"".join(bytes(ws.context.bucket.get(one.key)) for one in ws.context.bucket.listed(""))
    with sqlite3.connect(ws.config.root / "headstart.db") as connection:
        rows = "\n".join(connection.iterdump())
    kept = "".join(
        path.read_bytes().decode("latin-1")
        for path in ws.config.root.rglob("*")
        if path.is_file() and path.suffix != ".db"
    )
    for secret in SECRETS.values():
        for where in (told, caplog.text, stored.decode("latin-1"), rows, kept):
            assert secret not in where
