"""What is registered is found again; names, versions and what depends on what."""

import pytest

from conftest import network
from headstart.errors import AlreadyExists, NotFound, RegistryError, StillInUse
from headstart.registry import listing


def test_adding_the_same_model_again_changes_nothing(ws, model_file):
    first = ws.backbones.add("net", model_file, preprocess="unit")
    assert ws.backbones.add("net", model_file, preprocess="unit") == first
    assert [backbone.version for backbone in ws.backbones.list()] == [1]


def test_another_model_under_the_name_is_the_next_version(ws, model_file, tmp_path):
    ws.backbones.add("net", model_file, preprocess="unit")
    network(seed=1).save(tmp_path / "other.keras")
    second = ws.backbones.add("net", tmp_path / "other.keras", preprocess="unit")
    assert second.version == 2
    assert ws.backbones.get("net").version == 2
    assert ws.backbones.get("net:1").version == 1


def test_other_preprocessing_is_another_version(ws, model_file):
    ws.backbones.add("net", model_file, preprocess="unit")
    assert ws.backbones.add("net", model_file, preprocess="tf").version == 2


def test_an_alias_stands_for_a_version_and_can_be_moved(ws, model_file):
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.backbones.add("net", model_file, preprocess="tf")
    ws.backbones.alias("production", "net:1")
    assert ws.backbones.get("production").version == 1
    assert ws.backbones.alias("production", "net").version == 2
    with pytest.raises(AlreadyExists, match="a backbone is called 'net'"):
        ws.backbones.alias("net", "net:1")
    with pytest.raises(AlreadyExists, match="is an alias"):
        ws.backbones.add("production", model_file)


def test_tags_and_licence_are_kept(ws, model_file):
    ws.backbones.add("net", model_file, preprocess="unit", licence="MIT", tags={"team": "a"})
    backbone = ws.backbones.tag("net", {"team": "b", "year": "2026"})
    assert backbone.tags == {"team": "b", "year": "2026"}
    assert backbone.licence == "MIT"


def test_a_near_miss_is_named(ws, model_file):
    ws.backbones.add("mobile", model_file, preprocess="unit")
    with pytest.raises(NotFound, match="Did you mean 'mobile'"):
        ws.backbones.get("mobil")


@pytest.mark.parametrize("name", ["", "a b", "../x", "a@b", "a:b", "-a"])
def test_names_that_would_be_ambiguous_are_refused(ws, model_file, name):
    with pytest.raises(RegistryError, match="cannot name a backbone"):
        ws.backbones.add(name, model_file)
    assert ws.backbones.list() == []


def test_a_backbone_with_features_is_removed_only_by_force(ready, fails, run):
    ready.heads.train("colours", ready.extract("net", "pics"))
    with pytest.raises(StillInUse):
        ready.backbones.remove("net")
    message = fails("backbone", "remove", "net")
    assert "36 rows of features, head 'colours'" in message
    assert "--force" in message
    assert ready.backbones.get("net").name == "net"
    assert run("backbone", "remove", "net", "--force").code == 0
    assert ready.backbones.list() == []
    assert len(listing.features(ready.config)) == 1  # nothing computed is lost
    message = fails("head", "attach", "colours", "-o", "x.keras")
    assert "was removed" in message


def test_features_shared_with_another_backbone_do_not_hold_one_back(ready, model_file):
    ready.extract("net", "pics")
    ready.backbones.add("twin", model_file, preprocess="unit")
    ready.backbones.remove("net")
    with pytest.raises(StillInUse, match="36 rows"):
        ready.backbones.remove("twin")


def test_the_fast_listings_say_what_the_repositories_say(ready):
    ready.backbones.alias("best", "net")
    head = ready.heads.train("colours", ready.extract("net", "pics"))
    (backbone,) = listing.backbones(ready.config)
    entity = ready.backbones.get("net")
    for field in ("name", "version", "inputs", "parameters", "artifact_size", "preprocessing"):
        assert backbone[field] == getattr(entity, field)
    assert backbone["cut"] == entity.default_cut.name == "features"
    assert backbone["cut_shape"] == [8]
    assert backbone["aliases"] == ["best"]
    (dataset,) = listing.datasets(ready.config)
    assert (dataset["samples"], dataset["classes"]) == (36, ["blue", "green", "red"])
    (features,) = listing.features(ready.config)
    assert (features["rows"], features["shape"]) == (36, [8])
    (listed,) = listing.heads(ready.config)
    assert listed["metrics"] == head.metrics


def test_a_dataset_name_belongs_to_one_source(ready, pictures):
    with pytest.raises(AlreadyExists, match="registered already"):
        ready.datasets.add("pics", make_other(pictures))
    assert ready.datasets.get("pics").source == str(pictures)


def make_other(pictures):
    other = pictures.parent / "other"
    for name in ("red", "green"):
        (other / name).mkdir(parents=True)
        source = next((pictures / name).iterdir())
        (other / name / source.name).write_bytes(source.read_bytes())
    return other


def test_removing_a_dataset_keeps_its_features(ready, pictures):
    ready.extract("net", "pics")
    ready.datasets.remove("pics")
    ready.datasets.add("again", pictures)
    assert ready.extract("net", "again").report.computed == 0
