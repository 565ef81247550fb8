"""What the map's addresses give: columns of numbers, and words about one sample."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest

from headstart.registry.entities import Run
from page_client import finished, open_page, text_of
from page_workspace import copied


@pytest.fixture(scope="module")
def workspace(page_folder, tmp_path_factory):
    """With a map; only to be read."""
    found = copied(page_folder / "zoo", tmp_path_factory.mktemp("maps") / "zoo")
    found.map("net", "pics")
    return found


@pytest.fixture(scope="module")
def page(workspace):
    return open_page(workspace)


@pytest.fixture(scope="module")
def found(workspace):
    return workspace.map("net", "pics")


@pytest.fixture(scope="module")
def at(found):
    return f"/map/{found.kept.key}"


def asked(ws, method="pca", seed=0):
    key = ws.context.feature_sets.find_sets()[0].key
    return {"dataset": "pics", "set": key, "method": method, "seed": str(seed)}


def test_the_columns_of_a_map_are_those_of_python(page, found, at):
    answer = page.get(f"{at}/coordinates")
    told = np.frombuffer(answer.content, "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(told, found.coordinates)
    assert "immutable" in answer.headers["cache-control"]
    legend = page.get(f"{at}/legend?colour=label").json()
    codes = np.frombuffer(page.get(f"{at}/values?colour=label").content, "<u2")
    assert legend["kind"] == "classes"
    assert [legend["names"][code] for code in codes] == found.samples.labels
    ids = page.get(f"{at}/ids").json()["ids"]
    assert ids == found.samples.ids
    assert page.get(f"{at}/find", params={"text": ids[17]}).json()["row"] == 17
    assert page.get(f"{at}/find?text=no+such").json()["row"] is None


def test_a_point_tells_of_its_sample_and_of_those_most_similar(page, workspace, found, at):
    told = page.get(f"{at}/sample/5").json()
    sample = found.samples[5]
    assert (told["id"], told["label"], told["split"]) == (sample.id, sample.label, sample.split)
    assert page.get(told["picture"]).headers["content-type"] == "image/png"
    (near,) = workspace.similar("net", "pics", ids=sample.id, count=24)
    matches = page.get(f"{at}/near/5").json()["matches"]
    assert [one["id"] for one in matches] == [one.sample.id for one in near.matches]
    assert [found.samples[one["row"]].id for one in matches] == [one["id"] for one in matches]


def test_a_map_that_is_not_there_is_made_by_a_button_and_shown(own_workspace):
    page, wanted = open_page(own_workspace), asked(own_workspace, seed=7)
    before = text_of(page.get("/map", params=wanted))
    assert "Make the map" in before and "headstart features map net:1@top pics --seed 7" in before
    answer = page.post("/map", data=wanted, follow_redirects=False)
    assert answer.status_code == 303
    shown = finished(page, answer.headers["location"])
    assert 'data-address="/map/' in shown.text
    assert not own_workspace.map("net", "pics", seed=7).is_new


def test_a_map_that_cannot_be_made_says_why(own_workspace, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    page, wanted = open_page(own_workspace), asked(own_workspace, "umap")
    answer = page.post("/map", data=wanted, follow_redirects=False)
    assert "pip install 'headstart[umap]'" in text_of(finished(page, answer.headers["location"]))


def test_who_may_only_read_is_given_the_command(page_workspace):
    page = open_page(page_workspace, read_only=True)
    told = text_of(page.get("/map", params=asked(page_workspace, "tsne")))
    assert "Make the map" not in told
    assert "headstart features map net:1@top pics --method tsne" in told


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/map/abc/coordinates", 404),
        ("{at}/values?colour=size", 400),
        ("{at}/values?colour=prediction:99", 404),
        ("{at}/sample/99", 404),
        ("{at}/sample/-1", 400),
        ("{at}/near/x", 400),
        ("{at}/find", 400),
        ("/map?dataset=none", 404),
        ("/map?dataset=pics&method=som", 422),
        ("/map?dataset=pics&set=zz", 404),
        ("/map?dataset=pics&seed=x", 400),
    ],
)
def test_what_is_not_there_is_refused(page, at, path, status):
    answer = page.get(path.format(at=at), headers={"accept": "application/json"})
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_a_map_of_another_version_of_the_dataset_is_not_shown(own_workspace):
    found = own_workspace.map("net", "pics")
    own_workspace.datasets.exclude("pics", [found.samples[0].id])
    page = open_page(own_workspace)
    answer = page.get(f"/map/{found.kept.key}/ids", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert "has other samples than when the map was made" in answer.json()["error"]["message"]


def test_a_map_is_asked_for_outside_of_the_event_loop(page_workspace, monkeypatch):
    """The registry may be locked for minutes, and all other answers wait for the loop."""
    datasets, on_loop = page_workspace.context.datasets, []
    get = datasets.get

    def watched(reference):
        with suppress(RuntimeError):  # there is no loop in this thread
            on_loop.append(asyncio.get_running_loop())
        return get(reference)

    page, wanted = open_page(page_workspace), asked(page_workspace, "som")
    monkeypatch.setattr(datasets, "get", watched)
    assert page.post("/map", data=wanted).status_code == 422
    assert on_loop == []


def test_a_dataset_in_the_address_leads_to_its_maps(page):
    assert str(page.get("/map/pics").url).endswith("/map?dataset=pics")
    assert page.get("/map/nothing").status_code == 404


def test_features_of_the_dataset_stand_before_others(page, page_workspace):
    key = page_workspace.context.feature_sets.find_sets()[0].key[:16]
    of_pics = page.get("/map", params={"dataset": "pics", "method": "umap"}).text
    assert of_pics.index('label="Of pics"') < of_pics.index(f'value="{key}"')
    assert 'label="Others"' not in of_pics
    of_texts = page.get("/map", params={"dataset": "texts", "method": "umap"}).text
    assert of_texts.index('label="Others"') < of_texts.index(f'value="{key}"')


def test_datasets_that_a_backbone_was_run_over_stand_first(own_workspace):
    run = Run("extract", "net@top", "texts", "done", {"computed": 12}, 1.0, {})
    own_workspace.context.runs.add(run)
    said = open_page(own_workspace).get("/backbones/net").text
    assert said.index("<option>texts") < said.index("<option>pics")
