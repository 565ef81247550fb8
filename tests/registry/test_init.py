"""A workspace is made as a whole or not at all."""

import pytest

import headstart as hs
from headstart.errors import HeadstartError

NOBODY = "postgresql+psycopg://nobody@127.0.0.1:1/none"
"""A port at which nothing listens."""


@pytest.mark.parametrize("url", [NOBODY, "foo://somewhere"])
def test_a_database_that_cannot_be_had_leaves_no_workspace_behind(tmp_path, url):
    with pytest.raises(HeadstartError):
        hs.init(tmp_path / "zoo", url)
    assert not (tmp_path / "zoo").exists()
    assert hs.init(tmp_path / "zoo").config.database_url is None  # not "uses another database"


def test_what_was_in_the_folder_stays(tmp_path):
    (tmp_path / "zoo" / "features").mkdir(parents=True)
    (tmp_path / "zoo" / "features" / "mine.txt").write_text("mine")
    with pytest.raises(HeadstartError):
        hs.init(tmp_path / "zoo", NOBODY)
    assert [one.name for one in (tmp_path / "zoo").iterdir()] == ["features"]
    assert (tmp_path / "zoo" / "features" / "mine.txt").read_text() == "mine"


def test_a_workspace_that_was_there_stays(tmp_path):
    hs.init(tmp_path / "zoo")
    with pytest.raises(HeadstartError, match="uses another database"):
        hs.init(tmp_path / "zoo", NOBODY)
    assert hs.open(tmp_path / "zoo").config.database_url is None
