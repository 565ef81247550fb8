"""Heads on windows of long samples: what they learn from, what is counted, what they say."""

import json

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.errors import FeatureError, HeadError
from headstart.jobs.exploration import opened_index
from headstart.jobs.exploration.looked_at import LookedAt
from headstart.jobs.heads.cross_validation import CrossValidation

soundfile = pytest.importorskip("soundfile")
layers = keras.layers
RATE = 4000
SONGS = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with a model that takes a second, and 24 songs of 3 to 6 seconds, two kinds."""
    place = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    for number in range(SONGS):
        folder = place / "songs" / ("high" if number % 2 else "low")
        folder.mkdir(parents=True, exist_ok=True)
        count = int(RATE * (3 + 3 * number / SONGS))
        pitch = (500 if number % 2 else 300) + 150 * rng.standard_normal()
        wave = 0.3 * np.sin(2 * np.pi * pitch * np.arange(count) / RATE)
        wave += rng.normal(0, 0.1, count)
        soundfile.write(folder / f"{number}.wav", wave.astype(np.float32), RATE)
    keras.utils.set_random_seed(1)
    wave = keras.Input((RATE, 1), name="wave")
    x = layers.Conv1D(16, 32, 8, activation="relu", name="conv")(wave)
    x = layers.GlobalMaxPooling1D(name="pool")(x)
    model = keras.Model(wave, layers.Dense(2, name="out")(x))
    ws = hs.init(place / "zoo")
    ws.backbones.add("ear", model, preprocess=f"audio:{RATE}")
    ws.datasets.add("songs", place / "songs", window="1s", hop="500ms")
    ws.extract("ear", "songs")
    return ws, keras.Model(wave, x), place / "songs"


def windows_of(path):
    wave, _ = soundfile.read(path, dtype="float32")
    starts = list(range(0, len(wave) - RATE + 1, RATE // 2))
    if starts[-1] + RATE < len(wave):
        starts.append(len(wave) - RATE)
    return np.stack([wave[start : start + RATE] for start in starts])[..., None]


@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_row_a_song_is_the_mean_or_max_of_its_windows(made, how):
    ws, trunk, songs = made
    view = ws.features("ear", "songs").grouped(how)
    assert len(view) == SONGS
    for sample, row in zip(view.samples, view.to_numpy(), strict=True):
        expected = getattr(trunk.predict(windows_of(songs / sample.id), verbose=0), how)(axis=0)
        np.testing.assert_allclose(row, expected, atol=1e-5)
    parts = [view.split(name) for name in ("train", "validation", "test")]
    assert sum(map(len, parts)) == SONGS
    np.testing.assert_array_equal(
        parts[0].to_numpy(), view[[view.ids.index(i) for i in parts[0].ids]]
    )


def test_a_grouped_view_can_be_gone_through_sent_and_written(made, tmp_path):
    import pickle

    ws, _, _ = made
    view = ws.features("ear", "songs").grouped()
    again = pickle.loads(pickle.dumps(view.split("train")))
    np.testing.assert_array_equal(again.to_numpy(), view.split("train").to_numpy())
    assert (again.windows, again.ids) == ("mean", view.split("train").ids)
    rows = [row for features, _ in view.batches(5, shuffle=True, seed=1) for row in features]
    assert sorted(map(tuple, rows)) == sorted(map(tuple, view.to_numpy()))
    view.export(tmp_path / "rows.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npz")["features"], view.to_numpy())


def test_a_view_is_grouped_in_one_way_only(made):
    ws, _, _ = made
    view = ws.features("ear", "songs")
    assert view.grouped("each") is view
    assert view.grouped("max").grouped("max").windows == "max"
    with pytest.raises(FeatureError, match="the rows are the max of windows already"):
        view.grouped("max").grouped("mean")
    with pytest.raises(FeatureError, match="windows is 'median'"):
        view.grouped("median")


@pytest.mark.parametrize("how", [None, "mean", "max", "each"])
def test_scores_of_a_head_count_songs_and_it_says_one_thing_a_song(made, how):
    ws, _, songs = made
    head = ws.heads.train(f"h-{how}", ws.features("ear", "songs"), windows=how)
    view = ws.features("ear", "songs").grouped()
    counts = {f"n_{name}": len(view.split(name)) for name in ("train", "validation", "test")}
    assert {name: head.metrics[name] for name in counts} == counts
    assert sum(counts.values()) == SONGS
    assert head.windows == {"window": "1s", "hop": "500ms", "pooled": how or "mean"}
    assert sum(map(sum, head.metrics["confusion"])) == counts["n_test"]
    assert sum(head.record.settings["judged_on"].values()) <= SONGS
    judged = head.held_out()
    paths = [songs / one.id for one in judged.samples]
    said = head.predict(paths)
    assert [one.name for one in said] == list(map(str, paths))
    np.testing.assert_allclose([one.probabilities for one in said], judged.probabilities, atol=1e-6)
    by_hand = _by_hand(ws, head, songs, [one.id for one in judged.samples], how or "mean")
    np.testing.assert_allclose(judged.probabilities, by_hand, atol=1e-5)


def test_heads_that_take_windows_otherwise_are_compared_song_by_song(made):
    ws, _, _ = made
    view = ws.features("ear", "songs")
    for how in ("max", "each"):
        ws.heads.train(f"by-{how}", view, hs.Linear((1.0,)), windows=how)
    found = ws.heads.compare("by-max", "by-each")
    judged = [ws.heads.get(name).held_out() for name in ("by-max", "by-each")]
    assert found.samples == len(judged[0].targets) == len(judged[1].targets)
    right = [one.probabilities.argmax(axis=1) == one.targets for one in judged]
    assert len(found.fixed) == (right[1] & ~right[0]).sum()
    assert found.differences[0].difference == pytest.approx(right[1].mean() - right[0].mean())


def _by_hand(ws, head, songs, ids, how):
    view = ws.features("ear", "songs")
    rows, found = view.to_numpy(), []
    for one in ids:
        own = rows[[name.startswith(f"{one}#") for name in view.ids]]
        if how == "each":
            found.append(head.judge.predict_proba(own).mean(axis=0))
        else:
            found.append(head.judge.predict_proba(getattr(own, how)(axis=0)[None])[0])
    return found


def test_a_song_that_was_never_seen_is_cut_as_the_others_were(made, tmp_path):
    ws, trunk, _ = made
    head = ws.heads.train("new", ws.features("ear", "songs"))
    wave = np.random.default_rng(5).normal(0, 0.2, int(4.3 * RATE)).astype(np.float32)
    soundfile.write(tmp_path / "new.flac", wave, RATE)
    (said,) = head.predict(tmp_path / "new.flac")
    features = trunk.predict(windows_of(tmp_path / "new.flac"), verbose=0).mean(axis=0)
    np.testing.assert_allclose(
        said.probabilities, head.judge.predict_proba(features[None])[0], atol=1e-5
    )


def test_a_dataset_is_predicted_song_by_song(made):
    ws, _, songs = made
    head = ws.heads.train("all", ws.features("ear", "songs"))
    predictions = head.predict("songs")
    assert [one.name for one in predictions] == ws.features("ear", "songs").grouped().ids
    assert len(head.predict(songs)) == SONGS


def test_a_song_that_cannot_be_read_is_named(made, tmp_path):
    ws, _, songs = made
    head = ws.heads.train("broken", ws.features("ear", "songs"))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    good = next(songs.rglob("*.wav"))
    with pytest.raises(hs.errors.SampleUnreadable, match=r"broken.wav: not a readable sound"):
        head.predict([tmp_path / "broken.wav"])
    found = head.predict([tmp_path / "broken.wav", good], on_error="skip")
    assert [one.name for one in found] == [str(good)]
    assert found.skipped == (str(tmp_path / "broken.wav"),)


def test_heads_are_tried_and_labels_judged_on_songs(made):
    ws, _, _ = made
    untested = SONGS - len(ws.features("ear", "songs").grouped().split("test"))
    trying = CrossValidation(folds=2, windows="max")
    sweep = ws.sweep("songs", "ear", hs.Linear((0.1,)), trying=trying)
    assert sweep.samples == untested
    (rank,) = ws.rank("songs", "ear", trying=CrossValidation(folds=2))
    assert len(rank.linear.targets) == untested
    assert ws.audit("ear", "songs", trying=CrossValidation(folds=2)).samples == SONGS
    with pytest.raises(HeadError, match="windows is 'each'"):
        CrossValidation(windows="each")


def test_songs_are_labelled_next_and_no_windows(made, tmp_path):
    ws, _, songs = made
    for number in range(4):
        (tmp_path / f"{number}.wav").write_bytes(next(songs.rglob(f"{number}.wav")).read_bytes())
    ws.datasets.add("pool", tmp_path, window="1s", hop="500ms")
    ws.extract("ear", "pool")
    head = ws.heads.train("next", ws.features("ear", "songs"), windows="each")
    found = head.label_next("pool", 4)
    assert sorted(one.sample.id for one in found) == [f"{number}.wav" for number in range(4)]
    said = {one.name: one.probability for one in head.predict("pool")}
    assert [one.probability for one in found] == pytest.approx(
        [said[one.sample.id] for one in found], abs=1e-6
    )
    done = ws.datasets.correct("pool", {one.sample.id: "low" for one in found})
    assert len(done.labels) == 4


def test_an_index_of_windows_is_made_anew_when_they_are_cut_otherwise(made):
    ws, _, songs = made
    known = []
    for hop in ("500ms", "1s"):
        ws.datasets.add("cut", songs, window="1s", hop=hop)
        ws.extract("ear", "cut")
        among = LookedAt.of(ws.context, "ear", "cut", "float32")
        known.append(opened_index._identity_of(among).key)
        assert opened_index._identity_of(among).key == known[-1]
        ws.datasets.remove("cut", force=True)
    assert len(set(known)) == 2


def test_a_head_on_windows_is_trained_again_the_same(made):
    ws, _, _ = made
    for how in ("mean", "each"):
        assert ws.heads.train("again", ws.features("ear", "songs"), windows=how).reproduce().agrees


def test_what_a_head_on_windows_cannot_do_is_said(made):
    ws, _, songs = made
    each = ws.heads.train("each", ws.features("ear", "songs"), windows="each")
    with pytest.raises(HeadError, match="was trained on each window"):
        each.learning_curve()
    with pytest.raises(HeadError, match="by another name without --window"):
        each.finetune("conv")
    ws.datasets.add("whole", songs)
    ws.extract("ear", "whole")
    with pytest.raises(FeatureError, match=r"windows is 'max', and .* has no windows"):
        ws.heads.train("plain", ws.features("ear", "whole"), windows="max")


def test_commands_take_windows_together(made, run, tmp_path, monkeypatch):
    ws, _, _ = made
    monkeypatch.setenv("HEADSTART_HOME", str(ws.config.root))
    ran = run("head", "train", "cli", "ear", "songs", "--windows", "max", "--json")
    assert json.loads(ran.out)["settings"]["windows"]["pooled"] == "max"
    for verb in (["rank", "songs", "ear"], ["head", "sweep", "songs", "ear", "--kinds", "linear"]):
        ran = run(*verb, "--folds", "2", "--windows", "mean")
        assert ran.code == 0, ran
    run("features", "export", "ear", "songs", str(tmp_path / "each.npz"))
    run("features", "export", "ear", "songs", str(tmp_path / "mean.npz"), "--windows", "mean")
    assert len(np.load(tmp_path / "mean.npz")["features"]) == SONGS
    assert len(np.load(tmp_path / "each.npz")["features"]) > 3 * SONGS
    plot = ["features", "plot", "ear", "songs", str(tmp_path / "map.png"), "--method", "pca"]
    assert run(*plot, "--head", "cli").code == 0
