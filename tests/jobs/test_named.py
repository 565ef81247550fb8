"""Where a name is taken, a source is taken too: registered, said, and found again."""

import re
import shutil
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import headstart as hs
from conftest import draw, draw_classes, network
from headstart.errors import DatasetError, NotFound, RegistryError
from headstart.jobs.source_names import free_name, name_of
from headstart.notices import HeadstartWarning
from headstart.registry.names import check_name


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@contextmanager
def says(match=""):
    """One of the lines that are said is this one; gives all."""
    lines = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lines
    lines += [str(one.message) for one in caught if issubclass(one.category, HeadstartWarning)]
    assert any(re.search(match, line) for line in lines), lines


@pytest.mark.parametrize(
    ("source", "is_file", "name"),
    [
        ("/data/photos", False, "photos"),
        ("/data/photos.v2", False, "photos.v2"),
        ("/data/t.csv", True, "t"),
        ("/data/t.csv.gz", True, "t"),
        ("/data/my model.keras", True, "my-model"),
        ("/data/Blüten (neu)", False, "Bluten-neu"),
        ("/data/写真", False, "dataset"),
        ("/data/.hidden", False, "hidden"),
        ("/", False, "dataset"),
        ("/data/" + "x" * 300, False, "x" * 60),
        ("zoo:efficientnet-lite0", False, "efficientnet-lite0"),
        ("applications:VGG16?weights=/a/b.h5", False, "VGG16"),
        ("kerashub:/data/bert", False, "bert"),
        ("hf:user/flowers", False, "flowers"),
        ("s3://bucket/photos/", True, "photos"),
        ("https://x.org/a/t.csv?token=1", True, "t"),
        ("/data/shards-{000..099}.tar", True, "shards-000..099"),
    ],
)
def test_a_name_says_which_source_it_is(source, is_file, name):
    found = name_of(source, "dataset", is_file=is_file)
    assert check_name(found, "dataset") == name


def test_a_name_that_is_taken_gets_a_number():
    assert free_name("photos", {"photos", "photos-2"}.__contains__) == "photos-3"


def test_sources_are_taken_for_names(ws, model_file, pictures):
    with says() as told:
        features = ws.extract(f"{model_file}@pool", "pictures/")
    assert f"{model_file} is registered as the backbone 'network'" in told
    assert f"{pictures} is registered as the dataset 'pictures'" in told
    assert features.report.computed == 36
    assert list(ws.backbones) == ["network"] and list(ws.datasets) == ["pictures"]
    assert str(features.origin) == "network@pool of pictures"


def test_what_was_registered_is_found_again_and_nothing_is_said(ws, model_file, pictures, recwarn):
    with says():
        ws.extract(model_file, pictures)
    recwarn.clear()
    again = ws.extract("network.keras", Path("pictures"))
    assert (again.report.computed, again.report.reused) == (0, 36)
    draw(pictures / "red" / "new.png", 999)
    assert ws.extract(str(model_file), "./pictures").report.computed == 1
    draw(pictures / "red" / "newer.png", 998)
    assert ws.datasets.get_or_add("pictures/").samples == 38
    assert len(ws.backbones.list()) == 1 and len(ws.datasets.list()) == 1
    told = [str(w.message) for w in recwarn if issubclass(w.category, HeadstartWarning)]
    assert told == [f"pictures: 1 sample is new: {n} now, {n - 1} before" for n in (37, 38)]


def test_a_model_that_changed_is_the_next_version_and_one_that_changes_back_the_first(
    ws, model_file, pictures
):
    with says():
        ws.extract(model_file, pictures)
    first = model_file.with_name("first.keras")
    shutil.copy(model_file, first)
    network(seed=1).save(model_file)
    with says("as the backbone 'network:2'"):
        assert ws.extract(model_file, pictures).report.computed == 36
    with says("first.keras is registered as the backbone 'network'"):
        assert ws.extract(first, pictures).report.computed == 0
    assert ws.backbones.get(first).reference == "network:1"


def test_another_source_whose_name_is_taken_gets_another(ws, model_file, pictures):
    other = draw_classes(Path("elsewhere") / "pictures")
    draw(other / "red" / "one.png", 77)
    with says():
        ws.extract(model_file, pictures)
    with says("as the dataset 'pictures-2'"):
        assert len(ws.features(model_file, pictures)) == 36
        assert ws.extract(model_file, other).report.dataset == "pictures-2"
    assert ws.datasets.get(other).name == "pictures-2"


