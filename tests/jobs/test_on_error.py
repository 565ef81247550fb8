"""What cannot be read is skipped by every command that extracts, as `extract` itself does."""

from pathlib import Path

import pytest

from headstart.errors import DatasetError, SampleUnreadable


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def broken(pictures):
    """A picture that is none."""
    file = pictures / "red" / "broken.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    return file


COMMANDS = {
    "train": ("head", "train", "h", "network.keras", "pictures/"),
    "sweep": ("head", "sweep", "pictures/", "network.keras", "--folds", 2),
    "rank": ("rank", "pictures/", "network.keras", "--folds", 2),
    "audit": ("features", "audit", "network.keras", "pictures/", "--folds", 2),
    "extract": ("extract", "network.keras", "pictures/"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_one_command_from_sources_skips_what_cannot_be_read(ws, run, model_file, broken, words):
    refused = run(*words)
    assert refused.code == 4 and "--on-error skip" in refused.err.splitlines()[-1], refused.err
    ran = run(*words, "--on-error", "skip", "--json")
    assert ran.code == 0, ran.err
    assert "skipped red/broken.png: " in ran.err
    (failure,) = ws.datasets.failures("pictures")
    assert failure.id == "red/broken.png"
    assert run(*words).code == 0  # it is known by now, and left out


def test_fine_tuning_skips_what_cannot_be_read(ready, run, broken):
    ready.heads.train("h", ready.extract("net", "pics", on_error="skip"))
    ready.datasets.forget_failures("pics")
    words = ("head", "finetune", "h", "--from", "pool", "--epochs", 1)
    refused = run(*words)
    assert refused.code == 4 and "--on-error skip" in refused.err, refused.err
    ran = run(*words, "--on-error", "skip")
    assert ran.code == 0 and "skipped red/broken.png: " in ran.err, ran.err


@pytest.mark.parametrize("words", [("rank", "pics"), ("head", "sweep", "pics")])
def test_nothing_is_skipped_where_nothing_is_extracted(ready, fails, words):
    ready.extract("net", "pics")
    told = fails(*words, "--on-error", "skip")
    assert "--on-error is for what is extracted: name a BACKBONE" in told


TABLE = "path,label\n{0}/red/00.jpg,a\n{0}/green/00.jpg,b\n{0}/red/01.png,\n,b\n"


def test_a_source_that_is_registered_in_passing_leaves_out_rows_that_are_no_samples(
    ws, run, model_file, pictures
):
    Path("t.csv").write_text(TABLE.format(pictures))
    refused = run("extract", "network.keras", "t.csv")
    assert refused.code == 1 and "--on-error skip" in refused.err and not len(ws.datasets)
    ran = run("extract", "network.keras", "t.csv", "--on-error", "skip", "--json")
    assert ran.code == 0 and ran.json["samples"] == 2, ran.err
    assert "2 samples skipped" in ran.err
    assert run("extract", "network.keras", "t.csv", "--json").json["computed"] == 0
    assert list(ws.datasets) == ["t"]


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_python_takes_the_same(ws, model_file, pictures, broken):
    Path("t.csv").write_text(TABLE.format(pictures))
    with pytest.raises(SampleUnreadable, match="on-error"):
        ws.extract(model_file, "pictures/")
    assert len(ws.extract(model_file, "pictures/", on_error="skip")) == 36
    with pytest.raises(DatasetError):
        ws.extract(model_file, "t.csv")
    assert len(ws.extract(model_file, "t.csv", on_error="skip")) == 2


def test_a_dataset_that_has_odd_rows_by_now_says_which_command_takes_the_option(
    ready, fails, run, pictures
):
    Path("t.csv").write_text(TABLE.format(pictures).partition(f"{pictures}/red/01")[0])
    assert run("dataset", "add", "t", "t.csv").code == 0
    Path("t.csv").write_text(TABLE.format(pictures))
    for words in (("extract", "net", "t", "--on-error", "skip"), ("dataset", "refresh", "t")):
        assert "--on-error skip, an option of `headstart dataset add`: add 't'" in fails(*words)
    assert run("dataset", "add", "t", "t.csv", "--on-error", "skip").code == 0
    assert run("extract", "net", "t").code == 0
