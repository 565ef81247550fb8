"""A fine-tuned head is never worse than where it began, and is a head like any other."""

import csv
import json
import logging
import shutil

import numpy as np
import pytest

import headstart as hs
from conftest import draw, draw_classes, keras
from headstart.backbone_model import load_graph, pipeline_of
from headstart.errors import HeadError, ParityError
from headstart.heads.kind import Part
from headstart.heads.kinds.losses import loss_of
from headstart.heads.models import export
from headstart.heads.models.finetune import start_of
from headstart.heads.models.tuned_top import TunedTop
from headstart.jobs.heads.verdict import favour_text

STEPS = hs.FineTuning(learning_rate=1e-2, epochs=3, batch_size=8)
RUIN = hs.FineTuning(learning_rate=100.0, epochs=3, batch_size=8)


def trained(ws, kind=None, name="h"):
    ws.extract("net@features,relu,conv", "pics")
    return ws.heads.train(name, ws.features("net@features", "pics"), kind or hs.Linear((0.003,)))


@pytest.fixture(scope="module")
def with_tuned(tmp_path_factory, with_net):
    """A workspace with a tuned head; only to be copied."""
    place = tmp_path_factory.mktemp("with_tuned")
    shutil.copytree(with_net[1], place / "zoo")
    ws = hs.open(place / "zoo")
    ws.datasets.add("pics", draw_classes(place / "pictures"))
    made = trained(ws).finetune("relu", None, STEPS)
    assert made.is_better
    ws.database.close()
    return place / "zoo"


