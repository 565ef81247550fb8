"""Heads from elsewhere that cannot work or be shown are refused in one line."""

import io
import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
from head_files import with_facts

import headstart as hs
from headstart.errors import HeadError, HeadstartError
from headstart.fields import WrongField
from headstart.heads.combined.words import compared_text, members_text
from headstart.heads.dense_stack import Layer
from headstart.heads.evaluation.per_class import class_scores
from headstart.heads.evaluation.provenance import (
    chosen_text,
    fitted_text,
    lineage_text,
    trust_text,
)
from headstart.heads.kind import Fitted
from headstart.heads.kinds.words import fitted_words
from headstart.heads.models.outputs import are_differences, are_opposite
from headstart.jobs.heads.care.described import lines_of
from headstart.jobs.heads.care.head_bundle import WEIGHTS, HeadBundle
from headstart.jobs.heads.care.head_record import OF_ROWS, facts_of
from headstart.jobs.heads.care.record_fields import check_fields
from headstart.jobs.heads.care.reindex_heads import heads_back
from headstart.notices import HeadstartWarning
from headstart.registry.entities import Head
from headstart.trained_head import TrainedHead

ASSETS = Path(__file__).parents[1] / "assets" / "workspaces"
FLAT = "flat@as_it_is"
KINDS = {
    "linear": hs.Linear(strengths=1.0),
    "mlp": hs.MLP(epochs=2),
    "neighbours": hs.Neighbours(3),
    "bagged": hs.Bagged(hs.Prototype(), bags=2),
}
TUNED = {
    **{"from": "a", "head_cut": "b", "parent": "h:1", "parent_kind": "linear", "best_epoch": 1},
    **{"judged_on": {"train": 0, "validation": 3}, "history": {"loss": [1.0]}, "seconds": 1.0},
}
MEMBERS = {
    "members": [
        {"kind": "linear", "settings": {"strengths": [1.0]}, "features": "x", "weight": 1.0}
    ],
    "beside": {
        **{"difference": 0.1, "interval": [0.0, 0.2], "kind": "linear", "features": "x"},
        "samples": 9,
    },
}
NAMED = {
    **{"prompt": "a {}", "text_backbone": "texts:1@mean", "logit_scale": None, "scale": 50.0},
    "judged_on": {"train": 3, "validation": 0},
}
OF_A_PACKAGE = {
    **{"scale": "standard", "epochs": None, "strength": "l2", "path": "shrunk", "steps": ["a"]},
    **{"chosen": {"a": 1}, "temperature": ["auto", 1.0], "history": [1, 2], "held": "x"},
    **{"members": 3, "beside": "x", "out_of_bag": 1, "from": 1, "parent": "x", "logit_scale": None},
    **{"judged_on": {"rows": "all"}, "not_chosen": 7, "at_end": {"a": 1}, "prompt": [1]},
}
CARRIED = {**NAMED, "alpha": 1.0, "beta": 5.5, "carried": 3, "bytes": 300}
MORE = {
    **{"finetuned": TUNED, "ensemble": MEMBERS, "of_a_package": OF_A_PACKAGE},
    **{"zeroshot": NAMED, "tipadapter": CARRIED},
}


@pytest.fixture(scope="module")
def ws(tmp_path_factory, with_rows):
    place = tmp_path_factory.mktemp("imported") / "zoo"
    shutil.copytree(with_rows, place)
    ws = hs.open(place)
    for name, kind in KINDS.items():
        ws.heads.train(name, ws.features(FLAT, "rows"), kind)
    for name in KINDS:
        ws.heads.get(name).export(place / f"{name}.zip")
    return ws


