"""One workspace for all tests that change nothing in it."""

import page_workspace as made
import pytest


@pytest.fixture(scope="session")
def page_workspace(tmp_path_factory):
    return made.make(tmp_path_factory.mktemp("page"))


@pytest.fixture
def own_workspace(tmp_path):
    return made.make(tmp_path)
