"""Features, predictions and the life of datasets whose files lie on the web or in a store."""

from pathlib import Path

import numpy as np
import pytest
from remote_fixtures import in_table, serve
from web_server import WebServer

from headstart.errors import SampleChanged, SourceGone
from headstart.extractors.run.settings import Settings
from headstart.notices import HeadstartWarning


@pytest.fixture
def added(ready, web: WebServer, pictures: Path):
    """The pictures of `pics` as the dataset `far`, a table on the web."""
    web.files["/t.csv"] = in_table(serve(web, pictures)).encode()
    return ready.datasets.add("far", f"{web.address}/t.csv")


def test_features_are_those_of_the_same_files_here_and_computed_once(ready, web, added, run):
    web.log.clear()
    web.seconds = 0.1
    far = ready.extract("net", "far")
    assert (added.samples, far.report.computed) == (36, 36)
    assert web.most >= 16  # while they are computed
    assert len(web.asked()) <= 36 + 1 + 32  # the table, and those that the engine is probed with
    here = ready.extract("net", "pics")
    assert here.report.computed == 0
    of_digest = {one.digest: row for one, row in zip(far.samples, far.to_numpy(), strict=True)}
    for sample, row in zip(here.samples, here.to_numpy(), strict=True):
        np.testing.assert_array_equal(of_digest[sample.digest], row)
    web.log.clear()
    again = run("extract", "net", "far", "--json")
    assert again.json["computed"] == 0 and again.json["reused"] == 36
    assert web.asked() == ["/t.csv"]


def test_objects_that_vanish_before_they_are_read_are_named(ready, web, added):
    gone = next(path for path in web.files if path.endswith("red/03.png"))
    web.always[gone] = 404
    real = dict(web.files)
    with pytest.raises(Exception, match=r"red/03\.png is gone"):
        ready.extract("net", "far")
    assert web.files == real


def test_what_is_cached_is_served_while_the_server_is_away(ready, web, added, run):
    ready.extract("net", "far")
    for path in web.files:
        web.always[path] = 500
    assert ready.extract("net", "far").report.computed == 0
    with pytest.raises(SourceGone, match="cannot answer now"):
        ready.datasets.refresh("far")
    assert run("dataset", "show", "far", "--json").json["samples"] == 36
    assert ready.datasets.remove("far").name == "far"


def test_a_server_that_goes_away_ends_an_extraction_and_marks_no_sample(ready, web, added):
    for path in web.files:
        if path.startswith("/p/"):
            web.always[path] = 503
    with pytest.raises(SourceGone, match="cannot answer now"):
        ready.extract("net", "far", settings=Settings(on_error="skip"))
    assert ready.datasets.failures("far") == []
    web.always.clear()
    assert ready.extract("net", "far").report.computed == 36


def test_addresses_are_predicted(ready, web, added, pictures, run):
    view = ready.extract("net", "pics")
    head = ready.heads.train("h", view)
    here = head.predict([pictures / "red" / "03.png", pictures / "blue" / "01.png"])
    names = [f"{web.address}/p/red/03.png", f"{web.address}/p/blue/01.png"]
    far = head.predict(names)
    assert [one.label for one in far] == [one.label for one in here]
    assert [one.name for one in far] == names
    ran = run("head", "predict", "h", f"{web.address}/t.csv", "--json", "--root", web.address)
    assert ran.code == 0 and len(ran.json) == 36
    web.always["/p/red/03.png"] = 404
    with pytest.raises(Exception, match="is gone"):
        head.predict(names)
    assert [one.name for one in head.predict(names, on_error="skip")] == names[1:]


def test_pictures_that_lie_on_their_side_are_counted_there_too(ws, web, tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "x.jpg", exif=exif)
        web.files[f"/p/{'ab'[number % 2]}/{number}.jpg"] = (tmp_path / "x.jpg").read_bytes()
    rows = [(f"{web.address}{path}", path.split("/")[2]) for path in web.files]
    web.files["/t.csv"] = in_table(rows).encode()
    with pytest.warns(HeadstartWarning, match="4 of 4 pictures that were looked at are turned"):
        ws.datasets.add("d", f"{web.address}/t.csv")


def test_the_samples_of_a_registered_dataset_are_read_and_verified(ready, web, added, run):
    ready.extract("net", "far")
    ran = run("features", "verify", "net", "far", "--json")
    assert ran.code == 0 and ran.json["corrupt"] == 0
    changed = next(path for path in web.files if path.endswith("red/03.png"))
    sample = next(one for one in ready.datasets.manifest("far").samples if "red/03" in one.id)
    web.files[changed] = b"another"
    from headstart.extractors.datasets import reader_of

    with pytest.raises(SampleChanged, match="has changed since"):
        reader_of(ready.datasets.get("far"))(sample)


def test_an_address_is_taken_where_a_name_is(ready, web, added, bucket, pictures, run):
    for path in sorted(pictures.rglob("*.png")):
        bucket(f"pics/{path.parent.name}/{path.name}", path.read_bytes())
    first = run("extract", "net", "s3://photos/pics/", "--json")
    assert first.code == 0, first.err
    assert first.json["samples"] == 18
    again = run("extract", "net", "s3://photos/pics/", "--json")
    assert (again.json["computed"], again.json["reused"]) == (0, 18)
    known = [one for one in ready.datasets.list() if one.source == "s3://photos/pics/"]
    assert len(known) == 1
