"""From a dataset to a checked head in a given time."""

import json
import re
import shlex
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from test_docs import blocks

import headstart as hs
from conftest import keras, network
from headstart.errors import AlreadyExists, HeadError, HeadstartError, LayerNotFound
from headstart.jobs.auto import attempts
from headstart.jobs.auto.found import Wanted
from headstart.jobs.auto.labels import check_samples, task_of_labels
from headstart.jobs.auto.pool import Pool
from headstart.jobs.heads.sweep import kind_tried
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.samples import Sample


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """300 digits as pictures, and a workspace with a small real backbone for them."""
    place = tmp_path_factory.mktemp("digits")
    data = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images[:300], data.target, strict=False)):
        file = place / "pictures" / f"d{label}" / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15).astype(np.uint8)).resize((16, 16)).save(file)
    keras.utils.set_random_seed(1)
    given = keras.Input((16, 16, 3), name="image")
    x = keras.layers.Conv2D(24, 5, strides=2, activation="relu", name="conv")(given)
    x = keras.layers.Conv2D(32, 3, activation="relu", name="deep")(x)
    x = keras.layers.Flatten(name="flat")(keras.layers.MaxPooling2D(2, name="pooled")(x))
    out = keras.layers.Dense(10, activation="softmax", name="out")(x)
    keras.Model(given, out).save(place / "tiny.keras")
    ws = hs.init(place / "zoo")
    ws.backbones.add("tiny", place / "tiny.keras", preprocess="unit")
    ws.datasets.add("digits", place / "pictures")
    return ws


@pytest.fixture(scope="module")
def found(digits, tmp_path_factory):
    """What is found for them, and the model of it."""
    told = []
    output = tmp_path_factory.mktemp("model") / "digits.keras"
    kinds = ("prototype", "neighbours", "ridge")
    how = {"minutes": 60, "kinds": kinds, "output": output, "watch": told.append}
    with pytest.MonkeyPatch.context() as patch:  # the default leaves too few errors to go on
        patch.setattr(attempts, "can_be_beaten", lambda _crossed: True)
        found = digits.auto("digits", "tiny@flat", **how)
    return digits, found, told


def test_a_folder_of_pictures_becomes_a_checked_model(found):
    ws, found, _ = found
    head = ws.heads.get("digits")
    assert found.head == head.record and head.record.version == 1
    assert found.head.metrics["accuracy"] > 0.85
    low, high = found.head.metrics["intervals"]["accuracy"]
    assert low < found.head.metrics["accuracy"] < high
    model = keras.models.load_model(found.file)
    judged = head.held_out()
    pictures = [np.asarray(Image.open(one.location).convert("RGB")) for one in judged.samples]
    said = model.predict(np.stack(pictures), verbose=0)
    np.testing.assert_allclose(said, judged.probabilities, atol=1e-4)
    assert found.max_abs_diff < 1e-4


def test_the_test_split_is_looked_at_once_and_takes_no_part_in_the_choice(found):
    ws, found, _ = found
    assert found.looks == 1
    columns = ws.context.manifest("digits").columns
    tried = columns.split_counts["train"] + columns.split_counts["validation"]
    assert found.samples == tried == max(one.rows for one in found.tried)


def test_the_default_comes_first_and_the_kinds_behind_it(found):
    _ws, found, told = found
    first = found.tried[0]
    assert (first.verdict, first.rows) == ("the default", found.samples)
    assert first.features == "tiny@flat" and first.head.startswith("linear")
    kinds = {one.head.split()[0].rstrip(",") for one in found.tried}
    assert kinds == {"linear", "ridge", "neighbours", "prototype"}
    assert any(one.startswith("extracting tiny") for one in told)
    (cost,) = found.costs
    assert cost.computed == 300 and cost.rate > 0


def test_what_was_tried_on_all_samples_is_a_sweep_and_the_choice_follows_from_it(found):
    ws, found, _ = found
    kept = ws.sweeps.get(found.sweep)
    assert kept.sweep.trying["folds"] == 5 and len(kept.trials) == 12
    default, best = found.sides[0], kept.trials[0]
    own = default.scores["accuracy"]
    assert default.what == "default" and own <= best.accuracy
    (linear,) = [
        one
        for one in kept.trials
        if one.kind == "linear" and one.features == "tiny@flat" and one.accuracy == own
    ][:1]
    if found.chosen == "ensemble":
        assert found.head.settings["sweep"] == found.sweep and "beyond chance" in found.why
    else:
        assert found.chosen == ("single" if linear.is_worse else "default")


