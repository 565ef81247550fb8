"""Fixtures of tests of datasets."""

from pathlib import Path

import pytest
from remote_fixtures import serve
from remote_read import CLASSES

from conftest import draw


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """24 pictures of three classes in a folder of this machine."""
    folder = tmp_path_factory.mktemp("local") / "pics"
    for number in range(24):
        draw(folder / CLASSES[number % 3] / f"{number:02} é+%.png", number, (6, 6))
    return folder


@pytest.fixture
def served(web, local):
    """The pictures on the web server; gives address and label of each."""
    return serve(web, local)
