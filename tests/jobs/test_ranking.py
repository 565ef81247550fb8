"""`rank` and `head sweep` on real features."""

import re

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from conftest import network
from headstart.errors import FeaturesMissing, HeadError, NotFound
from headstart.notices import HeadstartWarning
from headstart.plots.figures import save
from headstart.plots.rankings import draw_ranking
from headstart.registry.entities import Failure, SweepRecord, TrialRecord

TRYING = hs.CrossValidation(folds=3)


def test_the_cuts_of_a_dataset_are_ranked_with_what_they_cost(cached):
    ranks = cached.rank("pics", trying=TRYING)
    assert {rank.cut for rank in ranks} == {"features", "pool", "relu|gmp"}
    accuracies = [rank.linear.accuracy for rank in ranks]
    assert accuracies == sorted(accuracies, reverse=True)
    assert not ranks[0].is_worse
    for rank in ranks:
        low, high = rank.linear.interval
        assert low <= rank.linear.accuracy <= high
        assert rank.seconds is not None and rank.seconds > 0
        assert rank.size == 4 * rank.width
    assert any(rank.is_on_front for rank in ranks)


def test_the_test_split_is_not_looked_at(cached):
    manifest = cached.datasets.manifest("pics")
    kept = sum(sample.split != "test" for sample in manifest.samples)
    assert kept < len(manifest.samples)
    (one, *_) = cached.rank("pics", trying=TRYING)
    assert len(one.linear.targets) == kept


def test_two_backbones_and_a_picture(cached, tmp_path, run):
    other = tmp_path / "other.keras"
    network(5).save(other)
    cached.backbones.add("other", other, preprocess="unit")
    ran = run(
        "rank",
        "pics",
        "net@features,pool",
        "other",
        "--folds",
        "3",
        "--json",
        "--plot",
        tmp_path / "ranks.png",
    )
    assert {row["backbone"] for row in ran.json} == {"net", "other"}
    with Image.open(tmp_path / "ranks.png") as picture:
        assert picture.size == (1200, 750)
    shown = run("rank", "pics", "--folds", "3").out
    assert "max-T" in shown
    for cut in ("net@features", "net@relu|gmp", "other@features"):
        assert cut in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_picture_as_svg_and_one_of_no_known_kind(cached, tmp_path):
    ranks = cached.rank("pics", trying=TRYING)
    text = save(draw_ranking(ranks, "pics"), tmp_path / "ranks.svg").read_text()
    assert "<svg" in text
    with pytest.raises(HeadError, match=r"Name a \.png or \.svg file"):
        save(draw_ranking(ranks, "pics"), tmp_path / "ranks.bmp")


def test_what_is_not_cached_cannot_be_ranked(ready):
    with pytest.raises(HeadError, match="no features of dataset 'pics' are cached"):
        ready.rank("pics")
    with pytest.raises(FeaturesMissing):
        ready.rank("pics", ["net"])


def test_a_backbone_that_is_gone_is_left_out(cached, tmp_path):
    network(5).save(tmp_path / "other.keras")
    cached.backbones.add("other", tmp_path / "other.keras", preprocess="unit")
    cached.extract("other", "pics")
    cached.backbones.remove("other", force=True)
    assert {rank.backbone for rank in cached.rank("pics", trying=TRYING)} == {"net"}


def test_a_sweep_over_kinds_and_cuts_is_kept_in_sql(cached):
    kinds = [hs.Linear((0.01, 0.1, 1.0)), hs.Prototype(), hs.Ridge((10.0,))]
    seen = []
    sweep = cached.sweep(
        "pics",
        ["net@features,pool"],
        kinds,
        trying=TRYING,
        jobs=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert len(sweep.trials) == 5 * 2 and sweep.heads == 5 * 2 * 3
    assert seen[-1] == (30, 30)
    accuracies = [trial.crossed.accuracy for trial in sweep.trials]
    assert accuracies == sorted(accuracies, reverse=True)
    ((kept, count, best),) = cached.sweeps.find_all()
    assert (kept.id, kept.dataset, kept.heads, count) == (sweep.id, "pics", 30, 10)
    asked = {"folds": 3, "repeats": 1, "limit": 20_000, "seed": 0, "shots": None, "windows": None}
    assert kept.trying == {**asked, "objective": "accuracy"}
    again, trials = cached.sweeps.get(sweep.id)
    assert again == kept and trials[0] == best
    first, *others = sweep.trials
    assert trials == [first.to_record(sweep.winner), *(trial.to_record() for trial in others)]
    assert trials[0].settings["behind"]["winner"] == sweep.winner.to_json()
    with pytest.raises(NotFound, match="no sweep 99"):
        cached.sweeps.get(99)


def test_a_sweep_from_the_command_line(cached, run):
    ran = run(
        "head",
        "sweep",
        "pics",
        "net@features",
        "--kinds",
        "linear,mlp,prototype",
        "--strengths",
        "0.1,1",
        "--hidden",
        "8,8x4",
        "--epochs",
        "2",
        "--folds",
        "3",
        "--json",
    )
    assert len(ran.json["trials"]) == 2 + 2 + 1
    assert {tuple(t["hidden"]) for t in ran.json["trials"] if t["kind"] == "mlp"} == {(8,), (8, 4)}
    shown = run("head", "sweep", "pics", "net@features", "--folds", "3").out
    assert max(map(len, shown.splitlines())) <= 80
    assert "27 heads in" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--kinds", "forest"), "no kind 'forest'"),
        (("--kinds", "mlp", "--hidden", "wide"), "--hidden takes numbers"),
        (("--strengths", "-1"), "Give numbers above 0"),
        (("--folds", "50"), "fewer than the 50 folds"),
    ],
)
def test_bad_sweeps_are_refused(cached, fails, options, message):
    assert message in fails("head", "sweep", "pics", "net@features", *options)


