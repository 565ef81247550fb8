"""What the map's addresses give: columns of numbers, and words about one sample."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from headstart.ui.app import create_app
from headstart.ui.safety import TOKEN

SECRET = "a-token-of-the-tests"
BASE = "http://127.0.0.1"


@pytest.fixture
def client(rows):
    with TestClient(create_app(rows, SECRET), base_url=BASE) as opened:
        opened.get(f"/?{TOKEN}={SECRET}")
        yield opened


@pytest.fixture
def found(rows):
    return rows.map("flat@as_it_is", "rows")


def query(ws, method="pca"):
    key = ws.context.feature_sets.find_sets()[0].key
    return {"dataset": "rows", "set": key, "method": method, "seed": "0"}


def test_the_columns_of_a_map_are_those_of_python(client, found):
    at = f"/map/{found.kept.key}"
    answer = client.get(f"{at}/coordinates")
    told = np.frombuffer(answer.content, "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(told, found.coordinates)
    assert "immutable" in answer.headers["cache-control"]
    legend = client.get(f"{at}/legend?colour=label").json()
    codes = np.frombuffer(client.get(f"{at}/values?colour=label").content, "<u2")
    assert legend["kind"] == "classes"
    assert [legend["names"][code] for code in codes] == found.samples.labels
    assert client.get(f"{at}/ids").json()["ids"] == found.samples.ids
    assert client.get(f"{at}/find?text=17").json()["row"] == found.samples.ids.index("17")


def test_a_point_tells_of_its_sample_and_of_those_most_similar(client, rows, found):
    at = f"/map/{found.kept.key}"
    told = client.get(f"{at}/sample/5").json()
    sample = found.samples[5]
    assert (told["id"], told["label"], told["split"]) == (sample.id, sample.label, sample.split)
    assert told["text"]
    (near,) = rows.similar("flat@as_it_is", "rows", ids=sample.id, count=24)
    matches = client.get(f"{at}/near/5").json()["matches"]
    assert [one["id"] for one in matches] == [one.sample.id for one in near.matches]
    assert [found.samples[one["row"]].id for one in matches] == [one["id"] for one in matches]


def test_a_map_that_is_not_there_is_made_by_a_button_and_shown(client, rows):
    asked = query(rows)
    before = client.get("/map", params=asked)
    assert "Make the map" in before.text and "headstart features map flat@as_it_is" in before.text
    headers = {"origin": BASE}
    answer = client.post("/map", data=asked, headers=headers, follow_redirects=False)
    assert answer.status_code == 303
    for _ in range(500):
        page = client.get(answer.headers["location"])
        if "is being made" not in page.text:
            break
    assert 'data-address="/map/' in page.text
    assert rows.map("flat@as_it_is", "rows").is_new is False


def test_who_may_only_read_is_given_the_command(rows):
    with TestClient(create_app(rows, SECRET, read_only=True), base_url=BASE) as client:
        client.get(f"/?{TOKEN}={SECRET}")
        text = client.get("/map", params=query(rows, "tsne")).text
        assert "Make the map" not in text
        assert "headstart features map flat@as_it_is rows --method tsne" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/map/abc/coordinates", 404),
        ("/map/{key}/values?colour=age", 400),
        ("/map/{key}/values?colour=prediction:1", 404),
        ("/map/{key}/sample/240", 404),
        ("/map/{key}/sample/-1", 400),
        ("/map/{key}/near/x", 400),
        ("/map/{key}/find", 400),
        ("/map?dataset=none", 404),
        ("/map?dataset=rows&method=som", 422),
        ("/map?dataset=rows&set=zz", 404),
        ("/map?dataset=rows&seed=x", 400),
    ],
)
def test_what_is_not_there_is_refused(client, found, path, status):
    answer = client.get(path.format(key=found.kept.key), headers={"accept": "application/json"})
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_a_map_of_another_version_of_the_dataset_is_not_shown(client, rows, found):
    rows.datasets.exclude("rows", [found.samples[0].id])
    answer = client.get(
        f"/map/{found.kept.key}/coordinates", headers={"accept": "application/json"}
    )
    assert answer.status_code == 404
    assert "has other samples than when the map was made" in answer.json()["error"]["message"]