def test_it_is_as_good_as_the_best_single_head_within_its_interval(found):
    ws, found, _ = found
    best = ws.sweeps.get(found.sweep).trials[0]
    (chosen,) = [one for one in found.sides if one.what == found.chosen]
    assert chosen.scores["accuracy"] >= best.accuracy_low


@pytest.fixture(scope="module")
def xor(tmp_path_factory):
    """Numbers of two classes that no line tells apart, as rows of a table; what is found."""
    place = tmp_path_factory.mktemp("xor")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)).astype(np.float32)
    y = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    np.savez(place / "xor.npz", x=x, y=y)
    ws = hs.init(place / "zoo")
    return ws, ws.auto(place / "xor.npz", minutes=60, kinds=("neighbours", "prototype"))


def test_rows_of_numbers_are_features_already_and_what_is_better_beyond_chance_is_taken(xor):
    ws, found = xor
    assert found.dataset == "xor" and found.tried[0].features == "numbers-4@as_they_are"
    assert found.chosen in ("single", "ensemble") and "beyond chance" in found.why
    assert found.head.metrics["accuracy"] > 0.8 > found.tried[0].scores["accuracy"]
    default, best = found.sides[:2]
    shares = [one.scores["accuracy"] for one in found.sides[:2]]
    assert best.what == "single" and shares[1] > shares[0] + 0.2
    trials = ws.sweeps.get(found.sweep).trials
    linear = max(one.accuracy for one in trials if one.kind == "linear")
    assert default.what == "default" and shares == [linear, trials[0].accuracy]


def test_a_head_of_the_chosen_setting_is_what_is_trained(xor):
    ws, found = xor
    trial = ws.sweeps.get(found.sweep).trials[0]
    if found.chosen == "single":
        kind = kind_tried({"kind": trial.kind, **trial.settings})
        again = ws.heads.train("again", ws.features(trial.features, "xor"), kind)
        assert again.metrics["accuracy"] == found.head.metrics["accuracy"]
    else:
        assert found.head.kind == "ensemble" and found.head.settings["sweep"] == found.sweep


def test_labels_that_mean_nothing_leave_the_default(xor, tmp_path):
    ws, _ = xor
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(200, 4)).astype(np.float32), rng.permutation(np.arange(200) % 2)
    np.savez(tmp_path / "noise.npz", x=x, y=y)
    found = ws.auto(tmp_path / "noise.npz", minutes=60, kinds="neighbours")
    assert found.chosen == "default" and found.head.kind == "linear"
    assert "may be chance" in found.why or "nothing" in found.why


def test_in_no_time_the_default_is_there_and_the_rest_is_left_out_aloud(rows):
    found = rows.auto("noisy", "flat@as_it_is", minutes=1e-4)
    assert found.chosen == "default" and len(found.tried) == 1
    assert found.head.metrics["accuracy"] > 0.8
    assert {one.what.split()[0] for one in found.dropped} >= {"ridge", "svm", "mlp"}
    (why,) = {one.why for one in found.dropped}
    assert why.startswith("no time was left for trials: ") and "s are kept back for the end" in why
    assert found.why == "nothing else was tried on all samples"


def test_after_an_interruption_the_best_so_far_is_trained(rows):
    def interrupted(now):
        if now.startswith("fitting ridge"):
            raise KeyboardInterrupt

    with pytest.warns(hs.notices.HeadstartNote, match="interrupted"):
        found = rows.auto("noisy", "flat@as_it_is", kinds="ridge", watch=interrupted)
    assert found.interrupted and rows.heads.get("noisy").record == found.head


def test_where_nothing_can_be_shown_to_be_better_nothing_more_is_tried_and_that_is_said(rows):
    found = rows.auto("rows", "flat@as_it_is", minutes=60)
    assert found.chosen == "default" and len(found.tried) == 1
    assert {one.what.split()[0] for one in found.dropped} >= {"ridge", "svm", "mlp"}
    (why,) = {one.why for one in found.dropped}
    assert "no head can be shown to be better" in why


def test_before_the_default_is_there_an_interruption_is_one(rows):
    def interrupted(_now):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rows.auto("rows", "flat@as_it_is", watch=interrupted)
    assert not rows.heads.list()