def changed(ws, of, weights=None, **facts):
    """The file of an exported head with other weights, or fields of its record, as they would be
    had it been written so: beside the weights, too."""
    bundle = HeadBundle.read(ws.config.root / f"{of}.zip")
    content = bundle.weights
    if weights is not None:
        with np.load(io.BytesIO(content)) as found:
            arrays = {one: found[one] for one in found.files if one != "record.json"}
        head = json.loads(str(arrays.pop("head"))) | weights
        content = io.BytesIO()
        np.savez(content, head=np.array(json.dumps(head)), **arrays)
        content = content.getvalue()
    if weights is None:
        content = with_facts(content, facts)
    made = replace(bundle, weights=content, record={**bundle.record, **facts})
    file = ws.config.root / "changed.zip"
    made.write(file)
    return file


@pytest.mark.parametrize("name", KINDS)
def test_what_was_exported_is_imported(ws, name):
    back = ws.heads.import_(ws.config.root / f"{name}.zip", f"{name}-back")
    assert back.record.metrics == json.loads(json.dumps(ws.heads.get(name).to_json()["metrics"]))
    ws.heads.remove(f"{name}-back")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"activations": ["sigmoid"]}, "activation sigmoid, whose outputs are not what class"),
        ({"activations": ["linear"]}, "activation linear"),
        ({"activations": ["relu"]}, "activation relu"),
        ({"activations": ["top_x"]}, "cannot be read: its layer has the activation 'top_x'"),
        ({"classes": ["a", "a", "b"]}, "cannot be read: the class 'a' is there twice"),
        ({"classes": ["a", "c", "b"]}, "say the classes"),
    ],
)
def test_weights_that_do_not_say_what_the_task_does_are_refused(ws, run, weights, said):
    file = changed(ws, "linear", weights)
    ran = run("head", "import", file, "--name", "bad", "--workspace", ws.config.root)
    assert said in ran.err and "unexpected" not in ran.err and ran.code == 1
    assert ran.err.count("\n") == 1 and "bad" not in set(ws.heads)


def test_a_head_of_numbers_has_no_classes_and_one_of_classes_has(ws):
    record = HeadBundle.read(ws.config.root / "linear.zip").record
    file = changed(ws, "linear", settings=record["settings"] | {"task": "regression"})
    with pytest.raises(HeadError, match="regression, and has 3 classes"):
        ws.heads.import_(file)


MLP_SETTINGS = {
    **{"hidden": [64], "dropout": 0.3, "learning_rate": 0.001, "batch_size": 64, "epochs": 60},
    **{"patience": 6, "label_smoothing": 0.0, "task": "classification", "views": 0},
}


@pytest.mark.parametrize(
    ("name", "facts", "said"),
    [
        ("linear", {"kind": "mlp", "settings": MLP_SETTINGS}, "has hidden layers of 64 units"),
        ("mlp", {"kind": "linear", "settings": {"strengths": [1.0]}}, "kind linear, which has one"),
        ("mlp", {"settings": MLP_SETTINGS}, r"its weights are 2 layers, of 128 \(relu\) and 3"),
        (
            "neighbours",
            {"kind": "prototype", "settings": {"views": 0}},
            "kind prototype, which has",
        ),
        (
            "linear",
            {"kind": "neighbours", "settings": {"neighbours": 3}},
            "layers of its own before",
        ),
        ("linear", {"kind": "attentive", "settings": {"queries": 4}}, "which has 4 queries"),
        (
            "linear",
            {"settings": {}},
            "settings are none of a head of kind linear: they say nothing of strengths",
        ),
        ("linear", {"settings": {"task": "classification"}}, "none of a head of kind linear"),
        ("linear", {"kind": "ensemble", "settings": {}}, "settings has no field 'members'"),
        ("linear", {"kind": "ensemble", "settings": {"members": []}}, "settings.members are none"),
        (
            "bagged",
            {"settings": {"of": "mlp", "each": {"hidden": [4]}, "bags": 2}},
            "kind mlp, which has hidden layers of 4 units",
        ),
    ],
)
def test_a_head_is_of_the_kind_and_the_settings_that_its_weights_are_of(ws, name, facts, said):
    with pytest.raises(HeadError, match=said):
        ws.heads.import_(changed(ws, name, **facts), "bad")
    assert "bad" not in set(ws.heads)


