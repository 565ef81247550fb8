"""Extraction: every row right, nothing computed twice, nothing lost."""

import os
import shutil

import numpy as np
import pytest

import headstart as hs
from conftest import direct, draw, keras, network, rows_in
from headstart import backbone_model
from headstart.errors import (
    FeaturesMissing,
    NonFiniteFeatures,
    SampleChanged,
    SampleUnreadable,
)
from headstart.extractors.datasets import named_files
from headstart.notices import HeadstartWarning
from headstart.registry import listing

TOLERANCE = 1e-5
EAGER = hs.Settings(batch_size=4, commit_seconds=0)
"""Commits every batch."""


def test_features_equal_those_of_the_hand_cut_model_in_the_datasets_order(ready, model):
    view = ready.extract("net", "pics")
    assert (view.report.computed, view.report.engine) == (36, "openvino")
    assert view.ids == [sample.id for sample in ready.datasets.manifest("pics").samples]
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=TOLERANCE)


def test_a_second_call_runs_no_model_at_all(ready, monkeypatch):
    first = ready.extract("net", "pics")
    monkeypatch.setattr(backbone_model, "open_engine", lambda *_: pytest.fail("the model was run"))
    second = ready.extract("net", "pics")
    assert (second.report.computed, second.report.reused) == (0, 36)
    assert second.report.engine == "cache"
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())


def test_all_cuts_come_from_one_forward_pass(ready, model, monkeypatch):
    passes = []
    real = backbone_model.open_engine

    def counted(context, backbone, cuts, *more):
        passes.append(len(cuts))
        return real(context, backbone, cuts, *more)

    monkeypatch.setattr(backbone_model, "open_engine", counted)
    view = ready.extract("net@features,relu|gap,conv", "pics")
    assert passes == [3]
    assert view.report.cuts == ["features", "relu|gap", "conv"]
    conv = ready.features("net@conv", "pics")
    assert conv.shape == (36, 12, 12, 6)
    np.testing.assert_allclose(conv.to_numpy(), direct(ready, view, model, "conv"), atol=TOLERANCE)
    np.testing.assert_allclose(
        ready.features("net@relu|gap", "pics").to_numpy(),
        direct(ready, view, model, "relu").mean(axis=(1, 2)),
        atol=TOLERANCE,
    )


def test_a_cut_added_later_computes_only_what_it_lacks(ready):
    ready.extract("net", "pics")
    report = ready.extract("net@features,pool", "pics").report
    assert report.computed == 36
    assert [row["rows"] for row in listing.features(ready.config)] == [36, 36]
    assert ready.extract("net@pool,features", "pics").report.computed == 0


def test_the_model_is_loaded_once_even_where_samples_miss_different_cuts(
    ready, pictures, monkeypatch
):
    ready.extract("net", "pics")
    draw(pictures / "red" / "new.png", 4711)
    loads = []
    real = backbone_model.load_graph
    monkeypatch.setattr(
        backbone_model, "load_graph", lambda *given: loads.append(1) or real(*given)
    )
    report = ready.extract("net@features,pool", "pics").report
    assert (report.computed, len(loads)) == (37, 1)
    assert [row["rows"] for row in listing.features(ready.config)] == [37, 37]


def test_copies_are_computed_once_and_served_everywhere(ready, pictures, model):
    (pictures / "red" / "copy.png").write_bytes((pictures / "blue" / "01.png").read_bytes())
    view = ready.extract("net", "pics")
    assert (view.report.samples, view.report.unique, view.report.computed) == (37, 36, 36)
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=TOLERANCE)


def test_renaming_moving_and_adding_costs_only_the_new_content(ready, pictures):
    ready.extract("net", "pics")
    moved = pictures.with_name("moved")
    shutil.copytree(pictures, moved)
    for number, file in enumerate(sorted(moved.rglob("*.png"))):
        file.rename(file.with_name(f"renamed{number}.png"))
    draw(moved / "red" / "new.png", 12345)
    ready.datasets.add("moved", moved)
    report = ready.extract("net", "moved").report
    assert (report.computed, report.reused) == (1, 36)


