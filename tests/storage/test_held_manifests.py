"""A manifest whose samples are in memory is read once."""

import gc

import pytest

from headstart.errors import DatasetError
from headstart.storage import manifest as manifests


@pytest.fixture
def reads(monkeypatch):
    """Counts how often a manifest is read."""
    given, times = manifests._read, []
    monkeypatch.setattr(manifests, "_read", lambda path: times.append(path) or given(path))
    return times


def test_while_somebody_has_its_samples_a_manifest_is_read_once(rows, reads):
    columns = rows.context.manifest("rows").columns
    again = rows.context.manifest("rows")
    assert again.columns is columns and len(reads) == 1
    assert again.digest == rows.context.datasets.get("rows").digest
    del columns, again
    gc.collect()
    rows.context.manifest("rows")
    assert len(reads) == 2


def test_a_manifest_that_was_changed_meanwhile_is_read_and_refused(rows):
    held = rows.context.manifest("rows").columns
    path = rows.config.manifests / rows.context.datasets.get("rows").manifest
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match="damaged"):
        rows.context.manifest("rows")
    path.unlink()
    with pytest.raises(DatasetError, match="missing"):
        rows.context.manifest("rows")
    assert len(held)
