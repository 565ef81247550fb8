"""No file and no document calls a number a probability that is none."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from pyarrow import parquet

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.regression import Regression
from headstart.jobs.heads.predicted import Predicted, Prediction
from headstart.jobs.heads.prediction_files import write


class Made(list):
    """Predictions that are there already, with what is known before the first."""

    def __init__(self, task, outputs, classes=(), splits=None):
        self.classes, self.outputs, self.says = classes, outputs.shape[1], task.says
        self.has_splits, self.has_sets = splits is not None, False
        self.has_novelty = False
        splits = splits or [None] * len(outputs)
        self.done = self.total = len(outputs)
        said = [task.decide(row, classes) for row in outputs]
        super().__init__(
            Prediction(f"s{n}", *one, row, classes, split)
            for n, (one, row, split) in enumerate(zip(said, outputs, splits, strict=True))
        )


LABELS = np.array([[0.9, 0.8, 0.2], [0.1, 0.3, 0.2]], np.float32)
FORMS = {
    "class": Made(hs.Classification(), np.array([[0.2, 0.8]], np.float32), ("a", "b")),
    "labels": Made(hs.MultiLabel(), LABELS, ("cat", "dog", "sea")),
    "number": Made(Regression(), np.array([[1.5], [-2.25]], np.float32)),
    "numbers": Made(Regression(), np.array([[1.5, 2], [3, 4]], np.float32)),
}
COLUMNS = {
    "class": ["name", "label", "probability", "p_a", "p_b"],
    "labels": ["name", "label", "p_cat", "p_dog", "p_sea"],
    "number": ["name", "value"],
    "numbers": ["name", "value_1", "value_2"],
}


@pytest.mark.parametrize("form", list(FORMS))
def test_the_columns_are_what_the_numbers_are(form, tmp_path):
    made = FORMS[form]
    for suffix in ("csv", "jsonl", "parquet"):
        assert write(made, tmp_path / f"p.{suffix}") == len(made)
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS[form]
    assert Predicted(made, "", (), made).to_arrow().column_names == COLUMNS[form]
    line = json.loads((tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()[0])
    table = parquet.read_table(tmp_path / "p.parquet")
    extra = {
        "class": {"label", "probability", "probabilities"},
        "labels": {"label", "probabilities"},
    }
    kept = extra.get(form, {"value"} if form == "number" else {"values"})
    assert set(line) == set(table.column_names) == {"name", *kept}
    if form == "number":
        assert [float(row["value"]) for row in rows] == [1.5, -2.25] == table["value"].to_pylist()
    if form == "numbers":
        assert line["values"] == table["values"][0].as_py() == [1.5, 2.0]
    if form == "labels":
        assert line["label"] == "cat|dog" and line["probabilities"]["dog"] == pytest.approx(0.8)


@pytest.mark.parametrize("form", list(FORMS))
def test_of_a_dataset_every_form_says_the_split(form, tmp_path):
    """What is said of a train sample was learned; a file elsewhere stands in none."""
    plain, splits = FORMS[form], ["train", None]
    task = {"class": hs.Classification(), "labels": hs.MultiLabel()}.get(form, Regression())
    outputs = np.stack([plain[0].outputs, plain[-1].outputs])
    made = Made(task, outputs, plain.classes, splits)
    for suffix in ("csv", "jsonl", "parquet"):
        write(made, tmp_path / f"p.{suffix}")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:2] == ["name", "split"] and [row["split"] for row in rows] == [
        "train",
        "",
    ]
    lines = (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line).get("split") for line in lines] == splits
    for table in (
        parquet.read_table(tmp_path / "p.parquet"),
        Predicted(made, "", (), made).to_arrow(),
    ):
        assert table["split"].to_pylist() == splits


def test_numbers_are_no_probabilities():
    made = FORMS["numbers"]
    predicted = Predicted(made, "", (), made)
    np.testing.assert_array_equal(predicted.values, [[1.5, 2], [3, 4]])
    for one in (predicted, made[0]):
        with pytest.raises(HeadError, match="gives numbers, and no probabilities"):
            _ = one.probabilities
    assert Predicted([], "", (), made).values.shape == (0, 2)
    few = FORMS["class"]
    assert Predicted([], "", (), few).probabilities.shape == (0, 2)


def test_labels_that_depend_on_each_other_have_no_product():
    """Two that always come together: .5 each said .25 of both, where .5 is true."""
    said, probability = hs.MultiLabel().decide(np.array([0.5, 0.5]), ["a", "b"])
    assert said == "a|b" and np.isnan(probability)


def test_the_screen_says_the_probability_of_each_label():
    from headstart.cli.heads.predict import SHOWN

    columns, cells = SHOWN["labels"]
    assert columns == ("labels", "probability of each")
    assert [cells(one) for one in FORMS["labels"]] == [
        ("cat|dog", "cat 0.900, dog 0.800"),
        (None, "none; at most dog 0.300"),
    ]
    columns, cells = SHOWN["numbers"]
    assert columns == (">number",) and cells(SimpleNamespace(label=1.5)) == ("1.5",)
