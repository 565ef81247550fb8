"""A workspace is made as a whole or not at all."""

import pytest

import headstart as hs
from headstart import config
from headstart.errors import HeadstartError, WorkspaceError
from headstart.registry import schema

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


@pytest.mark.parametrize("inner", ["", "features"])
def test_an_empty_folder_that_was_there_stays(tmp_path, inner):
    folder = tmp_path / "zoo" / inner
    folder.mkdir(parents=True)
    with pytest.raises(HeadstartError):
        hs.init(tmp_path / "zoo", NOBODY)
    assert folder.is_dir() and not list(folder.iterdir())
    with pytest.raises(HeadstartError):
        hs.init(tmp_path / "new" / "zoo", NOBODY)
    assert not (tmp_path / "new").exists()


def test_of_two_at_once_the_one_that_fails_leaves_the_other_its_workspace(tmp_path, monkeypatch):
    make, root = config._make_folders, tmp_path / "zoo"

    def others_first(*given):
        monkeypatch.setattr(config, "_make_folders", make)
        hs.init(root)
        make(*given)

    monkeypatch.setattr(config, "_make_folders", others_first)
    with pytest.raises(HeadstartError, match="uses another database"):
        hs.init(root, NOBODY)
    assert hs.open(root).config.database_url is None


def test_a_workspace_that_somebody_else_wrote_meanwhile_stays(tmp_path, monkeypatch):
    root = tmp_path / "zoo"

    def fails(_config):
        (root / "new.toml").write_text("version = 1\n")
        (root / "new.toml").replace(root / "headstart.toml")
        raise WorkspaceError("no database")

    monkeypatch.setattr(schema, "upgrade", fails)
    with pytest.raises(WorkspaceError, match="no database"):
        hs.init(root)
    assert (root / "headstart.toml").read_text() == "version = 1\n"
    assert (root / "features").is_dir()
