"""Datasets of Hugging Face: objects, and what `hf:` fetches; here without a network."""

import shutil
import sys

import datasets
import pytest

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets.memory import huggingface
from headstart.notices import HeadstartWarning
from headstart.storage.keys import digest_of

FEATURES = datasets.Features(
    {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
)


@pytest.fixture
def contents(tmp_path):
    return [draw(tmp_path / f"{number}.png", number).read_bytes() for number in range(8)]


@pytest.fixture
def made(contents):
    rows = {"image": [{"bytes": one, "path": None} for one in contents], "label": [0, 1] * 4}
    return datasets.Dataset.from_dict(rows, features=FEATURES)


@pytest.fixture
def on_hub(monkeypatch, made, tmp_path):
    """A folder for a repository of the hub, which is read as one is, but from the disk."""
    folder = tmp_path / "repository"
    folder.mkdir()
    made.to_parquet(folder / "train-00000-of-00001.parquet")
    made.select(range(2)).to_parquet(folder / "test-00000-of-00001.parquet")
    real = datasets.load_dataset

    def load(name, **how):
        assert name == "some/set"
        return real(str(folder), **how)

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(huggingface, "_revision", lambda name: None)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return folder


def found_in(ws, name):
    return [(one.digest, one.label, one.split) for one in ws.datasets.manifest(name).samples]


def test_the_order_and_choice_of_an_object_is_that_of_the_dataset(ws, made, contents):
    chosen = made.shuffle(seed=1).select(range(5))
    ws.datasets.add("d", chosen)
    column = chosen.with_format("arrow")[:]["image"].to_pylist()
    wanted = [digest_of(one["bytes"]) for one in column]
    assert [one.digest for one in ws.datasets.manifest("d").samples] == wanted
    assert wanted != [digest_of(one) for one in contents[:5]]
    assert "fingerprint" in ws.datasets.get("d").options["origin"]


def test_a_stream_is_gone_through_once(ws, made, contents):
    ws.datasets.add("d", made.to_iterable_dataset())
    assert [one[0] for one in found_in(ws, "d")] == [digest_of(one) for one in contents]
    assert ws.datasets.get("d").classes == ["cat", "dog"]


def test_files_that_an_object_names_are_put_into_the_workspace(ws, tmp_path, contents):
    paths = [str(tmp_path / f"{number}.png") for number in range(8)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    named = datasets.Dataset.from_dict({"image": paths, "label": list("abababab")}, features)
    ws.datasets.add("d", named)
    (tmp_path / "0.png").unlink()
    assert ws.datasets.refresh("d").samples == 8
    assert found_in(ws, "d")[0][0] == digest_of(contents[0])


def test_splits_of_no_known_name_are_named(ws, made):
    with pytest.warns(HeadstartWarning, match="not used: split 'unsupervised'"):
        ws.datasets.add("d", datasets.DatasetDict(train=made, unsupervised=made))
    assert {split for _, _, split in found_in(ws, "d")} == {"train"}
    with pytest.raises(DatasetError, match="splits called unsupervised"):
        ws.datasets.add("e", datasets.DatasetDict(unsupervised=made))


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_a_dataset_of_the_hub_is_fetched_once(ws, on_hub, contents):
    ws.datasets.add("d", "hf:some/set")
    found = found_in(ws, "d")
    assert [digest for digest, _, split in found if split == "train"] == [
        digest_of(one) for one in contents
    ]
    assert sum(split == "test" for _, _, split in found) == 2
    assert ws.datasets.get("d").options["origin"] == "hf:some/set"
    ws.datasets.add("t", "hf:some/set:test")
    assert [label for _, label, _ in found_in(ws, "t")] == ["cat", "dog"]


@pytest.mark.parametrize(
    "name",
    [
        "csv",
        "parquet",
        "imagefolder",
        "{folder}",
        "./some/set",
        "a/b/c",
        "../set",
        "a/..",
        "",
        "a b",
    ],
)
def test_what_is_no_name_on_the_hub_is_never_loaded(ws, on_hub, name):
    with pytest.raises(DatasetError, match="is not a dataset of the hub"):
        ws.datasets.add("d", f"hf:{name.format(folder=on_hub)}")
    assert not len(ws.datasets)


@pytest.mark.parametrize("name", ["some/set", "mnist"])
def test_a_folder_of_this_machine_is_not_taken_for_one_of_the_hub(
    ws, on_hub, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(on_hub, tmp_path / name)
    with pytest.raises(DatasetError, match=rf"hf:{name}: .* lies here"):
        ws.datasets.add("d", f"hf:{name}")


def test_without_a_network_and_without_the_package_it_is_said(ws, fails, monkeypatch):
    def refuse(name):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface, "_revision", refuse)
    assert "cannot read hf:some/set (ConnectionError" in fails("dataset", "add", "d", "hf:some/set")
    monkeypatch.setitem(sys.modules, "datasets", None)
    said = fails("dataset", "add", "d", "hf:some/set")
    assert "wants the package datasets" in said and "headstart[huggingface]" in said


def test_where_data_came_from_is_shown(ws, run, made):
    ws.datasets.add("d", made)
    ran = run("dataset", "show", "d")
    assert "from a Hugging Face dataset (fingerprint" in ran.out.replace("\n", " ")