def test_a_backbone_that_takes_other_samples_is_left_out_with_the_reason(rows, tmp_path):
    network().save(tmp_path / "network.keras")
    rows.backbones.add("net", tmp_path / "network.keras", preprocess="unit")
    found = rows.auto("rows", ("net", "flat@as_it_is"), minutes=60, kinds="prototype")
    assert found.tried[0].features == "flat@as_it_is"
    (dropped,) = [one for one in found.dropped if one.what == "net"]
    assert dropped.why
    with pytest.raises(HeadError, match="no backbone here takes the samples of 'rows'"):
        rows.auto("rows", "net", minutes=1)


def test_a_sample_that_cannot_be_taken_is_what_is_said_where_the_backbone_fits(rows, tmp_path):
    x, y = np.eye(6, dtype=np.float32).repeat(5, 0), np.arange(30) % 3
    x[4, 2] = np.nan
    np.savez(tmp_path / "holes.npz", x=x, y=y)
    with pytest.raises(HeadstartError, match="sample '4'"):
        rows.auto(tmp_path / "holes.npz", "flat@as_it_is", minutes=60)
    with pytest.raises(LayerNotFound, match="nope"):
        rows.auto("rows", "flat@nope", minutes=60)


def test_without_classes_or_a_test_split_nothing_is_begun(rows, tmp_path):
    x, y = np.eye(6, dtype=np.float32).repeat(3, 0), np.arange(18) % 3
    np.savez(tmp_path / "all.npz", x=x, y=y, split=["train"] * 18)
    with pytest.raises(HeadError, match="the test split of 'all' is empty"):
        rows.auto(tmp_path / "all.npz", "flat@as_it_is")
    np.savez(tmp_path / "numbers.npz", x=x, y=np.linspace(0, 1, 18))
    with pytest.raises(HeadError, match="look like numbers"):
        rows.auto(tmp_path / "numbers.npz", "flat@as_it_is", task="classification")
    with pytest.raises(HeadError, match="kind is 'svm', and the task regression"):
        rows.auto(tmp_path / "numbers.npz", "flat@as_it_is", kinds="svm")
    with pytest.raises(HeadError, match="minutes is 0"):
        rows.auto("rows", minutes=0)
    with pytest.raises(HeadError, match=r"^minutes is nan. Give a number above 0"):
        rows.auto("rows", minutes=float("nan"))
    np.save(tmp_path / "bare.npy", x)
    with pytest.raises(HeadError, match=r"dataset 'bare' has no labels.* --labels FILE"):
        rows.auto(tmp_path / "bare.npy", "flat@as_it_is")
    with pytest.raises(HeadError, match="kind is 'forest'"):
        rows.auto("rows", kinds="forest")
    with pytest.raises(HeadError, match="cannot save as"):
        rows.auto("rows", output="model.pickle")


@pytest.mark.parametrize(
    "labels",
    [
        [f"{one}.0" for one in range(60)] * 2,
        [f"{one}.5" for one in range(60)] * 2,
    ],
)
def test_numbers_as_classes_are_refused_before_anything_is_computed(
    rows, tmp_path, monkeypatch, labels
):
    """As those of scikit-learn's diabetes, 25.0 to 346.0, two samples each."""
    monkeypatch.setattr(Pool, "opened", lambda *_: pytest.fail("opened"))
    table = ["a,b,label", *(f"{row},{row % 7},{label}" for row, label in enumerate(labels))]
    (tmp_path / "sick.csv").write_text("\n".join(table))
    with pytest.raises(HeadError, match=r"to try heads on.*--task regression") as refused:
        rows.auto(tmp_path / "sick.csv", task="classification")
    assert "Take fewer" not in str(refused.value)


@pytest.mark.parametrize("groups", [None, ["p", "q"]])
def test_a_class_of_few_samples_is_named_before_anything_is_computed(
    rows, tmp_path, monkeypatch, groups
):
    monkeypatch.setattr(Pool, "opened", lambda *_: pytest.fail("opened"))
    few = 2 if groups is None else 20
    table = ["a,b,label,patient"] if groups else ["a,b,label"]
    for row in range(60 + few):
        label, own = ("ab"[row % 2], f"{row}") if row < 60 else ("rare", "pq"[row % 2])
        table.append(f"{row},{row % 7},{label}" + (f",{own}" if groups else ""))
    (tmp_path / "rare.csv").write_text("\n".join(table))
    rows.datasets.add("rare", tmp_path / "rare.csv", group_column="patient" if groups else None)
    with pytest.raises(HeadError, match=r"class 'rare' has \d (sample|group)s? to try") as said:
        rows.auto("rare")
    assert "Take fewer folds" in str(said.value)


