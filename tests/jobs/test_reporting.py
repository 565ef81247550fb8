"""Reports, audits, learning curves, and predictions into files, as people ask for them."""

import base64
import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet
from sklearn.datasets import load_digits

import headstart as hs
from conftest import draw
from headstart.errors import HeadError, SampleUnreadable
from headstart.extractors.preprocessing.preview import cell, glance
from headstart.heads.models.learning_curves import CurvePoint
from headstart.heads.trials.judged import Judged
from headstart.jobs.datasets.audit import Audit, Twins
from headstart.plots.curves import draw_learning_curve
from headstart.plots.grids import draw_grid
from headstart.plots.judgements import draw_head
from headstart.storage.samples import Sample


@pytest.fixture
def trained(ready, pictures):
    draw(pictures / "red" / "copy.png", 3, tint=0)  # the content of red/03.png
    ready.datasets.refresh("pics")
    ready.heads.train("h", ready.extract("net", "pics"), hs.Linear((1.0,)))
    return ready


def test_an_audit_finds_a_copy_and_says_where_it_stands(trained, run, monkeypatch):
    found = run("features", "audit", "net", "pics", "--json").json
    (same,) = [pair for pair in found["near_duplicates"] if pair["same_content"]]
    assert sorted(same["ids"]) == ["red/03.png", "red/copy.png"]
    assert not same["leak"]  # the same content stands in one split
    assert found["samples"] == 37
    assert same["evidence"] == "same content" and found["pictures"] is None
    shown = run("features", "audit", "net", "pics").out
    assert "same content" in shown and "labels are worth a look" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert found["all_pairs"] is True
    monkeypatch.setattr("headstart.heads.evaluation.near_duplicates.EXACT", 36)
    ran = run("features", "audit", "net", "pics", "--json")
    assert ran.json["all_pairs"] is False
    assert "near duplicates of 37 samples are looked for around each, not among all" in ran.err


def test_pictures_that_look_alike_are_named_and_may_be_made_a_group(ready, pictures, run):
    """A picture of another size and quality, that the features of a small net take for another."""
    rng = np.random.default_rng(0)
    made = Image.fromarray(rng.integers(0, 255, (5, 5, 3), dtype=np.uint8))
    made = made.resize((64, 64), Image.Resampling.BICUBIC)
    made.save(pictures / "red" / "own.png")
    made.resize((41, 41)).save(pictures / "red" / "small.jpg", quality=50)
    ready.datasets.refresh("pics")
    found = run("features", "audit", "net", "pics", "--pictures", "--json").json
    assert found["pictures"] == 38
    pairs = {tuple(sorted(one["ids"])): one["evidence"] for one in found["near_duplicates"]}
    assert "picture" in pairs["red/own.png", "red/small.jpg"]
    groups = ready.audit("net", "pics", pictures=True).groups
    assert groups["red/own.png"] == groups["red/small.jpg"]
    assert set(groups) == {id_ for pair in pairs for id_ in pair}


def test_groups_are_what_pairs_connect_however_many_there_are():
    """A chain of ten thousand pairs is one group."""
    made = {n: Sample(f"{n:05}", "0" * 64, None, "train", n) for n in range(10_005)}
    order = np.random.default_rng(0).permutation(10_000).tolist()
    pairs = [*((n, n + 1) for n in order), (10_002, 10_004)]
    audit = Audit(10_005, None, [Twins(made[a], made[b], 0.1) for a, b in pairs])
    expected = {f"{n:05}": "00000" for n in range(10_001)}
    assert audit.groups == {**expected, "10002": "10002", "10004": "10002"}


def test_wrong_labels_of_real_digits_are_found_through_features(ws, model_file, tmp_path):
    digits = load_digits()
    x = np.repeat(digits.images[:600, :, :, None], 3, axis=3).astype(np.float32)
    y = digits.target[:600].copy()
    y[:12] = (y[:12] + 1) % 10
    np.savez(tmp_path / "d.npz", x=x.reshape(600, -1), y=y)
    ws.datasets.add("d", tmp_path / "d.npz")
    from headstart.extractors.runtime import keras

    layers = keras().layers
    given = keras().Input((192,))
    out = layers.Dense(10, activation="softmax")(layers.Rescaling(1 / 16, name="as_is")(given))
    keras().Model(given, out).save(tmp_path / "flat.keras")
    ws.backbones.add("flat", tmp_path / "flat.keras", preprocess="array")
    ws.extract("flat", "d")
    found = ws.audit("flat", "d")
    wrong = [int(one.sample.id) for one in found.suspects]
    assert len(set(wrong[:10]) & set(range(12))) >= 9
    one = next(one for one in found.suspects if int(one.sample.id) == 0)
    assert one.guess == digits.target[0] and one.sample.label == y[0]