@pytest.mark.parametrize("name", ["../evil.txt", "more.npy", "head.json"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_with_a_member_besides_is_refused_by_its_name(ws, tmp_path, name):
    file = shutil.copy(ws.config.root / "linear.zip", tmp_path / "linear.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, "x")
    said = "it has head.json twice" if name == "head.json" else f"it has a member '{name}'"
    with pytest.raises(HeadError, match=said):
        ws.heads.import_(file, "bad")
    assert not (tmp_path.parent / "evil.txt").exists() and "bad" not in set(ws.heads)


def test_a_head_that_is_imported_twice_is_one_look_at_the_test_samples(ws):
    before = ws.heads.get("linear").looks
    copies = [ws.heads.import_(ws.config.root / "linear.zip", "copy") for _ in range(2)]
    assert all(one.looks == before for one in (ws.heads.get("linear"), *copies))
    for one in copies:
        ws.heads.remove(one)


def test_a_kind_that_no_package_here_has_is_told(ws):
    file = changed(ws, "linear", kind="os.system")
    with pytest.warns(HeadstartWarning, match=r"'os\.system', which no package here has"):
        made = ws.heads.import_(file, "odd")
    assert dict(lines_of(made))["settings"] == "strengths [1.0]"
    ws.heads.remove("odd")


def test_a_record_that_is_nested_too_deeply_is_refused(ws, tmp_path):
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        archive.writestr("head.json", "[" * 200_000)
        archive.writestr(WEIGHTS, b"")
    with pytest.raises(HeadError, match="nested too deeply"):
        ws.heads.import_(tmp_path / "deep.zip")


def test_only_differences_of_thresholds_in_order_are_probabilities_of_an_order(ws):
    x = ws.features(FLAT, "rows")
    made = ws.heads.train("order", x, task=hs.Ordinal(order=("a", "b", "c")))
    below, last = made.stack.layers
    assert are_differences([below, last])
    for other in (
        [replace(below, bias=below.bias[::-1].copy()), last],
        [replace(below, kernel=below.kernel * np.float32([1, 2])), last],
        [replace(below, activation="relu"), last],
        [below, replace(last, kernel=last.kernel * 2)],
        [below, replace(last, bias=last.bias * 2)],
        [last],
    ):
        assert not are_differences(other)


def test_only_sigmoids_of_opposite_columns_are_probabilities_of_two_classes():
    kernel, bias = np.float32([[-1, 1], [0, 0]]), np.float32([2, -2])
    assert are_opposite(Layer(kernel, bias, "sigmoid"))
    assert not are_opposite(Layer(kernel, np.float32([2, -1]), "sigmoid"))
    assert not are_opposite(Layer(np.float32([[1, 1], [0, 0]]), bias, "sigmoid"))
    assert not are_opposite(Layer(np.eye(3, dtype=np.float32), np.zeros(3, np.float32), "sigmoid"))


@dataclass(frozen=True)
class OfAPackage(hs.Prototype):
    """A kind that fits in float64, with settings and an activation of its own."""

    kind = "of_a_package"
    scale: str = "standard"
    activation: str = "softmax"

    def fit(self, train, validation, classes, seed):
        kernel = np.ones((train.features.shape[1], classes))
        return Fitted((Layer(kernel, np.zeros(classes), self.activation),), {"history": [1]})

    def describe(self):
        return {"scale": self.scale, "activation": self.activation}


@pytest.mark.filterwarnings("ignore:.*which no package here has")
def test_a_head_of_a_package_that_is_trained_comes_back(ws):
    view = ws.features(FLAT, "rows")
    made = ws.heads.train("theirs", view, OfAPackage())
    made.export(ws.config.root / "theirs.zip")
    back = ws.heads.import_(ws.config.root / "theirs.zip", "theirs-back")
    assert (back.judge.predict_proba(view[:3]) == made.judge.predict_proba(view[:3])).all()
    for one in (made, back):  # here nobody knows its kind, as where the package is gone
        lines = dict(lines_of(one))
        assert lines["settings"] == "scale standard, activation softmax"
        assert lines["chosen on"] == "its kind does not say"
    ws.heads.remove("theirs-back")


def test_a_head_whose_outputs_are_not_what_the_task_says_is_not_made(ws):
    with pytest.raises(HeadError, match=r"kind 'of_a_package' has the activation sigmoid") as told:
        ws.heads.train("no", ws.features(FLAT, "rows"), OfAPackage(activation="sigmoid"))
    assert "headstart.heads.kind" in told.value.hint and "no" not in set(ws.heads)


def test_a_head_of_an_unknown_kind_that_comes_back_is_told(ws):
    head = ws.heads.train("odd", ws.features(FLAT, "rows"), OfAPackage(scale="robust"))
    with ws.context.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM heads WHERE name = 'odd'")
    with pytest.warns(HeadstartWarning, match="'odd' is of kind 'of_a_package', which no package"):
        back, lost = heads_back(ws.context)
    assert f"odd:{head.record.version}" in back and not [one for one in lost if "odd" in str(one)]


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("linear", ("settings", "seconds"), "x", "settings.seconds is 'x'"),
        ("linear", ("metrics", "accuracy"), 7.0, "metrics.accuracy is 7.0"),
        ("linear", ("metrics", "confusion"), [[1]], "metrics.confusion is"),
        ("linear", ("metrics", "intervals", "accuracy"), [2.0, -1.0], "a lower and an upper end"),
        ("linear", ("settings", "task"), "x", "settings.task is 'x'"),
        ("linear", ("settings", "prompt"), {}, "settings.prompt is {}"),
        ("linear", ("settings", "prompt"), "x" * 4_000_000, "4,000,000 characters"),
        ("linear", ("settings", "text_backbone"), 7, "settings.text_backbone is 7"),
        ("linear", ("settings", "text_backbone"), "../../x", "must be a backbone"),
        ("linear", ("settings", "text_backbone"), "a@\x1b[31m", "must be a backbone"),
        ("mlp", ("settings", "given", "hidden"), "x", "hidden of MLP is 'x'"),
        ("linear", ("kind",), "../x", "kind is '../x'"),
        ("linear", ("seed",), -1, "seed is -1"),
    ],
)
def test_a_field_of_another_type_is_refused_by_its_name(ws, name, place, value, said):
    *above, last = place
    record = json.loads(json.dumps(HeadBundle.read(ws.config.root / f"{name}.zip").record))
    inner = record
    for one in above:
        inner = inner[one]
    inner[last] = value
    with pytest.raises(HeadError, match="as a head") as refused:
        ws.heads.import_(changed(ws, name, **record))
    assert said in refused.value.message and "WrongField" not in refused.value.message


def places(value, above=()):
    """Where values stand in JSON; of a list the first one."""
    yield above
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, (*above, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*above, 0))