def test_codes_with_a_point_are_classes_and_so_is_one_number_among_names():
    codes = [f"{one / 10:.1f}" for one in range(2500, 2540)]
    for labels in (codes * 18, [*[f"product {one}" for one in range(99)], "7.5"] * 15):
        samples = SampleColumns.of(
            [
                Sample(str(row), f"{row:064x}", label, "test" if row < 200 else "train", row)
                for row, label in enumerate(labels)
            ]
        )
        assert task_of_labels(samples, 5) == hs.Classification()
        check_samples(SimpleNamespace(name="codes"), samples, Wanted())


def test_what_was_registered_for_nothing_is_so_no_longer(rows, tmp_path):
    x, y = np.eye(6, dtype=np.float32).repeat(3, 0), np.arange(18) % 3
    before = [one.name for one in rows.datasets.list()]
    np.savez(tmp_path / "late.npz", x=x, y=y, split=["train"] * 18)
    with pytest.raises(HeadError, match="the test split of 'late' is empty"):
        rows.auto(tmp_path / "late.npz", "flat@as_it_is")
    with pytest.raises(HeadError, match="minutes is 0"):
        rows.auto(tmp_path / "late.npz", "flat@as_it_is", minutes=0)
    assert [one.name for one in rows.datasets.list()] == before
    kept = rows.datasets.add("kept", tmp_path / "late.npz")
    with pytest.raises(HeadError, match="the test split of 'kept' is empty"):
        rows.auto(kept, "flat@as_it_is")
    assert "kept" in [one.name for one in rows.datasets.list()]


def test_a_model_that_is_there_is_not_written_over_unasked(rows, tmp_path):
    place = tmp_path / "there.keras"
    place.write_text("mine")
    with pytest.raises(AlreadyExists, match=r"there\.keras is there\. Give another name"):
        rows.auto("rows", "flat@as_it_is", minutes=60, output=place)
    assert place.read_text() == "mine" and not rows.heads.list()


def test_the_command_says_what_was_tried_and_writes_a_page(rows, run, tmp_path):
    page = tmp_path / "found.html"
    ran = run("auto", "rows", "flat@as_it_is", "--kinds", "neighbours", "--page", page)
    said = " ".join(ran.out.split())
    assert ran.code == 0 and "took no part in the choice" in said, ran
    assert "the default" in said or "beyond chance" in said
    told = re.search(
        r"([\d.]+) s of 300 s were taken: ([\d.]+) s by features .* ([\d.]+) s by "
        r"the fits of [\d]+ heads on folds, ([\d.]+) s by reading",
        said,
    )
    assert told is not None, said
    whole, *parts = map(float, told.groups())
    assert sum(parts) == pytest.approx(whole, abs=0.21)  # the clocks agree, but for their rounding
    html = page.read_text(encoding="utf-8")
    assert told[0] in " ".join(html.split())
    for part in ("What was tried", "flat@as_it_is", "neighbours", "What it cost", "rows:1"):
        assert part in html
    again = run("auto", "rows", "flat@as_it_is", "--minutes", "0.0001", "--json")
    told = json.loads(again.out)
    assert told["head"]["version"] == 2 and told["looks"] == 2 and told["dropped"]
    assert run("auto", "rows", "--page", tmp_path / "page.txt").code == 1


def test_the_page_of_the_documentation_is_run(ready, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tmp_path / "pictures", tmp_path / "photos")
    ready.extract("net", ready.datasets.add("photos", tmp_path / "photos"))
    for line in blocks("docs/auto.md", "console"):
        words = shlex.split(line.strip().removeprefix("$ headstart ").replace("--minutes 5", HASTE))
        ran = run(*words)
        assert ran.code == 0, ran.err
    assert {"flowers.keras", "flowers.html"} <= {file.name for file in tmp_path.iterdir()}
    for program in blocks("docs/auto.md", "python"):
        given = {"ws": ready}
        exec(program.replace("minutes=5", "minutes=0.01"), given)
        assert given["found"].head.version == 2


HASTE = "--minutes 0.01"