def test_a_report_is_one_file_that_fetches_nothing(trained, run, tmp_path):
    file = tmp_path / "h.html"
    assert run("head", "report", "h", file, "--json").json["size"] == file.stat().st_size
    page = file.read_text(encoding="utf-8")
    fetched = re.findall(r'(?:src|href)\s*=\s*"(?!data:|#)([^"]*)"', page)
    assert fetched == []
    assert not re.search(r"<script|@import|url\(\s*['\"]?http", page)
    head = trained.heads.get("h")
    for said in ("red/copy.png", head.record.feature_key, f"{head.metrics['accuracy']:.3f}"):
        assert said in page
    assert page.count("<svg") == 2
    assert page.count("data:image/png;base64,") >= 2


@pytest.mark.filterwarnings("ignore:.*no sample of the class")
def test_names_in_a_report_are_no_markup(ready, pictures, tmp_path):
    (pictures / "red").rename(pictures / "<b>red&")
    ready.datasets.refresh("pics")
    ready.heads.train("h", ready.extract("net", "pics"), hs.Linear((1.0,)))
    from headstart.plots.reports import write_report

    page = write_report(ready.heads.get("h"), tmp_path / "h.html").read_text(encoding="utf-8")
    assert "<b>red" not in page and "&lt;b&gt;red&amp;" in page


def test_a_report_says_why_labels_were_not_judged(ready, pictures, tmp_path):
    for number in range(3, 12):
        for path in (pictures / "blue").glob(f"{number:02}.*"):
            path.unlink()
    ready.datasets.refresh("pics")
    ready.heads.train("h", ready.extract("net", "pics"), hs.Linear((1.0,)))
    from headstart.plots.reports import write_report

    page = write_report(ready.heads.get("h"), tmp_path / "h.html").read_text(encoding="utf-8")
    assert "has 3 samples to try heads on, fewer than the 5 folds" in page


def test_a_report_of_pictures_that_are_gone_says_so(trained, pictures, tmp_path, run):
    for path in pictures.rglob("*"):
        if path.is_file():
            path.unlink()
    ran = run("head", "report", "h", tmp_path / "h.html")
    assert ran.code == 0, ran.err
    page = (tmp_path / "h.html").read_text(encoding="utf-8")
    assert "red/copy.png" in page and "near duplicates" in page.lower()


def test_a_report_has_to_be_html(trained, fails, tmp_path):
    assert "Name an .html file" in fails("head", "report", "h", tmp_path / "h.pdf")


@pytest.mark.parametrize("show", ["curve", "mistakes"])
def test_curve_and_mistakes_are_drawn(trained, run, tmp_path, show):
    # a head that is wrong: labels of two classes changed places since it saw them
    ran = run("head", "plot", "h", tmp_path / "p.png", "--show", show, "--json")
    if show == "mistakes" and not trained.heads.get("h").held_out().wrong.size:
        assert ran.code == 1 and "makes no mistake" in ran.err
        return
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_a_curve_looks_at_train_and_validation_alone_and_says_so(trained, run, tmp_path):
    head = trained.heads.get("h")
    points = head.learning_curve(draws=3)
    assert [one.samples for one in points] == sorted({one.samples for one in points})
    for one in points:
        assert len(one.draws) == 3
        assert one.interval[0] <= one.accuracy <= one.interval[1]
    counts = head.metrics
    assert points[-1].scored <= counts["n_train"] + counts["n_validation"]
    assert points[-1].samples < counts["n_train"]
    ran = run("head", "plot", "h", tmp_path / "p.png", "--show", "curve", "--draws", "2")
    assert "the test split was not looked at" in " ".join(ran.out.split())
    ran = run("head", "plot", "h", tmp_path / "q.png", "--draws", "2")
    assert ran.code and "--draws is for --show curve" in ran.err


@pytest.mark.parametrize("count", [2, 24])
def test_no_title_of_a_picture_is_cut_off(count):
    title = f"a: linear on net@features, pics\nthe first {count} of 95 {'predictions far off ' * 9}"
    made = draw_grid(["1, 2"] * count, ["row 7: 3.1, not 4"] * count, title)
    made.canvas.draw()
    (told,) = made.findobj(lambda one: one is made._suptitle)
    assert told.get_window_extent().x1 <= made.bbox.x1
    assert " ".join(told.get_text().split()) == " ".join(title.split())
    assert told.get_text().split("\n")[0] == "a: linear on net@features, pics"


def test_an_axis_of_shares_ends_at_one():
    """They ran to 1.02, which no accuracy is."""
    curve = draw_learning_curve(
        [CurvePoint(n, "accuracy", 1.0, 0.9, (0.8, 1.0), (0.9, 1.0)) for n in (5, 9)], ""
    )
    assert curve.axes[0].get_ylim()[1] == 1
    shares = np.eye(2, dtype=np.float32)
    judged = Judged([], shares, np.array([0, 1]), np.array([0, 1]))
    calibration = draw_head(judged, ["a", "b"], "").axes[1]
    assert calibration.get_xlim() == calibration.get_ylim() == (0, 1)