def with_value(value, place, new):
    copy = value.copy()
    if len(place) > 1:
        copy[place[0]] = with_value(value[place[0]], place[1:], new)
    elif new is GONE:
        del copy[place[0]]
    else:
        copy[place[0]] = new
    return copy


GONE = object()
ODD = (
    *(GONE, None, "x", "", True, [], {}, [[1]], {"x": []}),
    *(7.5, -1, 1 << 63, 10**400, float("nan"), float("inf")),
)


@pytest.mark.parametrize("name", [*KINDS, *MORE])
def test_whatever_a_record_says_it_is_refused_or_can_be_shown(ws, name):
    """Every value of it is another one in turn."""
    head = ws.heads.get(name if name in KINDS else "linear").record
    facts = json.loads(json.dumps(facts_of(head)))
    if name not in KINDS:
        facts["kind"] = name
        facts["settings"] |= MORE[name]
    facts["settings"] |= {"sample_weights": {"least": 1.0, "largest": 2.0}}
    facts["settings"] |= {"windows": {"window": "1s", "pooled": "mean"}}
    check_fields(facts)
    of_rows = {one.name: getattr(head, one.name) for one in fields(Head) if one.name not in facts}
    shown, refused, wrong = 0, 0, []
    changes = [(place, odd) for place in places(facts) for odd in ODD]
    for place, odd in changes:
        if len(place) > 1 or (place and odd is not GONE):
            try:
                told = with_value(facts, place, odd)
                check_fields(told)
            except WrongField:
                refused += 1
                continue
            try:
                made = TrainedHead(ws.context, Head(**told, **of_rows))
                lines_of(made), trust_text(made.record), repr(made), made.to_json()
                class_scores(made.metrics, made.record.classes)
                if place in (("seed",), ("artifact_size",)):  # columns of whole numbers
                    ws.context.heads.remove([ws.context.heads.add(made.record)])
            except HeadstartError:
                pass
            except Exception as error:
                wrong.append((place, odd, repr(error)))
            shown += 1
    assert wrong == []
    assert shown and refused