def test_what_was_added_by_name_is_found_by_its_source(ws, model_file, pictures):
    ws.backbones.add("net", model_file)
    ws.datasets.add("flowers", pictures, split="80/20")
    with says() as told:
        ws.extract(model_file, pictures)
    assert f"{model_file} is registered as the backbone 'net'" in told
    assert f"{pictures} is registered as the dataset 'flowers'" in told
    assert list(ws.backbones) == ["net"] and list(ws.datasets) == ["flowers"]


def test_what_was_added_with_options_of_its_own_is_something_else(ws, model_file, pictures):
    ws.backbones.add("coarse", model_file, preprocess="unit")
    with says("as the backbone 'network'"):
        assert ws.backbones.get_or_add(model_file).name == "network"
    Path("t.csv").write_text("path,kind,label\npictures/red/00.jpg,x,a\npictures/red/01.png,y,b\n")
    with says():
        ws.datasets.add("kinds", "t.csv", label_column="kind")
    with says("as the dataset 't'; kinds has options of its own"):
        assert ws.datasets.get_or_add("t.csv").classes == ["a", "b"]


def test_a_name_wins_over_a_file_of_that_name_which_is_said(ready, pictures):
    other = draw_classes(Path("pics"))
    draw(other / "red" / "one.png", 77)
    with says(f"'pics' is the registered dataset, from {pictures}"):
        assert len(ready.extract("net", "pics")) == 36
    with says("as the dataset 'pics-2'"):
        assert len(ready.extract("net", "./pics")) == 37
    with says("is registered as the dataset 'pics-2'"):
        assert len(ready.extract("net", Path("pics"))) == 37


def test_of_a_dataset_that_is_called_like_its_source_nothing_is_said(ws, pictures, recwarn):
    ws.datasets.add("pictures", pictures)
    recwarn.clear()
    assert ws.datasets.get_or_add("pictures").name == "pictures"
    assert not recwarn.list


def test_neither_a_name_nor_a_source_is_one_line_with_both(ready):
    with pytest.raises(NotFound) as nothing:
        ready.extract("net", "picz")
    assert str(nothing.value) == (
        "no dataset 'picz' is registered, and no file or folder is there by that name. "
        "Did you mean 'pics'?"
    )
    with pytest.raises(NotFound, match=r"no backbone 'nett' is registered, and no file .* 'net'"):
        ready.extract("nett@pool", "pics")
    for odd in ("", " ", "foo:bar", "a\0b", "x" * 5000, "pics:2"):
        with pytest.raises(NotFound, match="is registered"):
            ready.extract("net", odd)
        with pytest.raises(NotFound, match="is registered"):
            ready.extract(odd, "pics")
    with pytest.raises(NotFound, match="efficientnet-lite0"):
        ready.extract("zoo:efficientnet-lit0", "pics")


def test_nothing_is_registered_where_the_other_is_nothing(ws, model_file, pictures):
    for pair in ((model_file, "picz"), ("nett", pictures)):
        with pytest.raises(NotFound):
            ws.extract(*pair)
    assert not len(ws.backbones) and not len(ws.datasets)


def test_a_source_that_is_none_says_why(ws, pictures):
    Path("notes.xyz").write_text("hello")
    with pytest.raises(DatasetError, match=r"notes\.xyz is none of"):
        ws.datasets.get_or_add("notes.xyz")
    for wrong in (None, 3, object(), b"pictures"):
        with pytest.raises(RegistryError, match="names no dataset"):
            ws.datasets.get_or_add(wrong)
        with pytest.raises(RegistryError, match="names no backbone"):
            ws.backbones.get_or_add(wrong)


