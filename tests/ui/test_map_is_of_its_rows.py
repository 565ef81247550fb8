"""A kept map is of just the features that there are, of the version that it was made of."""

import pytest

import page_workspace as made
from headstart.errors import SampleError
from headstart.jobs.exploration import opened_map
from headstart.notices import HeadstartWarning
from headstart.registry.entities import Failure
from page_client import finished, open_page, text_of


@pytest.fixture
def with_unreadable(own_workspace, tmp_path):
    """Two of the pictures could not be read for the backbone `other`."""
    ws = own_workspace
    backbone = made.add_backbone(ws, "other", trunk="other")
    lost = ws.datasets.manifest("pics").samples[:2]
    how = backbone.preprocessing_fingerprint
    ws.context.feature_sets.record_failures([Failure(one.digest, how, "broken") for one in lost])
    made.import_rows(ws, "pics", tmp_path, "other", {one.id for one in lost})
    return ws


def test_a_map_is_made_again_when_samples_can_be_read_that_could_not(with_unreadable, tmp_path):
    ws = with_unreadable
    with pytest.warns(HeadstartWarning, match="2 of 90 samples are left out"):
        before = ws.map("other", "pics")
    assert (before.kept.samples, before.kept.total) == (88, 90)
    assert not ws.map("other", "pics").is_new
    ws.datasets.forget_failures("pics")
    made.import_rows(ws, "pics", tmp_path, "other")
    page = open_page(ws)
    key = before.kept.identity.feature_key
    asked = {"dataset": "pics", "set": key, "method": "pca", "seed": "0"}
    assert "Make the map" in text_of(page.get("/map", params=asked))
    now = ws.map("other", "pics")
    assert now.is_new and (now.kept.samples, now.kept.total) == (90, 90)
    assert now.kept.key != before.kept.key  # under which a browser keeps coordinates for ever
    assert f"/map/{now.kept.key}" in page.get("/map", params=asked).text
    ids = page.get(f"/map/{before.kept.key}/ids").json()["ids"]
    assert ids == before.samples.ids


@pytest.fixture
def with_two_versions(own_workspace):
    """A second version of `net` gives other features."""
    assert made.add_backbone(own_workspace, "net", trunk="newer").version == 2
    return own_workspace


def test_the_map_of_a_first_version_is_made_when_there_is_a_second(with_two_versions):
    page, (features,) = open_page(with_two_versions), all_sets(with_two_versions)
    asked = {"dataset": "pics", "set": features.key, "method": "pca", "seed": "3"}
    answer = page.post("/map", data=asked, follow_redirects=False)
    assert 'data-address="/map/' in finished(page, answer.headers["location"]).text
    assert "headstart features map net:1@top pics" in text_of(page.get("/map", params=asked))


def test_what_is_similar_is_looked_for_by_the_version_that_the_map_is_of(
    with_two_versions, monkeypatch
):
    """Its model is asked for: one that no test can load."""
    ws, asked = with_two_versions, []

    def extract_raw(context, backbone, cut, items, settings):
        asked.append(f"{backbone.reference}@{cut.name}")
        raise SampleError("no picture")

    monkeypatch.setattr(opened_map, "extract_raw", extract_raw)
    found = ws.map("net:1", "pics")
    shown = opened_map.OpenedMaps(ws.context, ws.context.manifest).get(found.kept.key)
    with pytest.raises(SampleError, match="no picture"):
        shown.like(b"of a picture")
    assert asked == ["net:1@top"]


def test_screens_offer_the_features_of_a_first_version_by_its_version(with_two_versions):
    page = open_page(with_two_versions)
    assert "net:1@top" in text_of(page.get("/labels/pics"))
    page.post("/rank/pics/begin")
    shown = finished(page, "/rank/pics")
    assert 'name="features" value="net:1@top"' in shown.text


def all_sets(ws):
    return ws.context.feature_sets.find_sets()