def test_a_file_that_changed_is_seen_at_once(ready, pictures, model):
    """A cache must not serve yesterday's features."""
    before = ready.extract("net", "pics")
    draw(pictures / "green" / "03.png", 777)
    after = ready.extract("net", "pics")
    assert after.report.computed == 1
    row = after.ids.index("green/03.png")
    assert np.abs(after[row] - before[row]).max() > 1e-3
    np.testing.assert_allclose(after.to_numpy(), direct(ready, after, model), atol=TOLERANCE)


def test_a_file_that_changes_while_it_is_extracted_is_an_error(ready, pictures, monkeypatch):
    as_it_was = (ready.datasets.get("pics"), ready.datasets.manifest("pics"))
    monkeypatch.setattr("headstart.jobs.features.extract.look_again", lambda *_: as_it_was)
    draw(pictures / "green" / "03.png", 777)
    with pytest.raises(SampleChanged, match=r"'green/03\.png' has changed since"):
        ready.extract("net", "pics")


def test_the_cache_is_served_while_the_source_is_away(ready, pictures):
    first = ready.extract("net", "pics").to_numpy()
    pictures.rename(pictures.with_name("away"))
    np.testing.assert_array_equal(ready.extract("net", "pics").to_numpy(), first)


def test_another_model_under_the_same_name_shares_nothing(ready, tmp_path):
    first = ready.extract("net", "pics").to_numpy()
    network(seed=5).save(tmp_path / "new.keras")
    ready.backbones.add("net", tmp_path / "new.keras", preprocess="unit")
    second = ready.extract("net", "pics")
    assert second.report.computed == 36
    assert np.abs(second.to_numpy() - first).max() > 1e-3


def test_the_same_trunk_under_another_head_shares_everything(ready, model, tmp_path):
    ready.extract("net", "pics")
    x = keras.layers.Dense(9, activation="softmax", name="nine")(model.get_layer("features").output)
    keras.Model(model.input, x).save(tmp_path / "nine.keras")
    ready.backbones.add("nine", tmp_path / "nine.keras", preprocess="unit")
    assert ready.extract("nine", "pics").report.computed == 0


def test_other_preprocessing_shares_nothing(ready, model_file):
    ready.extract("net", "pics")
    ready.backbones.add("other", model_file, preprocess="tf")
    assert ready.extract("other", "pics").report.computed == 36


def test_arrays_are_extracted_like_files(ws, model_file, model):
    x = np.random.default_rng(0).random((20, 12, 12, 3), np.float32)
    np.savez(ws.config.root / "d.npz", x=x, y=np.arange(20) % 2)
    ws.backbones.add("net", model_file, preprocess="array")
    ws.datasets.add("d", ws.config.root / "d.npz")
    by_hand = keras.Model(model.inputs, model.get_layer("features").output)
    np.testing.assert_allclose(
        ws.extract("net", "d").to_numpy(), by_hand.predict(x, verbose=0), atol=TOLERANCE
    )


def test_the_size_of_a_batch_changes_no_row(ready, model_file, tmp_path, pictures):
    other = hs.init(tmp_path / "other")
    other.backbones.add("net", model_file, preprocess="unit")
    other.datasets.add("pics", pictures)
    one = ready.extract("net", "pics", settings=hs.Settings(batch_size=1)).to_numpy()
    many = other.extract("net", "pics", settings=hs.Settings(batch_size=32)).to_numpy()
    np.testing.assert_allclose(one, many, atol=TOLERANCE)


# Samples that cannot be read


@pytest.fixture
def broken(pictures):
    """Two pictures that cannot be decoded: one truncated, one no picture at all."""
    truncated = pictures / "green" / "03.png"
    truncated.write_bytes(truncated.read_bytes()[:200])
    (pictures / "red" / "04.jpg").write_bytes(b"no picture")
    return pictures


