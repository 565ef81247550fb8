"""Coordinates of samples are made once, kept, and those of just these samples and features."""

import threading
import time

import numpy as np
import pytest

from headstart.errors import Cancelled, HeadError, NotFound
from headstart.heads.exploration import coordinates
from headstart.heads.exploration.coordinates import coordinates_of
from headstart.heads.rows import StoredRows
from headstart.jobs.exploration import map as making
from headstart.jobs.exploration.map_columns import NONE, column_of
from headstart.jobs.exploration.opened_map import OpenedMaps
from headstart.progress import watched


@pytest.fixture
def found(rows):
    return rows.map("flat@as_it_is", "rows")


def opened(ws, key):
    return OpenedMaps(ws.context, ws.context.manifest).get(key)


def test_a_map_is_made_once(rows, found):
    features = rows.features("flat@as_it_is", "rows").to_numpy()
    expected, words = coordinates_of(features, "pca", 0)
    np.testing.assert_allclose(found.coordinates, expected, atol=1e-5)
    assert found.is_new and found.kept.words == words
    assert found.samples.ids == rows.datasets.manifest("rows").columns.ids
    again = rows.map("flat@as_it_is", "rows")
    assert not again.is_new
    np.testing.assert_array_equal(again.coordinates, found.coordinates)
    assert rows.map("flat@as_it_is", "rows", seed=1).is_new


def test_a_map_of_rows_that_memory_has_no_room_for_is_not_broken_off_within_a_read(
    rows, monkeypatch
):
    monkeypatch.setattr(making, "ROOM", 0)
    monkeypatch.setattr("headstart.jobs.exploration.interruption.LOOK_SECONDS", 0.001)
    begun, ended = threading.Event(), threading.Event()
    read = StoredRows._read

    def slow(*given):
        begun.set()
        for _ in range(100):  # any of these steps could be the last
            time.sleep(0.001)
        found = read(*given)
        ended.set()
        return found

    def ends(*_given):
        if begun.is_set():
            raise Cancelled("closed")

    with monkeypatch.context() as patched, watched(ends):
        patched.setattr(StoredRows, "_read", slow)
        with pytest.raises(Cancelled, match="closed"):
            rows.map("flat@as_it_is", "rows")
    assert ended.is_set()
    with watched(lambda *_given: None):
        assert rows.map("flat@as_it_is", "rows").is_new


def test_a_corrected_label_changes_nothing_of_a_map_and_an_excluded_sample_makes_another(
    rows, found
):
    first = found.samples[0]
    other = "a" if first.label != "a" else "b"
    rows.datasets.correct("rows", {first.id: other})
    again = rows.map("flat@as_it_is", "rows")
    assert not again.is_new and again.samples[0].label == other
    rows.datasets.exclude("rows", [first.id])
    with pytest.raises(NotFound, match="has other samples than when the map was made"):
        opened(rows, found.kept.key)
    now = rows.map("flat@as_it_is", "rows")
    assert now.is_new and len(now.samples) == 239


def test_a_dataset_of_the_same_rows_has_the_same_coordinates_and_its_own_labels(rows, found):
    noisy = rows.map("flat@as_it_is", "noisy")
    assert (found.kept.dataset, noisy.kept.dataset) == ("rows", "noisy")
    np.testing.assert_array_equal(noisy.coordinates, found.coordinates)
    assert noisy.samples.labels != found.samples.labels


def test_gc_takes_the_files_of_maps_whose_dataset_is_gone(rows, found):
    def digests():
        return {one.path.stem for one in rows.context.artifacts.stored()}

    own = set(found.kept.parts.values())
    assert own <= rows.context.needed_artifacts() and own <= digests()
    rows.datasets.remove("rows", force=True)
    assert not own & rows.context.needed_artifacts()


def test_of_more_samples_than_a_method_can_do_some_have_a_point(rows, monkeypatch):
    monkeypatch.setitem(coordinates.LARGEST, "tsne", 50)
    found = rows.map("flat@as_it_is", "rows", "tsne")
    assert len(found.samples) == 50 == len(found.coordinates) and found.kept.total == 240
    ids = rows.datasets.manifest("rows").columns.ids
    numbers = rows.context.maps.rows(found.kept)
    assert found.samples.ids == [ids[number] for number in numbers]
    near = opened(rows, found.kept.key).near(7)
    assert len(near) == 24
    shown = {id_: row for row, id_ in enumerate(found.samples.ids)}
    assert [one.row for one in near] == [shown.get(one.sample.id) for one in near]
    assert None in [one.row for one in near]  # neighbours are of all samples


def test_the_nearest_of_a_point_are_those_that_similar_finds(rows, found):
    near = opened(rows, found.kept.key).near(3, 5)
    (same,) = rows.similar("flat@as_it_is", "rows", ids=found.samples[3].id, count=5)
    assert [one.sample.id for one in near] == [one.sample.id for one in same.matches]
    np.testing.assert_allclose(
        [one.distance for one in near], [1 - one.similarity for one in same.matches], atol=1e-6
    )
    with pytest.raises(NotFound, match="has no point 240"):
        opened(rows, found.kept.key).near(240)


def column(ws, found, colour):
    dataset = ws.context.datasets.get("rows")
    rows = ws.context.maps.rows(found.kept).astype(int)
    samples = ws.context.manifest(dataset).columns
    return column_of(ws.context, dataset, samples, rows, colour)


def test_colours_are_codes_of_names(rows, found):
    made = column(rows, found, "label")
    assert [made.names[code] for code in made.values] == found.samples.labels
    assert np.frombuffer(made.packed, "<u2").tolist() == made.values.tolist()
    made = column(rows, found, "split")
    assert [made.names[code] for code in made.values] == found.samples.splits
    assert set(column(rows, found, "group").values.tolist()) == {NONE}


def test_colours_of_a_head_are_what_it_says_of_each_sample(rows, found):
    view = rows.features("flat@as_it_is", "rows")
    head = rows.heads.train("h", view)
    (record,) = rows.context.heads.find_all()
    outputs = head.judge.predict_proba(view.to_numpy())
    said = [record.classes[best] for best in outputs.argmax(axis=1)]
    made = column(rows, found, f"prediction:{record.id}")
    assert [made.names[code] for code in made.values] == said
    made = column(rows, found, f"confidence:{record.id}")
    np.testing.assert_allclose(made.values, outputs.max(axis=1), atol=1e-6)
    assert made.to_json()["kind"] == "numbers"
    made = column(rows, found, f"error:{record.id}")
    wrong = [one != label for one, label in zip(said, found.samples.labels, strict=True)]
    assert made.values.astype(bool).tolist() == wrong and made.emphasis == ("quiet", "loud")


def test_what_is_no_colour_or_no_method_is_said(rows, found):
    for colour in ("mood", "label:3", "prediction:x"):
        with pytest.raises((ValueError, NotFound), match=r"no colour|no head"):
            column(rows, found, colour)
    with pytest.raises(HeadError, match="no method 'som'"):
        rows.map("flat@as_it_is", "rows", "som")


def test_a_point_is_found_by_its_id_or_a_part_of_it(rows, found):
    shown = opened(rows, found.kept.key)
    assert shown.find("17") == found.samples.ids.index("17")
    assert shown.find("nothing like it") is None