def test_data_in_memory_are_registered_and_found_again_by_their_content(ready, pictures):
    files = sorted(pictures.glob("*/*.png"))
    x = np.stack([np.asarray(Image.open(file)) for file in files])
    y = [file.parent.name for file in files]
    with says("is registered as the dataset 'data'"):
        features = ready.extract("net", (x, y))
    assert features.labels == y and features.report.computed == 18
    assert ready.extract("net", (x.copy(), list(y))).report.computed == 0
    assert ready.datasets.get((x, y)).name == "data"
    with says("is registered as the dataset 'data-2'"):
        assert len(ready.extract("net", (x[:9], y[:9]))) == 9
    with pytest.raises(NotFound, match="is not registered as a dataset"):
        ready.datasets.get((x[:3], y[:3]))
    frame = pd.DataFrame({"image": list(map(str, files)), "label": y})
    with says("is registered as the dataset 'data-3'"):
        assert ready.extract("net", frame).labels == y
    assert ready.datasets.get_or_add(frame.copy()).name == "data-3"
    assert list(ready.datasets) == ["data", "data-2", "data-3", "pics"]


def test_get_and_remove_register_nothing(ws, model_file, pictures):
    for collection, source in ((ws.backbones, model_file), (ws.datasets, pictures)):
        for verb in (collection.get, collection.remove, collection.__getitem__):
            with pytest.raises(NotFound, match=f"from {source}"):
                verb(str(source))
        assert str(source) not in collection and not len(collection)
    with says():
        ws.extract(model_file, pictures)
    assert ws.datasets["pictures/"].name == "pictures" and str(model_file) in ws.backbones
    assert ws.datasets.remove(pictures).name == "pictures"


def test_a_path_may_hold_what_stands_before_a_cut(ws, model_file, pictures):
    place = Path("me@home")
    place.mkdir()
    shutil.move(model_file, place / "network.keras")
    with says():
        view = ws.extract("me@home/network.keras@pool,conv|gap", pictures)
    assert str(view.origin) == "network@pool of pictures"


def test_a_model_in_memory_is_taken_for_a_backbone(ws, model, pictures):
    with says("Functional is registered as the backbone"):
        ws.extract(model, pictures)
    with says("Functional is registered as the backbone"):
        assert ws.extract(model, pictures).report.computed == 0
    assert len(ws.backbones.list()) == 1


def test_what_is_remembered_of_a_source_may_be_lost_or_wrong(ws, model_file, pictures):
    with says():
        ws.extract(model_file, pictures)
    (kept,) = (ws.config.root / "sources").iterdir()
    for content in (b"", b"[]", b"null", b"{" * 3000, b'{"backbone": "other"}', b"\xff"):
        kept.write_bytes(content)
        with says("as the backbone 'network'"):
            assert ws.extract(model_file, pictures).report.computed == 0
    ws.backbones.remove("network", force=True)
    with says("as the backbone 'network'"):
        assert ws.extract(model_file, pictures).report.computed == 0
    assert ws.backbones.get("network").version == 1


def test_a_dataset_that_was_removed_is_not_a_folder_of_its_name(ready, pictures, run):
    ready.heads.train("h", ready.extract("net", "pics"))
    ready.datasets.remove("pics", force=True)
    pictures.rename("pics")
    assert "no dataset 'pics' is registered" in run("head", "finetune", "h", "--from", "bn").err
    assert not len(ready.datasets)


def test_every_verb_takes_sources(ws, model_file, pictures, recwarn):
    net, pics = str(model_file), "pictures/"
    assert ws.backbones.cuts(net)
    view = ws.extract(net, pics)
    assert len(ws.features(net, pics)) == len(view)
    trying = hs.CrossValidation(folds=2)
    assert ws.rank(pics, net, trying=trying) and ws.rank(pics, [net], trying=trying)
    assert ws.sweep(pics, [f"{net}@features"], "linear", trying=trying, jobs=1).trials
    assert ws.audit(net, pics, trying=trying).samples == 36
    assert ws.verify(net, pics, rows=2).rows == 2
    assert ws.cache.explain(net, pics).to_compute == 0
    assert ws.compile(net, pics, engine="tensorflow").precision == "float32"
    assert ws.backbones.verify(net, dataset=pics, samples=2)
    assert ws.datasets.details(pics).splits["train"]
    assert ws.datasets.resplit(pics, "80/20").dataset.name == "pictures"
    assert ws.datasets.failures(pics) == ws.datasets.forget_failures(pics) == []
    assert ws.backbones.alias("best", net).name == ws.backbones.tag(net, {"a": "b"}).name
    assert list(ws.backbones) == ["network"] and list(ws.datasets) == ["pictures"]


