"""A disk that is full, or breaks, at the n-th operation: an error in one line, nothing lost."""

import errno
import os
import sqlite3

import numpy as np
import pytest
from filesystem import watched
from sqlalchemy import event

import headstart as hs
from conftest import direct, rows_in
from headstart.backbone_model import load_graph, open_engine
from headstart.errors import HeadstartError, RegistryError, StorageError
from headstart.storage import files
from headstart.storage.locks import Alone

SETTINGS = hs.Settings(batch_size=6, commit_seconds=0)
STRIDE = 31
"""Every n-th place in the default suite; all of them in the long one."""


@pytest.fixture
def job(ready, model, monkeypatch):
    """A workspace whose extraction loads no model each time, and what plain Keras gives."""
    entity, cuts = ready.context.resolve("net@features,relu|gap")
    engine = open_engine(ready.context, entity, cuts)
    graph = load_graph(ready.context, entity)
    monkeypatch.setattr("headstart.backbone_model.open_engine", lambda *_: engine)
    monkeypatch.setattr("headstart.backbone_model.load_graph", lambda *_: graph)
    view = ready.extract("net@features,relu|gap", "pics", settings=SETTINGS)
    expected = direct(ready, view, model)
    del view
    clear(ready)
    return ready, expected


def clear(ws):
    from headstart.extractors.cache.gc import Choice

    keys = tuple(one.key for one in ws.context.feature_sets.find_sets())
    ws.cache.collect(ws.cache.find_garbage(Choice(sets=keys)))
    assert rows_in(ws) == 0


def extract(ws):
    return ws.extract("net@features,relu|gap", "pics", settings=SETTINGS)


def check_and_finish(ws, expected):
    """Nothing committed is lost or wrong, nothing is half there, and the next run completes."""
    assert not list(ws.config.root.rglob("*.partial"))
    kept = rows_in(ws) // 2
    report = (view := extract(ws)).report
    assert (report.computed, report.reused, report.quarantined) == (36 - kept, kept, 0)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    with Alone(ws.config.locks, "nothing") as lock:
        assert lock.is_held
    del view
    clear(ws)


def places(total, every):
    return range(1, total + 1, every)


def count_operations(ws):
    seen = []
    with watched(lambda operation, *_: seen.append(operation)):
        extract(ws)
    clear(ws)
    return [operation for operation in seen if operation != "unlink"]


@pytest.mark.parametrize("every", [STRIDE, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("code", [errno.ENOSPC, pytest.param(errno.EIO, marks=pytest.mark.slow)])
def test_a_file_operation_that_fails_at_any_place_loses_nothing(job, code, every):
    ws, expected = job
    operations = count_operations(ws)
    assert {"create", "write", "fsync", "rename", "sync folder"} <= set(operations)
    failed = 0
    for place in places(len(operations), every):
        left = [place]

        def announce(operation, path, more, left=left):
            if operation == "unlink":
                return
            left[0] -= 1
            if left[0] == 0:
                raise OSError(code, os.strerror(code), str(path))

        with watched(announce):
            try:
                extract(ws)
            except StorageError as error:
                failed += 1
                said = "no space is left" if code == errno.ENOSPC else "Input/output error"
                assert said in str(error)
                assert "\n" not in str(error)
        check_and_finish(ws, expected)
    # The index is a cache: that its file cannot be written stops nobody.
    assert failed >= 0.5 * len(list(places(len(operations), every)))


@pytest.mark.parametrize("every", [STRIDE, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "message", ["database or disk is full", pytest.param("disk I/O error", marks=pytest.mark.slow)]
)
def test_a_statement_that_fails_at_any_place_loses_nothing(job, message, every):
    ws, expected = job
    left = [0]

    def before(connection, cursor, statement, *_):
        left[0] -= 1
        if left[0] == 0:
            raise sqlite3.OperationalError(message)

    event.listen(ws.database.engine, "before_cursor_execute", before)
    extract(ws)
    total = -left[0]
    clear(ws)
    failed = 0
    for place in places(total, every):
        left[0] = place
        try:
            extract(ws)
        except RegistryError as error:
            failed += 1
            assert message in str(error)
        left[0] = 0
        collect_orphans(ws)
        check_and_finish(ws, expected)
    assert failed >= 0.8 * len(list(places(total, every)))


def collect_orphans(ws):
    ws.cache.collect(ws.cache.find_garbage())


def test_a_disk_that_will_be_full_is_foreseen_before_anything_is_computed(job, monkeypatch, fails):
    ws, _ = job
    free = 17_000_000
    monkeypatch.setattr("headstart.storage.local_store.free_bytes", lambda folder: free)
    extract(ws)  # 36 rows of 8 and 6 floats fit
    clear(ws)
    free = 16 << 20
    line = fails("extract", "net", "pics")
    assert "the features of 36 samples need about 2.2 KiB, the registry up to 16.0 MiB" in line
    assert "headstart features gc" in line
    assert rows_in(ws) == 0


def test_a_really_full_disk(tmp_path, model_file, pictures, model):
    """A file system of 24 MB of its own, where this machine lets a test have one."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = f"mount -t tmpfs -o size=24m none {mount} 2>/dev/null"
    if os.system(command) != 0:
        pytest.skip("this process may not mount a file system of its own")
    try:
        ws = hs.init(mount / "zoo")
        ws.backbones.add("net", model_file, preprocess="unit")
        ws.datasets.add("pics", pictures)
        ws.extract("net", "pics")
        (mount / "ballast").write_bytes(bytes(files.free_bytes(mount) - 60_000))
        with pytest.MonkeyPatch.context() as patch:  # or it would be foreseen
            patch.setattr("headstart.storage.local_store.free_bytes", lambda folder: 1 << 40)
            with pytest.raises(HeadstartError, match=r"no space is left|full"):
                ws.extract("net@conv", "pics", settings=SETTINGS)
        with pytest.raises(StorageError, match="are free where"):
            ws.extract("net@conv", "pics")
        view = ws.features("net", "pics")
        np.testing.assert_allclose(view.to_numpy(), direct(ws, view, model), atol=1e-5)
        (mount / "ballast").unlink()
        done = ws.extract("net@conv", "pics").report
        assert done.computed + done.reused == 36
        ws.database.close()
    finally:
        os.system(f"umount -l {mount}")