def test_a_broken_picture_stops_the_run_is_named_and_nothing_is_lost(ready, broken, fails):
    ready.datasets.refresh("pics")  # what has changed is said before
    message = fails("extract", "net", "pics", "--batch-size", "4")
    assert "sample 'green/03.png' of dataset 'pics' cannot be read" in message
    assert str(broken / "green" / "03.png") in message
    assert "--on-error skip" in message
    kept = rows_in(ready)
    assert kept >= 12  # the good ones before it
    broken.joinpath("green/03.png").unlink()
    broken.joinpath("red/04.jpg").unlink()
    report = ready.extract("net", "pics").report
    assert (report.computed, report.reused) == (34 - kept, kept)


def test_skipping_is_recorded_and_shifts_nothing(ready, broken, run, model):
    ran = run("extract", "net", "pics", "--on-error", "skip", "--json")
    assert ran.code == 0
    counts = {name: ran.json[name] for name in ("samples", "unique", "computed", "skipped")}
    assert counts == {"samples": 36, "unique": 36, "computed": 34, "skipped": 2}
    assert [s["id"] for s in ran.json["skipped_samples"]] == ["green/03.png", "red/04.jpg"]
    assert "skipped green/03.png: not a readable image" in ran.err
    with pytest.warns(HeadstartWarning, match="2 of 36 samples are left out"):
        view = ready.features("net", "pics")
    assert len(view) == 34
    assert "green/03.png" not in view.ids
    assert [str(label) for label in view.labels] == [id_.split("/")[0] for id_ in view.ids]
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=TOLERANCE)
    (latest, *_) = ready.runs.find_latest()
    assert latest.counts["skipped"] == 2


def test_a_second_skipping_run_runs_no_model(ready, broken, monkeypatch):
    skip = hs.Settings(on_error="skip")
    ready.extract("net", "pics", settings=skip)
    monkeypatch.setattr(backbone_model, "open_engine", lambda *_: pytest.fail("the model was run"))
    report = ready.extract("net", "pics", settings=skip).report
    assert (report.computed, report.reused, report.skipped) == (0, 34, 2)


def test_what_was_skipped_once_is_left_out_everywhere_and_said(ready, broken, run):
    ready.extract("net", "pics", settings=hs.Settings(on_error="skip"))
    said = "pics: 2 of 36 samples are left out, such as 'green/03.png'"
    for verb in (ready.extract, ready.features):
        with pytest.warns(HeadstartWarning, match=said):
            assert verb("net", "pics").ids == ready.features("net", "pics").ids
    for command in (
        ("head", "train", "h", "net", "pics"),
        ("rank", "pics"),
        ("head", "sweep", "pics", "--kinds", "linear"),
        ("head", "report", "h", broken.parent / "report.html"),
    ):
        ran = run(*command)
        assert ran.code == 0, (command, ran)
        assert ran.err.count(said) == 1, (command, ran.err)


def test_what_could_not_be_read_is_listed_and_tried_again(ready, broken, run):
    ready.extract("net", "pics", settings=hs.Settings(on_error="skip"))
    shown = run("dataset", "show", "pics")
    assert "2 could not be read and are left out:" in shown.out
    assert [one["id"] for one in run("dataset", "show", "pics", "--json").json["failures"]] == [
        "green/03.png",
        "red/04.jpg",
    ]
    assert len(run("dataset", "refresh", "pics", "--json").json["failures"]) == 2
    assert "all 34 contents that could be read" in run("features", "explain", "net", "pics").out
    forgotten = run("dataset", "forget-failures", "pics")
    assert "2 samples of pics will be tried again" in forgotten.out
    assert ready.datasets.failures("pics") == []
    with pytest.raises(SampleUnreadable, match="green/03"):
        ready.extract("net", "pics")


def test_a_mended_picture_is_computed(ready, broken):
    skip = hs.Settings(on_error="skip")
    ready.extract("net", "pics", settings=skip)
    draw(broken / "green" / "03.png", 4242)
    report = ready.extract("net", "pics", settings=skip).report
    assert (report.computed, report.reused, report.skipped) == (1, 34, 1)


