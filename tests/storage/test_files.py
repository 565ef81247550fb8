import os
import socket

import pytest

from headstart.errors import StorageError
from headstart.storage.files import check_regular, open_regular, sha256_of_file


def test_a_regular_file_and_a_link_to_one_are_opened(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"content")
    link.symlink_to(file)
    for path in (file, link):
        check_regular(path)
        with open_regular(path) as opened:
            assert opened.read() == b"content"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["FIFO", "device", "socket", "folder"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path, monkeypatch, kind):
    path = tmp_path / "given"
    listener = socket.socket(socket.AF_UNIX)
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        monkeypatch.chdir(tmp_path)  # a socket's whole name may have a hundred letters
        listener.bind(path.name)
    else:
        path.mkdir()
    with listener, pytest.raises(StorageError, match=f"is a {kind}, not a file"):
        sha256_of_file(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "nothing")
