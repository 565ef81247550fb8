"""A shared workspace: what one member put into it harms neither the owner nor the others."""

import os

import pytest

import headstart as hs
from headstart.group_access import share
from headstart.storage.artifacts import ArtifactStore


def test_sharing_leaves_alone_what_links_lead_to(tmp_path):
    outside = tmp_path / "own.txt"
    outside.write_text("own")
    outside.chmod(0o600)
    ws = hs.init(tmp_path / "zoo")
    (ws.config.root / "x").symlink_to(outside)
    (ws.config.root / "gone").symlink_to(tmp_path / "gone")
    share(ws.config)
    assert outside.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_a_second_user_puts_what_the_first_has_put(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"model")
    store = ArtifactStore(tmp_path / "artifacts")
    first = store.put(source, ".keras")
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    source.chmod(0o644)
    store.path_of(first.digest, ".keras").chmod(0o644)
    os.seteuid(65534)
    try:
        assert store.put(source, ".keras") == first
    finally:
        os.seteuid(0)