# NaN


@pytest.fixture
def exponential(ws, tmp_path):
    """A backbone that overflows above 88, and arrays of which one does that."""
    x = keras.Input((6,))
    y = keras.layers.Activation("exponential", name="exp")(x)
    keras.Model(x, keras.layers.Dense(2)(y)).save(tmp_path / "exp.keras")
    ws.backbones.add("net", tmp_path / "exp.keras")

    def dataset(bad: float):
        values = np.random.default_rng(0).random((20, 6), np.float32)
        values[13, 2] = bad
        np.savez(tmp_path / "d.npz", x=values, y=np.arange(20) % 2)
        return ws.datasets.add("d", tmp_path / "d.npz")

    return dataset


def test_features_with_infinity_stop_the_run_and_the_sample_is_named(ws, exponential, fails):
    exponential(1000.0)
    message = fails("extract", "net", "d", "--batch-size", "5")
    assert "gives NaN or infinity at 'exp' for sample '13' (row 13)" in message
    assert rows_in(ws) == 19  # all that are good: the fourth batch was under way
    with pytest.raises(NonFiniteFeatures):
        ws.extract("net", "d")
    exponential(1.0)
    assert ws.extract("net", "d").report.computed == 1


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_sample_with_nan_is_named_even_where_a_relu_would_hide_it(ws, exponential, fails, bad):
    exponential(bad)
    message = fails("extract", "net", "d")
    assert "sample '13' of dataset 'd' cannot be read: it holds NaN or infinity" in message
    report = ws.extract("net", "d", settings=hs.Settings(on_error="skip")).report
    assert report.skipped_samples == [{"id": "13", "reason": "it holds NaN or infinity"}]
    with pytest.warns(HeadstartWarning, match="1 of 20 samples are left out, such as '13'"):
        assert len(ws.features("net", "d")) == 19


# Asking for the wrong thing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "nett", "pics"], "no backbone 'nett' is registered, and no file or folder is"),
        (["extract", "net", "pix"], "by that name. Did you mean 'pics'?"),
        (["extract", "net@featurs", "pics"], "Did you mean 'features'?"),
        (["extract", "net", "pics", "--batch-size", "0"], "batch_size is 0"),
        (["features", "verify", "net", "pics", "--rows", "0"], "rows is 0"),
        (["features", "show", "ff"], "no feature key begins with 'ff'"),
    ],
)
def test_a_wrong_request_is_explained(ready, fails, arguments, message):
    assert message in fails(*arguments)


def test_features_that_were_not_extracted_are_not_served(ready):
    with pytest.raises(FeaturesMissing, match="nothing was extracted from this cut"):
        ready.features("net", "pics")


def test_pictures_of_different_sizes_without_a_resize_are_an_error(
    ready, pictures, model_file, tmp_path, fails
):
    (tmp_path / "p.json").write_text('{"steps": [{"step": "decode_image"}, {"step": "cast"}]}')
    ready.backbones.add("bare", model_file, preprocess=str(tmp_path / "p.json"))
    draw(pictures / "blue" / "zz.png", 5, (9, 9))
    ready.datasets.refresh("pics")  # what is new is said before
    message = fails("extract", "bare", "pics")
    assert "Add a resize step" in message or "cannot run on a batch" in message


def test_an_unreadable_file_is_not_remembered_as_a_bad_picture(ready, pictures, monkeypatch):
    """What the disk could not read yesterday may be readable today."""
    real = named_files.open_regular

    def fails_once(path):
        if path.name == "05.png" and not os.environ.get("DISK_MENDED"):
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(named_files, "open_regular", fails_once)
    report = ready.extract("net", "pics", settings=hs.Settings(on_error="skip")).report
    assert report.skipped == 3
    monkeypatch.setenv("DISK_MENDED", "1")
    assert ready.extract("net", "pics").report.computed == 3
