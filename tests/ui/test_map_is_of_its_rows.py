"""A kept map is of just the features that there are, of the version that it was made of."""

import pytest

import page_workspace as made
from headstart.notices import HeadstartWarning
from headstart.registry.entities import Failure
from page_client import open_page, text_of


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