@pytest.mark.parametrize("kind", ["ridge", "svm", "prototype"])
def test_every_kind_trains_attaches_and_predicts(ready, run, tmp_path, kind):
    ran = run("head", "train", "h", "net@features", "pics", "--kind", kind, "--json")
    assert ran.json["kind"] == kind
    assert (
        run("head", "attach", "h", "-o", tmp_path / "h.keras", "--json").json["max_abs_diff"] < 1e-4
    )
    assert np.isfinite(ran.json["metrics"]["log_loss"])


def test_sweeps_are_listed(cached, run, fails):
    assert "No sweeps yet" in run("head", "sweeps").out
    for strengths in ("0.1", "0.1,1"):
        run("head", "sweep", "pics", "net@features", "--strengths", strengths, "--folds", "3")
    listed = run("head", "sweeps", "--json").json
    assert [row["trials"] for row in listed] == [2, 1]
    assert listed[0]["best"]["kind"] == "linear"
    shown = run("head", "sweeps").out
    assert "linear, strength" in shown and max(map(len, shown.splitlines())) <= 80
    trials = run("head", "sweeps", listed[0]["id"], "--json").json["trials"]
    assert len(trials) == 2 and trials[0]["accuracy_low"] <= trials[0]["accuracy"]
    assert "strength 0.1" in run("head", "sweeps", listed[0]["id"]).out
    assert "no sweep 99" in fails("head", "sweeps", "99")


def test_heads_have_aliases(cached, run, fails):
    for name in ("one", "two", "two"):
        cached.heads.train(name, cached.features("net", "pics"), hs.Linear((1.0,)))
    assert run("head", "alias", "production", "two:1", "--json").json["aliases"] == ["production"]
    assert cached.heads.get("production").record.version == 1
    assert "two:1 = production" in " ".join(run("head", "list").out.split())
    assert cached.heads.alias("production", "two").record.version == 2  # moved
    assert cached.heads.get("two:1").record.aliases == ()
    assert "production" in run("head", "show", "production").out
    assert "a head is called 'one'" in fails("head", "alias", "one", "two")
    assert "is an alias of a head" in fails("head", "train", "production", "net", "pics")
    assert "no head 'none'" in fails("head", "alias", "best", "none")
    assert "production" in fails("head", "show", "producton")


def test_few_shots_from_the_command_line(cached, run, fails):
    ran = run("rank", "pics", "net@features", "--folds", "3", "--shots", "2", "--json").json
    assert len(ran) == 1
    ran = run("head", "sweep", "pics", "net@features", "--kinds", "prototype", "--folds", "3",
              "--shots", "1", "--json").json  # fmt: skip
    assert ran["shots"] == 1
    line = fails("rank", "pics", "net@features", "--folds", "3", "--shots", "99")
    assert "fewer than the 99 shots" in line


def test_few_shots_are_drawn_several_times_and_their_spread_is_shown(cached, run):
    """One draw was all there was, and the interval left out that another one may be otherwise."""
    asked = ("head", "sweep", "pics", "net@features", "--kinds", "prototype,neighbours")
    asked += ("--folds", "3", "--shots", "1")
    found = run(*asked, "--json").json
    assert found["repeats"] == 5
    for trial in found["trials"]:
        assert trial["repeats"] == 5 and trial["spread_between_draws"] >= 0
    shown = run(*asked).out
    shown = " ".join(shown.split())
    assert "means over 15 draws" in shown and "± 0." in shown
    assert "with more the intervals hold it, and may be wider" in shown
    assert re.search(r"Always naming the most frequent class gives accuracy 0\.\d{3}\.", shown)
    once = run(*asked, "--repeats", "1")
    assert "none is called worse" in " ".join(once.out.split())
    (rank,) = cached.rank("pics", ["net@features"], trying=hs.CrossValidation(3, shots=1))
    assert rank.to_json()["spread_between_draws"] >= 0
    assert "± 0." in run("rank", "pics", "net@features", "--folds", "3", "--shots", "1").out