DATABASES = sorted(ASSETS.glob("*/headstart.db"))


def facts_in(file):
    """What the registry of an older version has of its head."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as database:
        database.row_factory = sqlite3.Row
        (row,) = database.execute("SELECT * FROM heads")
    ours = {one.name for one in fields(Head)} - {*OF_ROWS}
    told = {name: row[name] for name in row.keys() if name in ours}  # noqa: SIM118
    for name in ("settings", "metrics", "classes", "versions"):
        told[name] = json.loads(told[name])
    return {"backbone": "net:1", "dataset": "pics", **told}


@pytest.mark.parametrize("file", DATABASES, ids=str)
def test_records_of_older_versions_are_what_they_are_to_be(file):
    check_fields(facts_in(file))


@pytest.mark.parametrize("name", OF_A_PACKAGE)
def test_a_setting_of_a_package_may_be_called_as_one_of_ours_and_be_anything(name):
    facts = facts_in(DATABASES[-1]) | {"kind": "lda"}
    own = {"task": "classification", "seconds": 1.0, "views": 0, name: OF_A_PACKAGE[name]}
    check_fields(facts | {"settings": own})
    rows = dict.fromkeys(OF_ROWS) | {"version": 1}
    record = Head(**(facts | {"settings": own}), **rows)
    assert trust_text(record) and fitted_text(record) and chosen_text(record)
    assert fitted_words("lda", own).endswith("1 s")
    assert not lineage_text(record) and not members_text(record) and not compared_text(record)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"seconds": "x"}, "settings.seconds"),
        ({"windows": []}, "settings.windows"),
        ({"words": "x" * (1 << 24)}, "at most 16,777,216"),
    ],
)
def test_what_is_added_to_settings_of_a_package_has_a_type_and_all_of_it_a_size(more, said):
    facts = facts_in(DATABASES[-1]) | {"kind": "lda"}
    with pytest.raises(WrongField, match=said):
        check_fields(facts | {"settings": {"task": "classification", **more}})


@pytest.mark.parametrize("gone", ["scale", "judged_on"])
def test_a_head_of_class_names_says_how_its_cosines_are_scaled(gone):
    facts = facts_in(DATABASES[-1]) | {"kind": "zeroshot"}
    told = {"task": "classification", **NAMED}
    check_fields(facts | {"settings": told})
    del told[gone]
    with pytest.raises(WrongField, match=f"no field '{gone}'"):
        check_fields(facts | {"settings": told})


def test_a_seed_is_no_larger_than_a_database_holds():
    facts = facts_in(DATABASES[-1])
    check_fields(facts | {"seed": (1 << 63) - 1})
    with pytest.raises(WrongField, match="seed is 9223372036854775808"):
        check_fields(facts | {"seed": 1 << 63})