def test_commands_take_sources(ws, run, model_file, pictures):
    trained = run("head", "train", "first", "network.keras", "pictures/", "--json")
    assert trained.code == 0, trained.err
    assert trained.json["backbone"] == "network:1" and trained.json["dataset"] == "pictures"
    assert f"note: {pictures} is registered as the dataset 'pictures'" in trained.err
    again = run("extract", "./network.keras@features", "pictures", "--json")
    assert again.json["computed"] == 0 and "registered" not in again.err
    for words in (
        ("rank", "pictures/", "network.keras", "--folds", 2),
        ("head", "sweep", "pictures/", "network.keras", "--folds", 2),
        ("features", "export", "network.keras", "pictures/", "f.npz"),
        ("features", "explain", "network.keras", "pictures/"),
        ("features", "verify", "network.keras", "pictures/", "--rows", 2),
        ("backbone", "cuts", "network.keras"),
        ("backbone", "show", "network.keras"),
        ("dataset", "show", "pictures/"),
        ("dataset", "refresh", "pictures/"),
    ):
        assert run(*words).code == 0, words
    assert "removed" in run("dataset", "remove", "pictures/", "--force", "--json").json


@pytest.mark.parametrize("make", [list, np.array])
def test_several_names_are_no_texts_of_one_dataset(ready, make):
    before = sorted(ready.config.root.rglob("*"))
    for verb in (lambda names: ready.extract("net", names), ready.datasets.get):
        with pytest.raises(RegistryError, match=r"2 texts .*'birds', 'flowers'.* one at a time"):
            verb(make(["birds", "flowers"]))
    assert list(ready.datasets) == ["pics"] and sorted(ready.config.root.rglob("*")) == before


def test_whoever_only_asks_writes_nothing(ready):
    x, y = np.zeros((4, 16, 16, 3), np.uint8), list("abab")
    before = sorted(ready.config.root.rglob("*"))
    with pytest.raises(NotFound, match="is not registered as a dataset"):
        ready.datasets.get((x, y))
    assert sorted(ready.config.root.rglob("*")) == before
    ready.datasets.add("d", x, y)
    assert ready.datasets.get((x, y)).name == "d"


@pytest.mark.parametrize(
    "words",
    [
        ("extract", "pics", "net"),
        ("extract", "pics", "net@pool"),
        ("head", "train", "h", "pics", "net"),
        ("rank", "net", "pics"),
        ("head", "sweep", "net", "pics"),
        ("features", "audit", "pics", "net"),
        ("extract", "pictures/", "network.keras"),
    ],
    ids=" ".join,
)
def test_a_backbone_and_a_dataset_in_each_others_place_are_said(ready, model_file, fails, words):
    before = list(ready.datasets), list(ready.backbones)
    assert "in each other's place. Swap them: the backbone is n" in fails(*words)
    assert (list(ready.datasets), list(ready.backbones)) == before


def test_python_says_it_too_and_only_where_it_is_so(ready):
    for verb in (lambda: ready.features("pics", "net"), lambda: ready.rank("net", ["pics"])):
        with pytest.raises(NotFound, match="Swap them"):
            verb()
    for pair in (("net", "net"), ("pics", "pics"), ("nett", "pics"), ("net", "network.kera")):
        with pytest.raises(NotFound, match="is registered"):
            ready.extract(*pair)


@pytest.mark.parametrize("first", ["net", "network.keras"])
def test_a_dataset_that_cannot_be_read_is_said_though_a_dataset_is_called_like_the_backbone(
    ready, model_file, pictures, tmp_path, fails, first
):
    ready.datasets.add("net", pictures)
    (tmp_path / "data.h5").write_bytes(b"no data")
    line = fails("extract", first, "data.h5")
    assert "data.h5" in line and "each other's place" not in line


def test_options_that_an_error_advises_go_with_dataset_add(ws, tmp_path):
    place = tmp_path / "my tables"
    place.mkdir()
    (place / "two.csv").write_text("a,label,class\n1,x,y\n2,y,x\n")
    with pytest.raises(DatasetError) as caught:
        ws.auto(str(place / "two.csv"))
    told = f"Such options go with `headstart dataset add two '{place}/two.csv'`; then give 'two'."
    assert told in caught.value.hint
