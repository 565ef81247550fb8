"""Data that no head can be trained or tried on: one clear line each, nothing lost."""

import numpy as np
import pytest

import headstart as hs
from headstart.errors import DatasetError, FeaturesMissing, HeadError
from headstart.heads.kind import Part

TRYING = hs.CrossValidation(folds=3)


def rows(path, labels, splits=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(labels), 12, 12, 3)).astype(np.float32)
    more = {} if splits is None else {"split": splits}
    np.savez(path, x=x, y=np.array(labels), **more)
    return path


@pytest.fixture
def given(ws, model_file, tmp_path):
    """A workspace with a backbone, and a function that adds and extracts labelled arrays."""
    ws.backbones.add("net", model_file, preprocess="array")

    def add(labels, splits=None):
        ws.datasets.add("rows", rows(tmp_path / "rows.npz", labels, splits))
        return ws.extract("net", "rows")

    return ws, add


def all_ways(ws):
    return (
        lambda: ws.heads.train("h", ws.features("net", "rows")),
        lambda: ws.rank("rows", ["net"], trying=TRYING),
        lambda: ws.sweep("rows", ["net"], [hs.Prototype()], trying=TRYING, jobs=1),
    )


def test_one_class_only(given):
    ws, add = given
    add(["a"] * 30)
    for way in all_ways(ws):
        with pytest.raises(HeadError, match=r"the dataset has 1 class: 'a'\. A head needs two"):
            way()
    assert not ws.heads.list() and len(ws.features("net", "rows")) == 30


def test_a_class_that_is_missing_from_the_train_split(given):
    ws, add = given
    add(["a", "b"] * 10 + ["c"] * 5, ["train"] * 20 + ["test"] * 5)
    with pytest.raises(HeadError, match="class 'c' has no sample in the train split"):
        all_ways(ws)[0]()


def test_more_classes_than_samples_can_be_split_into(given):
    ws, add = given
    add([f"c{number}" for number in range(30)])
    ways = all_ways(ws)
    with pytest.raises(HeadError, match="has no sample in the train split"):
        ways[0]()
    for way in ways[1:]:
        with pytest.raises(HeadError, match="has 1 sample to try heads on"):
            way()


def test_labels_that_are_nan_are_refused_with_their_row(ws, tmp_path):
    with pytest.raises(DatasetError, match=r"rows.npz, row 1: the label nan is neither"):
        ws.datasets.add("rows", rows(tmp_path / "rows.npz", [0.0, np.nan, 1.0]))


def test_features_of_another_dataset_are_not_taken(given, pictures):
    ws, add = given
    add(["a", "b"] * 15)
    ws.datasets.add("pics", pictures)
    for way in (
        lambda: ws.rank("pics", ["net"]),
        lambda: ws.sweep("pics", ["net"], [hs.Prototype()]),
    ):
        with pytest.raises(FeaturesMissing):
            way()


def test_a_head_whose_backbone_was_removed_says_so(given, tmp_path):
    ws, add = given
    head = ws.heads.train("h", add(["a", "b"] * 15))
    ws.backbones.remove("net", force=True)
    head = ws.heads.get("h")
    for way in (
        lambda: head.attach(tmp_path / "h.onnx"),
        lambda: head.finetune("relu", tmp_path / "h.keras"),
    ):
        with pytest.raises(HeadError, match=r"the backbone 'net:1' of head 'h' was removed"):
            way()
    assert not list(tmp_path.glob("h.*"))
    assert head.held_out().probabilities.shape[1] == 2  # what is cached can still be judged


def test_a_dataset_that_is_all_test_cannot_be_ranked(given):
    ws, add = given
    add(["a", "b"] * 10, ["test"] * 20)
    with pytest.raises(HeadError, match=r"the train split is empty|the dataset has 0 class"):
        all_ways(ws)[0]()
    for way in all_ways(ws)[1:]:
        with pytest.raises(HeadError, match="no sample beyond the test split"):
            way()


@pytest.mark.parametrize("command", [("head", "train", "h", "net", "rows"), ("rank", "rows")])
def test_labels_that_look_like_numbers_are_said_to(given, fails, command):
    _, add = given
    add(np.linspace(-0.0739, 4, 40))
    said = fails(*command)
    assert "the labels look like numbers, such as '" in said
    assert "--task regression" in said


def test_a_class_without_a_train_sample_that_looks_like_a_number_hints_at_a_regression():
    part = Part(np.zeros((3, 2), np.float32), np.array([0, 1, 1]))
    with pytest.raises(HeadError, match=r"class '2\.5' has no .*--task regression"):
        hs.Classification().check(part, ["0.5", "1.5", "2.5"])
    with pytest.raises(HeadError, match=r"class 'c' has no .*Add samples"):
        hs.Classification().check(part, ["a", "b", "c"])


@pytest.mark.parametrize("kind", ["linear", "mlp", "neighbours", "prototype", "ridge", "svm"])
def test_features_that_are_no_numbers_are_refused_whatever_the_kind(kind):
    """Neighbours took them, and said something of every sample."""
    from headstart.heads.evaluation.cross_validation import cross
    from headstart.heads.evaluation.folds import split_into_folds
    from headstart.heads.kind import Part
    from headstart.heads.kinds.every_kind import one_kind

    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    y = np.arange(40) % 2
    folds = split_into_folds(y, 2, classes=["a", "b"])
    for bad in (np.nan, np.inf, -np.inf):
        x[17, 1] = bad
        with pytest.raises(HeadError, match="row 17 of the features holds NaN or infinity"):
            cross([one_kind(kind)], Part(x, y), folds, jobs=1)


def test_the_sample_whose_feature_is_no_number_is_named():
    from headstart.heads.rows import check_rows

    x = np.zeros((5, 2), np.float32)
    check_rows(x, list("abcde"))
    x[3, 0] = np.nan
    with pytest.raises(HeadError, match=r"row 3 of the features \(sample 'd'\) holds NaN"):
        check_rows(x, list("abcde"))
