"""A shared workspace: what one member put into it harms neither the owner nor the others."""

import os
import tempfile
from pathlib import Path

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
    # pytest makes its folders its own user's alone, and so does every other that starts meanwhile.
    for folder in (tmp_path, *tmp_path.parents):
        if Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)
    source.chmod(0o644)
    store.path_of(first.digest, ".keras").chmod(0o644)
    os.seteuid(65534)
    try:
        assert store.put(source, ".keras") == first
    finally:
        os.seteuid(0)
