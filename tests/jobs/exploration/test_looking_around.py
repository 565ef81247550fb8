"""What is similar, odd, typical or together, by cached features, from Python and as commands."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from conftest import draw
from headstart.errors import FeatureError, FeaturesMissing, HeadError, InvalidValue, NotFound
from headstart.jobs.datasets.twins import Twins
from headstart.jobs.exploration.duplicates import Duplicates
from headstart.notices import HeadstartNote
from headstart.storage.manifest import Sample


@pytest.fixture
def cached(ready):
    ready.extract("net", "pics")
    return ready


def cosines(ws) -> tuple[list[str], np.ndarray]:
    """The ids of all samples and their cosines, by brute force."""
    view = ws.features("net", "pics")
    rows = view.to_numpy().reshape(len(view), -1).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [one.id for one in view.samples], rows @ rows.T


def test_the_similar_samples_are_those_of_brute_force(cached):
    ids, alike = cosines(cached)
    np.fill_diagonal(alike, -np.inf)
    (found,) = cached.similar("net", "pics", ids=ids[4], count=5)
    order = np.argsort(-alike[4], kind="stable")[:5]
    assert [match.sample.id for match in found.matches] == [ids[place] for place in order]
    np.testing.assert_allclose(
        [match.similarity for match in found.matches], alike[4][order], atol=1e-6
    )
    assert (found.query, found.samples, found.dataset) == (ids[4], 36, "pics")


def test_a_file_that_is_in_no_dataset_has_similar_samples_and_is_kept(cached, tmp_path):
    new = draw(tmp_path / "new.jpg", 4_321)
    (found,) = cached.similar("net", "pics", new)
    assert len(found.matches) == 10
    known = cached.datasets.manifest("pics").samples[7]
    (same,) = cached.similar("net", "pics", known.location, count=1)
    assert same.matches[0].sample.id == known.id
    assert same.matches[0].similarity == pytest.approx(1, abs=1e-6)


def test_a_file_that_cannot_be_read_is_named_and_skipped_if_that_is_said(
    cached, run, fails, tmp_path
):
    asked = tmp_path / "asked"
    for number in range(2):
        draw(asked / f"{number}.png", 6_000 + number)
    (asked / "broken.png").write_text("no picture")
    line = fails("similar", asked, "pics", "--backbone", "net")
    assert "broken.png cannot be read" in line and "in hand" not in line
    assert "--on-error skip" in line and "backbone add" not in line
    skipping = "similar", asked, "pics", "--backbone", "net", "--on-error", "skip"
    for _ in range(2):  # the second time it is known
        ran = run(*skipping, "--json")
        assert [one["query"].rpartition("/")[2] for one in ran.json] == ["0.png", "1.png"]
        assert "1 of 3 samples that were given cannot be read" in run(*skipping).err
    assert "broken.png cannot be read" in fails("similar", asked, "pics", "--backbone", "net")


def test_several_are_answered_in_order(cached):
    ids, _ = cosines(cached)
    found = cached.similar("net", "pics", ids=[ids[3], ids[1]], count=2)
    assert [one.query for one in found] == [ids[3], ids[1]]
    assert all(one.query not in [m.sample.id for m in one.matches] for one in found)


def test_what_cannot_be_compared_is_said(cached, ready, pictures):
    with pytest.raises(NotFound, match="no sample 'nobody' in dataset 'pics'"):
        cached.similar("net", "pics", ids="nobody")
    with pytest.raises(FeatureError, match="no sample is given"):
        cached.similar("net", "pics")
    with pytest.raises(FeatureError, match="samples and ids are given together"):
        cached.similar("net", "pics", "a.jpg", ids="b")
    with pytest.raises(InvalidValue, match="count is 0"):
        cached.outliers("net", "pics", 0)
    with pytest.raises(FeatureError, match="37 clusters of 36 samples"):
        cached.cluster("net", "pics", 37)
    shutil.copytree(pictures, pictures.parent / "others")
    draw(pictures.parent / "others" / "cat" / "more.png", 9_999)
    ready.datasets.add("others", pictures.parent / "others")
    with pytest.raises(FeaturesMissing):
        cached.cover("net", "others")


def test_the_odd_one_is_the_first_outlier(ready, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "with_one")
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    noise[:, ::2] = 0
    folder = next(one for one in sorted((tmp_path / "with_one").iterdir()) if one.is_dir())
    Image.fromarray(noise).save(folder / "noise.png")
    ready.datasets.add("with_one", tmp_path / "with_one")
    ready.extract("net", "with_one")
    found = ready.outliers("net", "with_one", 3)
    assert found[0].sample.id.endswith("noise.png")
    assert found[0].distance >= found[1].distance >= found[2].distance
    assert found[0].share == pytest.approx(1 / len(ready.datasets.manifest("with_one").samples))


def test_outliers_of_very_many_samples_say_that_not_all_pairs_are_compared(cached, monkeypatch):
    all_pairs = {one.sample.id: one.distance for one in cached.outliers("net", "pics")}
    monkeypatch.setattr("headstart.heads.evaluation.near_duplicates.EXACT", 35)
    with pytest.warns(HeadstartNote, match="neighbours of 36 samples are looked for around each"):
        found = cached.outliers("net", "pics")
    assert {one.sample.id: one.distance for one in found} == pytest.approx(all_pairs, abs=1e-5)


def test_a_cover_leaves_nobody_far_and_knows_what_has_a_label(cached):
    ids, alike = cosines(cached)
    found = cached.cover("net", "pics", 6)
    rows = [ids.index(one.id) for one in found.samples]
    assert len(set(rows)) == 6
    assert found.radius == pytest.approx((1 - alike[rows].max(axis=0)).max(), abs=1e-5)
    assert found.radius < cached.cover("net", "pics", 2).radius
    labelled = cached.cover("net", "pics", 6, beside_labelled=True)
    assert labelled.labelled == 36 and labelled.samples == []


def test_clusters_are_whole_and_say_whose_they_are(cached):
    found = cached.cluster("net", "pics", 3)
    assert sum(one.size for one in found.clusters) == 36 == len(found.samples)
    assert [one.size for one in found.clusters] == sorted(
        (one.size for one in found.clusters), reverse=True
    )
    for one in found.clusters:
        labels = [
            sample.label
            for sample, number in zip(found.samples, found.numbers, strict=True)
            if number == one.number
        ]
        assert one.share == max(map(labels.count, labels)) / len(labels)


def test_the_commands_extract_what_is_missing_and_print_the_same(ready, run, tmp_path):
    sample = ready.datasets.manifest("pics").samples[0]
    found = run("similar", sample.id, "--n", "3", "--json").json
    (same,) = ready.similar("net", "pics", ids=sample.id, count=3)
    assert found == [same.to_json()]
    assert "similarity" in run("similar", sample.location, "pics", "-b", "net").out
    assert run("features", "outliers", "net", "pics", "--json").json == (
        ready.outliers("net", "pics").to_json()
    )
    file = tmp_path / "first.csv"
    run("features", "cover", "net", "pics", "--n", "4", "-o", file)
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    cover = ready.cover("net", "pics", 4)
    assert [row["id"] for row in rows] == [one.id for one in cover.samples]
    assert set(rows[0]) >= {"new_label", "exclude"}
    groups = tmp_path / "groups.csv"
    ran = run("features", "cluster", "net", "pics", "--n", "3", "-o", groups)
    assert ran.code == 0, ran.err
    with groups.open(encoding="utf-8", newline="") as opened:
        assert len(list(csv.DictReader(opened))) == 36


def test_where_there_are_several_one_is_named(ready, fails, model_file):
    ready.backbones.add("other", model_file, preprocess="unit")
    line = fails("similar", "x", "pics")
    assert "There are 2 backbones (net, other): name one by --backbone NAME" in line
    ready.datasets.remove("pics")
    assert "There is no dataset yet: `headstart dataset add`" in fails("similar", "x", "-b", "net")


def test_near_duplicates_are_those_of_the_audit(ready, run, tmp_path):
    source = next(iter(sorted((tmp_path / "pictures" / "red").iterdir())))
    for name in ("copy", "another"):  # of one content, and not in one group: the ids tell
        shutil.copy(source, source.with_name(f"{name}{source.suffix}"))
    pixels = np.asarray(Image.open(source)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(source.with_name("nearly.png"))
    ready.datasets.refresh("pics")
    ready.extract("net", "pics")
    found = ready.duplicates("net", "pics")
    assert found.pairs == ready.audit("net", "pics").twins
    names = {one.id.rpartition("/")[2] for pair in found.pairs for one in (pair.first, pair.second)}
    assert {source.name, f"copy{source.suffix}", f"another{source.suffix}"} <= names
    across = ready.duplicates("net", "pics", across=True)
    assert across.pairs == [one for one in found.pairs if one.first.split != one.second.split]
    ran = run("features", "duplicates", "net", "pics", "--output", tmp_path / "same.csv")
    assert ran.code == 0 and f"{len(found.pairs)} pairs among 39 samples" in ran.out, ran
    rows = list(csv.DictReader((tmp_path / "same.csv").read_text().splitlines()))
    of = {row["id"]: row["group"] for row in rows}
    assert of == found.groups and set(rows[0]) >= {"new_label", "exclude"}
    again = run("dataset", "correct", "pics", tmp_path / "same.csv")  # nothing is filled in
    assert again.code == 0 and ready.datasets.get("pics").samples == 39, again


def test_a_group_holds_what_is_connected_by_pairs_that_are_not_asked_for():
    """a - b in one split, b - c across: without a, the group would be torn apart."""
    a, b, c, d, e = (
        Sample(name, name * 64, "x", split, location=name)
        for name, split in zip("abcde", ("train", "train", "test", "train", "train"), strict=True)
    )
    near = [Twins(a, b, 0.1), Twins(d, e, 0.1)]
    found = Duplicates("d", "net:1@pool", 5, [Twins(b, c, 0.1)], others=near)
    assert found.groups == {"a": "a", "b": "a", "c": "a"}
    assert [row["id"] for row in found.rows()] == ["a", "b", "c"]
    assert "others" not in found.to_json()


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_text_is_no_name_of_this_folder(rows, fails, empty, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows.heads.train("h", rows.features("flat@as_it_is", "rows"))
    for command in (("similar", empty, "rows"), ("head", "predict", "h", empty)):
        assert "an empty text names no file" in fails(*command)
    for given in (empty, [empty], ["a.npy", empty]):
        with pytest.raises(HeadError, match="an empty text names no file"):
            rows.heads.get("h").predict(given)
    for way in ("samples", "texts"):
        with pytest.raises(HeadError, match="empty"):
            rows.similar("flat@as_it_is", "rows", **{way: empty})
