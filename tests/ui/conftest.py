"""One workspace for all tests that change nothing in it, and copies of it."""

import pytest

import headstart as hs
import page_workspace as made


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory):
    """With the workspace `zoo` and its pictures; only to be copied."""
    folder = tmp_path_factory.mktemp("page")
    made.make(folder).database.close()
    return folder


@pytest.fixture(scope="session")
def page_workspace(page_folder):
    """Only to be read."""
    return hs.open(page_folder / "zoo")


@pytest.fixture
def own_workspace(page_folder, tmp_path):
    """A copy, whose pictures are the same files."""
    return made.copied(page_folder / "zoo", tmp_path / "zoo")