def test_one_tall_picture_takes_no_more_room_than_the_others(trained, run, tmp_path, pictures):
    """Thumbnails are letterboxed into cells of one size: on the page, and in the grid."""
    for number in range(3):  # content of their own, labelled as what they do not look like
        size = ((600, 12), (12, 600), (40, 40))[number]
        draw(pictures / "red" / f"odd{number}.png", 900 + number, size=size, tint=2)
    trained.datasets.refresh("pics")
    trained.heads.train("odd", trained.extract("net", "pics"), hs.Linear((1.0,)))
    assert run("head", "report", "odd", tmp_path / "odd.html").code == 0
    page = (tmp_path / "odd.html").read_text(encoding="utf-8")
    figures = page[page.index('<div class="grid">') :]
    found = re.findall(r'<figure>\s*<img src="data:image/png;base64,([^"]+)"', figures)
    sizes = {Image.open(io.BytesIO(base64.b64decode(one))).size for one in found}
    assert sizes == {(96, 96)}, sizes
    shapes = ((300, 6, 3), (6, 300, 3), (40, 40, 3))
    seen = [cell(glance(np.zeros(shape, np.uint8), 160), 160) for shape in shapes]
    assert [one.shape for one in seen] == [(160, 160, 3)] * 3
    assert [int((one == 0).all(axis=-1).sum()) for one in seen] == [160 * 3, 160 * 3, 160 * 160]
    made = draw_grid([*seen, "words"], ["a", "b", "c", "d"], "title")
    made.canvas.draw()
    cells = {tuple(np.round(axes.get_window_extent().size)) for axes in made.axes[:3]}
    assert len(cells) == 1 and min(cells.pop()) > 50


def test_what_samples_look_like():
    assert glance(b"words of a text").startswith("words")
    assert glance(b"\x00\x01\x02" * 50) == "150 bytes"
    assert glance(np.zeros((40, 20), np.uint8)).shape == (96, 48, 3)
    assert glance(np.linspace(0, 1, 75).reshape(5, 5, 3)).max() == 255
    assert glance(np.arange(20.0)).startswith("[0, 1, 2")
    assert "a: words" in glance({"a": b"words", "b": np.zeros(3)})
    assert glance({"a": b"words", "b": np.zeros((4, 4, 3), np.uint8)}).shape == (96, 96, 3)


# Predictions into files


def test_predictions_in_every_format_are_those_on_the_screen(trained, run, pictures, tmp_path):
    shown = run("head", "predict", "h", pictures, "--json").json
    names = [one["name"] for one in shown]
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        ran = run("head", "predict", "h", pictures, "--output", tmp_path / name, "--json").json
        assert ran.pop("trust") == shown[0]["trust"]
        assert ran == {"file": str(tmp_path / name), "rows": 37, "skipped": []}
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    for row, one in zip(rows, shown, strict=True):
        assert row["label"] == one["label"]
        assert float(row[f"p_{one['label']}"]) == pytest.approx(one["probability"], rel=1e-5)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == names
    assert all(abs(sum(line["probabilities"].values()) - 1) < 1e-5 for line in lines)
    table = parquet.read_table(tmp_path / "p.parquet")
    assert table["name"].to_pylist() == names
    classes = json.loads(table.schema.metadata[b"classes"])
    for shares, one in zip(table["probabilities"].to_pylist(), shown, strict=True):
        assert classes[int(np.argmax(shares))] == one["label"]


def test_what_cannot_be_read_leaves_the_old_file_or_is_counted(trained, run, fails, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "bad.png").write_bytes(b"no picture")
    draw(tmp_path / "new" / "good.png", 77)
    target = tmp_path / "p.csv"
    target.write_text("old", encoding="utf-8")
    assert "bad.png: not a readable image" in fails(
        "head", "predict", "h", tmp_path / "new", "-o", target, "--force"
    )
    assert target.read_text() == "old"
    words = ("predict", "h", tmp_path / "new", "-o", target, "--on-error", "skip", "--force")
    ran = run("head", *words)
    assert "1 predictions" in ran.out and "1 could not be read" in ran.out
    assert "Name a .csv" in fails("head", "predict", "h", tmp_path / "new", "-o", "p.xlsx")


def test_many_are_predicted_without_holding_all(trained, tmp_path):
    for number in range(150):
        draw(tmp_path / "many" / f"{number:03}.png", 1000 + number, size=(12, 12))
    predictions = trained.heads.get("h").predict_each([tmp_path / "many"])
    assert predictions.total == 150
    found = []
    for one in predictions:
        found.append(one.name)
        assert predictions.done in (0, 64, 128)
    assert predictions.done == 150
    assert found == sorted(found) and len(set(found)) == 150
    again = [one.name for one in predictions]
    assert again == found


def test_one_file_named_twice_is_predicted_twice(trained, pictures):
    file = pictures / "red" / "03.png"
    assert len(trained.heads.get("h").predict([file, file])) == 2
    with pytest.raises(HeadError, match="no file, folder or dataset"):
        trained.heads.get("h").predict([file, pictures / "none"])
    with pytest.raises(SampleUnreadable):
        (pictures / "odd.png").write_bytes(b"")
        trained.heads.get("h").predict([pictures / "odd.png"])