@pytest.fixture
def tuned(with_tuned, tmp_path, temporary):
    shutil.copytree(with_tuned, tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


# Never worse than the start


def test_steps_that_ruin_a_head_give_back_its_start_and_register_nothing(ready, run, tmp_path):
    head = trained(ready)
    made = head.finetune("relu", tmp_path / "f.keras", RUIN)
    assert min(made.history["val_loss"]) > made.start["validation"]["log_loss"]
    assert made.best_epoch == 0 and made.head is None and not made.is_better
    for name, scores in (("validation", made.validation), ("test", made.metrics)):
        assert scores["log_loss"] == pytest.approx(made.start[name]["log_loss"], abs=1e-6)
    assert [one.record.version for one in ready.heads.list()] == [1]
    assert "no epoch was better than the start" in (tmp_path / "f.md").read_text(encoding="utf-8")
    args = ("head", "finetune", "h", "--from", "relu", "--learning-rate", "100", "--epochs", "2")
    shown = run(*args).out
    assert "No epoch was better than the start" in shown and "Nothing was registered" in shown
    said = run(*args, "--json").json
    assert said["head"] is None and not said["is_better"] and said["file"] is None
    assert said["start"]["test"]["n"] == said["metrics"]["n_test"]
    for scores in (said["start"]["validation"], said["validation"], said["metrics"]):
        assert {"accuracy", "macro_f1", "auroc", "log_loss", "brier"} < set(scores["intervals"])


def test_steps_to_where_nothing_is_a_number_give_back_the_start(ready):
    made = trained(ready).finetune("relu", None, hs.FineTuning(learning_rate=1e30, epochs=2))
    assert made.best_epoch == 0 and np.isfinite(made.metrics["log_loss"])


def test_the_start_has_not_seen_what_judges(ready):
    """The head that `head train` gives was fitted on the validation split as well."""
    head = trained(ready, hs.Linear((1.0,)))
    view = ready.features("net@features", "pics")
    targets = {name: head.task.read(view.split(name).labels, head.record.classes)
               for name in ("train", "validation")}  # fmt: skip
    parts = {name: Part(view.split(name).to_numpy(), y) for name, y in targets.items()}
    seen = head.stack.predict_proba(parts["validation"].features)
    (layer,) = hs.Linear((1.0,)).fit(parts["train"], parts["train"].rows(slice(0)), 3, 0).layers
    logits = parts["validation"].features @ layer.kernel + layer.bias
    alone = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    made = head.finetune("relu", None, hs.FineTuning(epochs=1))
    expected = loss_of("softmax", alone, targets["validation"])
    assert made.start["validation"]["log_loss"] == pytest.approx(expected, rel=1e-3)
    assert expected > loss_of("softmax", seen, targets["validation"])
    assert "fitted on the train split without what judges" in made.start_is


@pytest.mark.parametrize("kind", [hs.Ridge((1e3,)), hs.SVM((1e-3,)), hs.Prototype()])
def test_heads_of_other_kinds_have_not_seen_the_validation_split(kind):
    """So they may start as they are; those that are fitted on it as well must be fitted again."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 6)).astype(np.float32), np.arange(90) % 3
    train, others = Part(x[:60], y[:60]), [Part(x[60:75], y[60:75]), Part(x[75:], y[75:])]
    stacks = [kind.fit(train, one, 3, 0).layers for one in others]
    # the temperature apart, the scores are the same
    shapes = [layer.kernel / np.linalg.norm(layer.kernel) for (layer,) in stacks]
    np.testing.assert_allclose(*shapes, atol=1e-5)
    before = hs.Head  # any stack: it is given back as it is
    given = kind.kind, kind.describe(), hs.Classification()
    assert start_of(*given, before, None, None, 0) is before


def test_without_a_validation_split_a_part_of_the_train_split_judges(ws, model_file, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((80, 12, 12, 3)).astype(np.float32)
    y = np.arange(80) % 2
    x[..., 0] += 0.5 * y[:, None, None]
    split = np.array(["train"] * 60 + ["test"] * 20)
    np.savez(tmp_path / "d.npz", x=x, y=np.array(["a", "b"])[y], split=split)
    ws.backbones.add("net", model_file, preprocess="array")
    ws.datasets.add("pics", tmp_path / "d.npz")
    for kind in (None, hs.MLP(epochs=3)):
        made = trained(ws, kind).finetune("relu", None, STEPS)
        assert "held out of the train split" in made.judged_on
        assert (made.metrics["n_train"], made.metrics["n_validation"]) == (48, 12)
        assert made.validation["n"] == 12 and "without what judges" in made.start_is
    few = [*range(0, 40, 2), 1, *range(60, 80)]  # one of the second class is left to train on
    np.savez(tmp_path / "d.npz", x=x[few], y=np.array(["a", "b"])[y[few]], split=split[few])
    ws.datasets.refresh("pics")
    with pytest.raises(HeadError, match="no validation split, and none can be held out"):
        trained(ws).finetune("relu", None, STEPS)


def test_a_balanced_head_is_tuned_balanced(ready):
    ready.extract("net@features,relu", "pics")
    view = ready.features("net@features", "pics")
    task = hs.Classification(balanced=True)
    made = ready.heads.train("h", view, hs.Linear((0.003,)), task=task).finetune(
        "relu", None, STEPS
    )
    assert made.head is None or made.head.task == task


def test_a_dataset_that_changed_is_not_tuned_on(ready, pictures):
    """Its splits may be others, and the head have seen what would judge."""
    head = trained(ready)
    next(pictures.glob("red/*.png")).unlink()
    ready.datasets.refresh("pics")
    with pytest.raises(HeadError, match="has changed since head 'h:1' was trained"):
        head.finetune("relu", None, STEPS)


# A head like any other


def test_it_is_the_next_version_with_lineage_and_says_what_the_model_says(tuned, run):
    head = tuned.heads.get("h")
    assert (head.record.version, head.record.kind, head.record.cut) == (2, "finetuned", "relu")
    settings = head.record.settings
    assert (settings["parent"], settings["parent_kind"]) == ("h:1", "linear")
    assert settings["from"] == "relu" and settings["head_cut"] == "features"
    judged = head.held_out()
    right = (judged.probabilities.argmax(axis=1) == judged.targets).mean()
    assert right == pytest.approx(head.metrics["accuracy"])
    listed = run("head", "list", "--json").json
    assert [(row["version"], row["kind"]) for row in listed] == [(1, "linear"), (2, "finetuned")]
    shown = " ".join(run("head", "show", "h").out.split())
    assert "fine-tuned from relu up to features, out of h:1 (linear)" in shown
    assert tuned.heads.get("h:1").record.kind == "linear"


def test_it_takes_another_name_and_an_alias(tuned, run):
    made = run("head", "finetune", "h:1", "--from", "relu", "--as", "deeper", "--learning-rate",
               "0.01", "--epochs", "3", "--json").json  # fmt: skip
    assert made["head"] == "deeper:1"
    assert run("head", "alias", "production", "deeper").code == 0
    assert tuned.heads.get("production").record.name == "deeper"


@pytest.mark.parametrize(
    "name",
    [
        "saved",
        "h.tflite",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("h.keras", "h.onnx")),
    ],
)
def test_it_attaches_in_every_format(tuned, tmp_path, name):
    head = tuned.heads.get("h")
    model, difference = head.attach_checked(tmp_path / name)
    assert difference < 1e-4
    facts = json.loads((tmp_path / name).with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["head"] == "h:2"
    plain = tuned.heads.get("h:1").attach()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), np.uint8)
    apart = [one.predict_on_batch(pixels) for one in (model, plain)]
    assert np.abs(apart[0] - apart[1]).max() > 1e-3


def test_it_predicts_from_the_cache_and_through_the_backbone(tuned, pictures, run, tmp_path):
    head = tuned.heads.get("h")
    cached = head.predict([pictures])
    new = draw(tmp_path / "new.png", 4711)
    (one,) = head.predict([new])
    pipeline = pipeline_of(tuned.context, tuned.backbones.get("net"))
    raw = pipeline.prepare(new.read_bytes())[None]
    expected = head.attach(pixels=False).predict_on_batch(raw)[0]
    np.testing.assert_allclose(one.probabilities, expected, atol=1e-4)
    view = head.features()
    (row,) = [n for n, sample in enumerate(view.samples) if sample.id == "red/03.png"]
    (same,) = [one for one in cached if one.name.endswith("red/03.png")]
    expected = head.judge.predict_proba(view[[row]])[0]
    np.testing.assert_allclose(same.probabilities, expected, atol=1e-5)
    run("head", "predict", "h", pictures, "-o", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 36


def test_it_is_reported_drawn_and_reproduced(tuned, run, fails, tmp_path):
    assert run("head", "report", "h", tmp_path / "h.html").code == 0
    page = (tmp_path / "h.html").read_text(encoding="utf-8")
    assert "out of h:1 (linear)" in page and "no learning curve of its own" in page
    assert run("head", "plot", "h", tmp_path / "h.png").code == 0
    line = fails("head", "plot", "h", tmp_path / "curve.png", "--show", "curve")
    assert "fine-tuned, and has no learning curve of its own" in line and "h:1" in line
    assert run("features", "plot", "net@relu", "pics", tmp_path / "m.png", "--head", "h").code == 0
    line = fails("features", "plot", "net@features", "pics", tmp_path / "n.png", "--head", "h")
    assert "Give those of its cut 'relu'" in line
    assert run("head", "reproduce", "h", "--json").json["agrees"]


def test_it_is_tuned_further_down(tuned):
    head = tuned.heads.get("h")
    made = head.finetune("conv", None, hs.FineTuning(learning_rate=1e-3, epochs=2), "deeper")
    now = head.held_out()
    before = loss_of("softmax", now.probabilities, now.targets)
    assert made.start["test"]["log_loss"] == pytest.approx(before, abs=1e-4)
    if made.head is not None:
        assert made.head.record.settings["parent"] == "h:2"
        assert made.head.record.settings["parent_kind"] == "linear"


def test_its_artifact_is_weights_alone_and_is_checked(tuned):
    head = tuned.heads.get("h")
    top = head.tuned_top
    file = tuned.config.root / "top.npz"
    file.write_bytes(top.to_bytes())
    again = TunedTop.read(file)
    for one, other in zip(top.arrays(), again.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (again.start, again.cut, again.stack.classes) == ("relu", "features", top.stack.classes)
    odd = TunedTop(top.start, top.cut, (("features", top.layers[0][1][:1]),), top.stack)
    graph = load_graph(tuned.context, tuned.backbones.get("net"))
    with pytest.raises(HeadError, match="are not those that were tuned"):
        odd.build(graph, tuned.backbones.get("net").cuts)


def test_what_keras_saw_is_what_was_kept(tuned):
    """The weights of the best epoch, not of the last one."""
    head = tuned.heads.get("h")
    history, best = head.record.settings["history"], head.record.settings["best_epoch"]
    least = min(history["val_loss"])
    assert history["val_loss"].index(least) + 1 == best
    assert head.record.settings["validation"]["log_loss"] == pytest.approx(least, abs=1e-4)
    assert keras.__version__  # the epochs are Keras' own


# What is said of it


def test_what_was_chosen_on_the_samples_that_judge_is_said_and_whom_that_favours(ready):
    made = trained(ready, hs.Ridge((1e3, 1e4))).finetune("relu", None, STEPS)
    assert "no weights were trained on them, but which epoch to keep was chosen on them" in (
        made.judged_on
    )
    assert "favours the result" in made.judged_on
    told = "its setting and temperature were chosen on what judges, and that favours the start"
    assert told in made.start_is
    for kind, words in (
        (hs.Linear((0.003,)), ""),
        (hs.Linear(), "its setting was chosen on what judges"),
        (hs.MLP(epochs=3), "its epoch and temperature were chosen on what judges"),
        (hs.Prototype(), "its temperature was chosen on what judges"),
    ):
        told = favour_text(trained(ready, kind, kind.kind).record)
        assert words in told and bool(words) == bool(told)
    assert "its epoch was chosen on what judges" in favour_text(made.head.record)


def test_samples_held_out_of_the_train_split_are_not_called_validation(ws, model_file, tmp_path):
    from headstart.cli.models import _rows

    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = rng.random((80, 12, 12, 3)).astype(np.float32) + 0.5 * y[:, None, None, None]
    split = np.array(["train"] * 60 + ["test"] * 20)
    np.savez(tmp_path / "d.npz", x=x.astype(np.float32), y=np.array(["a", "b"])[y], split=split)
    ws.backbones.add("net", model_file, preprocess="array")
    ws.datasets.add("pics", tmp_path / "d.npz")
    head = trained(ws)
    made = head.finetune("relu", None, STEPS)
    assert made.is_held_out and made.is_better
    assert next(iter(_rows(head, made)))[0] == "start, held out"
    assert made.head.record.settings["judged_on"] == {"train": 12, "validation": 0}
    assert "validation" not in " ".join(made.verdict)


def test_a_training_that_stopped_early_says_so_and_at_which_epoch(ready, run):
    trained(ready)
    ruin = ("head", "finetune", "h", "--from", "relu", "--learning-rate", "100")
    lines = run(*ruin, "--epochs", "9").out.splitlines()
    assert max(map(len, lines)) <= 80
    told = "Training stopped early, after epoch 3 of at most 9: the last 3 were no better than"
    assert f"{told} the start." in " ".join(line.strip() for line in lines)
    assert run(*ruin, "--epochs", "9", "--json").json["stopped_early"] is True
    assert "stopped early" not in run(*ruin, "--epochs", "2").out


def test_no_function_is_traced_again_and_again(ready, run):
    """TensorFlow warns of it by its own logger, which no capture of standard error sees."""
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logger = logging.getLogger("tensorflow")
    logger.addHandler(handler)
    try:
        trained(ready)
        for _ in range(2):
            assert run("head", "finetune", "h:1", "--from", "relu", "--epochs", "1").code == 0
    finally:
        logger.removeHandler(handler)
    assert not [line for line in told if "retracing" in line]


def test_a_file_that_is_not_right_leaves_no_head_behind(ready, tmp_path, monkeypatch):
    """The file is written and read again before the head is registered."""
    head, heads = trained(ready), []

    def wrong(path, inputs):
        heads.append(len(ready.heads.list()))
        return np.full((len(inputs), 3), 1 / 3, np.float32)

    monkeypatch.setitem(export.RUNNERS, "keras", wrong)
    with pytest.raises(ParityError):
        head.finetune("relu", tmp_path / "f.keras", STEPS)
    assert heads == [1] and [one.record.version for one in ready.heads.list()] == [1]
    assert not list(tmp_path.glob("*f.*"))
    monkeypatch.undo()
    made = head.finetune("relu", tmp_path / "f.keras", STEPS)
    assert made.head.record.version == 2 and (tmp_path / "f.keras").is_file()