def test_a_name_of_another_datasets_head_is_not_taken_in_silence(cached, pictures, run, fails):
    """`--confirm NAME` made a sweep's winner version 2 of a head of other classes: who predicted by
    NAME got that one."""
    cached.datasets.add("again", pictures)
    run("head", "train", "h", "net@features", "pics")
    line = fails("head", "sweep", "again", "net@features", "--folds", "3", "--confirm", "h")
    assert "head 'h' is of dataset 'pics', and the sweep of 'again'" in line
    assert cached.heads["h"].record.version == 1 and not cached.sweeps.find_all()
    ran = run("head", "train", "h", "net@features", "again")
    assert "head 'h' was trained on dataset 'pics' so far" in ran.err
    assert "was trained on" not in run("head", "train", "h", "net@features", "again").err


def test_backbones_that_cannot_read_different_samples_are_tried_on_those_that_both_can(
    cached, pictures, tmp_path
):
    """Rows were taken by their numbers: every label was its neighbour's on the other backbone."""
    alone = cached.rank("pics", ["net"], trying=TRYING)[0].linear
    cached.backbones.add("tf", network(0), preprocess="tf")
    (pictures / "blue" / "zz.png").write_bytes(b"no picture")
    cached.extract("tf", "pics", settings=hs.Settings(on_error="skip"))
    cached.extract("net", "pics", settings=hs.Settings(on_error="skip"))
    first = next(s for s in cached.datasets.manifest("pics").samples if s.split == "train")
    known = cached.context.feature_sets
    (other,) = (one for one in known.find_sets() if one.backbone.startswith("tf"))
    known.record_failures([Failure(first.digest, other.preprocessing_fingerprint, "too large")])
    for shard in known.find_shards(other.id):
        known.quarantine(shard)
    cached.extract("tf", "pics", settings=hs.Settings(on_error="skip"))
    with pytest.warns(HeadstartWarning, match="samples are left out"):
        ranks = cached.rank("pics", ["net", "tf"], trying=TRYING)
    assert {len(rank.linear.targets) for rank in ranks} == {len(alone.targets) - 1}
    np.testing.assert_array_equal(ranks[0].linear.targets, ranks[1].linear.targets)
    for rank in ranks:
        assert rank.linear.accuracy >= alone.accuracy - 0.15, rank


def test_stars_of_kept_sweeps_say_what_they_are(cached, run):
    asked = ("head", "sweep", "pics", "net@features", "--strengths", "0.01,0.1", "--folds", "3")
    run(*asked)
    shown = " ".join(run("head", "sweeps", "1").out.split())
    assert "* not significantly worse than the best (Hsu's" in shown and "McNemar" not in shown
    assert "between draws" not in shown
    run(*asked, "--repeats", "2")
    shown = " ".join(run("head", "sweeps", "2").out.split())
    assert "Scores are means over 6 draws" in shown


@pytest.mark.parametrize(("folds", "told"), [(5, "0.800-0.950"), (10, "no interval")])
def test_intervals_of_before_that_were_too_narrow_are_not_shown(cached, run, folds, told):
    """They were shown as they were kept, and so was what a winner by log loss was worth."""
    trying = {"folds": folds, "repeats": 1, "limit": 100, "seed": 0, "shots": None, "windows": None}
    interval = [0.21, 0.39]
    winner = {"objective": "log_loss", "raw": 0.3, "interval": interval, "candidates": 2}
    winner |= {"corrected": 0.3, "corrected_interval": interval, "procedure": "BBC-CV"}
    behind = {"samples": 36, "log_loss_interval": interval, "winner": winner}
    settings = {"strength": 1.0, "behind": behind}
    trials = [TrialRecord("net@features", "linear", settings, 0.9, 0.8, 0.95, 0.3, False)]
    trying["objective"] = "log_loss"
    cached.sweeps.add(SweepRecord("pics", "0" * 64, trying, 6, 1.0, {}), trials)
    shown = " ".join(run("head", "sweeps", "1").out.split())
    assert "0.21" not in shown and "0.39" not in shown and "Best of" not in shown
    assert told in shown and "Kept before it was known how alike" in shown
    assert told in run("head", "sweeps").out


@pytest.mark.parametrize("has_samples", [True, False])
def test_stars_of_sweeps_of_before_are_not_called_comparisons_with_the_best(
    cached, run, has_samples
):
    trying = {"folds": 3, "repeats": 2, "limit": 100, "seed": 0, "shots": None, "windows": None}
    behind = {"samples": 36, "log_loss_interval": None}
    settings = {"strength": 1.0} | ({"behind": behind} if has_samples else {})
    trials = [TrialRecord("net@features", "linear", settings, 0.9, 0.8, 0.95, 0.3, False)]
    cached.sweeps.add(SweepRecord("pics", "0" * 64, trying, 6, 1.0, {}), trials)
    shown = " ".join(run("head", "sweeps", "1").out.split())
    assert "made before comparisons with the best" in shown and "Hsu" not in shown
    assert "McNemar" in shown and "Scores of repeats are an ensemble's" in shown
