"""A file of weights that makes no head which works is refused where it is read, in one line."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import HeadError
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack

ASSETS = Path(__file__).parents[2] / "assets" / "workspaces"
NAN, INF = np.float32(np.nan), np.float32(np.inf)


def numbers(*shape, value=0.5):
    return np.full(shape, value, np.float32)


def written(file, format_="headstart.dense-stack/6", arrays=None, **head):
    named = {"head": np.array(json.dumps({"format": format_, **head})), **(arrays or {})}
    np.savez(file, **named)
    return file


def of_two(**changes):
    """Values and arrays of a head of six numbers and three classes, some of them others."""
    given = {
        "activations": ["relu", "softmax"],
        "classes": ["a", "b", "c"],
        "kernel_0": numbers(6, 4),
        "bias_0": numbers(4),
        "kernel_1": numbers(4, 3),
        "bias_1": numbers(3),
        "lower": numbers(6),
        "upper": numbers(6, value=1),
    } | changes
    arrays = {name: one for name, one in given.items() if isinstance(one, np.ndarray)}
    head = {name: one for name, one in given.items() if name not in arrays and one is not None}
    return {"arrays": arrays, **head}


VOTES = {"activations": ["top_2", "shares"], "lower": None, "upper": None}
TOKENS = {"count": 2, "width": 3, "is_masked": False}
ATTENDS = {"queries": numbers(3, 2), "tokens": TOKENS}


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"lower": None, "upper": None, "origin": numbers(6)},
        VOTES,
        {"activations": ["unit", "softmax"]},
        {"activations": ["affinities_3", "softmax"]},
        {"classes": [1, 2, 3]},
        {"classes": [], "activations": ["relu", "linear"]},
        ATTENDS,
    ],
)
def test_heads_that_work_are_read(tmp_path, good):
    head = DenseStack.read(written(tmp_path / "good.npz", **of_two(**good)))
    assert np.isfinite(head.predict_proba(numbers(2, 6))).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"activations": ["top_0", "softmax"]}, "activation 'top_0', which no head has"),
        ({"activations": ["top_9999999999", "softmax"]}, "which no head has"),
        ({"activations": ["top_5", "softmax"]}, "the activation top_5, and 4 numbers"),
        ({"activations": ["top_-1", "softmax"]}, "which no head has"),
        ({"activations": ["affinities_5", "softmax"]}, "activation affinities_5, and 4 numbers"),
        ({"activations": ["affinities_0", "softmax"]}, "which no head has"),
        ({"activations": ["relu", "affinities_1"]}, "outputs say nothing"),
        ({"activations": 7}, "must be a list"),
        ({"activations": ["unit", "top_x"]}, "layer 2 of 2 has the activation 'top_x'"),
        ({"activations": ["unit", "__import__"]}, "'__import__'"),
        ({"activations": ["unit", "x" * 1_000_000]}, "characters"),
        ({"activations": [1, 2]}, "must be a text"),
        ({"activations": "softmax"}, "must be a list"),
        ({"activations": None}, "must be a list"),
        ({"activations": []}, "of no layer"),
        ({"activations": ["softmax"]}, "an array 'bias_1' that is of no layer"),
        ({"activations": ["relu", "relu", "softmax"]}, "no array 'kernel_2'"),
        ({"activations": ["relu", "unit"]}, "outputs say nothing"),
        ({"activations": ["relu", "top_1"]}, "outputs say nothing"),
        ({"activations": ["relu", "shares"]}, "no votes"),
        ({"activations": ["shares", "softmax"]}, "no votes"),
        ({**VOTES, "kernel_1": numbers(4, 3, value=-1)}, "no votes"),
        ({"kernel_1": numbers(3, 3)}, "takes 3 numbers, and the layer below gives 4"),
        ({"bias_1": numbers(5)}, r"shape \(5,\), where it must have \(3,\)"),
        ({"bias_1": numbers(1, 3)}, "the bias of layer 2 of 2"),
        ({"kernel_0": numbers(6)}, "no matrix"),
        ({"kernel_0": numbers(0, 4)}, "no matrix"),
        ({"kernel_0": numbers(6, 4, value=NAN)}, "no finite numbers"),
        ({"bias_0": numbers(4, value=INF)}, "no finite numbers"),
        ({"kernel_0": np.full((6, 4), 1j)}, "of complex128"),
        ({"kernel_0": np.ones((6, 4))}, "of float64"),
        ({"kernel_0": np.ones((6, 4), int)}, "of int64"),
        ({"kernel_0": np.full((6, 4), "x")}, "must be of float32"),
        ({"origin": numbers(2)}, r"the origin has shape \(2,\)"),
        ({"origin": numbers(6, value=NAN)}, "the origin holds"),
        ({"lower": numbers(6, value=2)}, "a lower bound is above"),
        ({"lower": numbers(6, value=NAN)}, "the lower bound holds"),
        ({"upper": numbers(6, value=INF)}, "the upper bound holds"),
        ({"upper": None}, "no array 'upper'"),
        ({"lower": None}, "an array 'upper' that is of no layer"),
        ({"extra": numbers(20)}, "an array 'extra' that is of no layer"),
        ({"classes": ["circle", "circle", "square"]}, "'circle' is there twice"),
        ({"classes": ["a", "b"]}, "2 classes and 3 outputs"),
        ({"classes": ["a", "b", None]}, "no label"),
        ({"classes": ["a", "b", True]}, "no label"),
        ({"classes": ["a", "b", ["c"]]}, "no label"),
        ({"classes": None}, "must be a list"),
        ({**ATTENDS, "tokens": None}, "tokens is None"),
        ({**ATTENDS, "tokens": TOKENS | {"count": 0}}, "queries of 0 tokens"),
        ({**ATTENDS, "tokens": TOKENS | {"count": -1}}, "tokens.count"),
        ({**ATTENDS, "tokens": TOKENS | {"width": 2}}, "the array of queries"),
        ({**ATTENDS, "tokens": TOKENS | {"is_masked": 1}}, "true or false"),
        ({**ATTENDS, "queries": numbers(3, 1)}, "1 queries of 2 tokens give 3"),
        ({**ATTENDS, "queries": numbers(6)}, "the array of queries"),
    ],
)
def test_one_that_cannot_work_is_refused_and_says_why(tmp_path, change, said):
    file = written(tmp_path / "bad.npz", **of_two(**change))
    with pytest.raises(HeadError, match=said):
        DenseStack.read(file)


@pytest.mark.parametrize(
    ("format_", "more"),
    [
        ("headstart.dense-stack/1", {"activations": ["unit", "softmax"]}),
        ("headstart.dense-stack/4", {"activations": ["unit", "softmax"]}),
        ("headstart.dense-stack/5", {"activations": ["affinities_3", "softmax"]}),
        ("headstart.dense-stack/2", {}),
        ("headstart.dense-stack/3", ATTENDS),
    ],
)
def test_a_format_that_does_not_know_what_it_has_is_refused(tmp_path, format_, more):
    """Code of then would read it, and give other numbers."""
    file = written(tmp_path / "old.npz", format_, **of_two(**more))
    with pytest.raises(HeadError, match="knows less than it has"):
        DenseStack.read(file)


@pytest.mark.parametrize("head", ["[]", "7", "{", "[" * 100_000, '{"format": []}'])
def test_values_that_are_no_json_object_are_refused(tmp_path, head):
    np.savez(tmp_path / "bad.npz", head=np.array(head))
    with pytest.raises(HeadError):
        DenseStack.read(tmp_path / "bad.npz")


def test_an_archive_that_is_larger_unpacked_or_has_foreign_members_is_refused(tmp_path):
    given = of_two()
    arrays = {"head": np.array(json.dumps({"format": "headstart.dense-stack/5"})), "x": numbers(99)}
    np.savez_compressed(tmp_path / "packed.npz", **arrays)
    file = written(tmp_path / "more.npz", **given)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("setup.py", "")
    np.savez(tmp_path / "objects.npz", head=np.array([{}], object))
    for name, said in (
        ("packed", "larger than the file"),
        ("more", "'setup.py'"),
        ("objects", "Python objects"),
    ):
        with pytest.raises(HeadError, match=said):
            DenseStack.read(tmp_path / f"{name}.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "packed.npz").read_bytes()[:100])
    with pytest.raises(HeadError):
        DenseStack.read(tmp_path / "cut.npz")


def test_an_array_whose_header_claims_terabytes_is_refused(tmp_path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
    )
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("kernel_0.npy", content.getvalue())
    with pytest.raises(HeadError, match="its header says"):
        DenseStack.read(tmp_path / "bad.npz")


def ensemble(**changes):
    """Values and arrays of two heads of three classes, which take four numbers of six, or two."""
    first = {"activations": ["softmax"], "classes": ["a", "b", "c"], "weight": 0.25}
    members = [
        {**first, "slices": [[0, 2, 1.0], [4, 6, 0.5]]},
        {**first, "weight": 0.75, "slices": [[2, 4, 1.0]]},
    ]
    members[1] |= changes.pop("member", {})
    arrays = {
        **{"0_kernel_0": numbers(4, 3), "0_bias_0": numbers(3)},
        **{"1_kernel_0": numbers(2, 3), "1_bias_0": numbers(3)},
    }
    arrays |= changes.pop("arrays", {})
    return {"members": members, "width": 6, "arrays": arrays} | changes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"member": {"weight": np.nan}}, r"members\[1\].weight is nan"),
        ({"member": {"weight": "1"}}, "finite number"),
        ({"member": {"weight": -0.25}}, "add up to"),
        ({"member": {"weight": 2}}, "add up to 2.25"),
        ({"member": {"weight": 10**400}}, "finite number"),
        ({"member": {"slices": [[4, 7, 1.0]]}}, r"members\[1\] takes 2 numbers"),
        ({"member": {"slices": [[4, 3, 1.0], [1, 4, 1.0]]}}, "its slices do not give"),
        ({"member": {"slices": [[2, 4]]}}, "a start, a stop and a factor"),
        ({"member": {"slices": [[2, 4, np.inf]]}}, "finite number"),
        ({"member": {"classes": ["a", "c", "b"]}}, "says other classes"),
        ({"member": {"activations": ["top_x"]}}, r"members\[1\]: its layer has the activation"),
        ({"members": {}}, "must be a list"),
        ({"members": []}, "of no member"),
        ({"members": [7]}, "must be an object"),
        ({"width": -1}, "width"),
        ({"arrays": {"2_kernel_0": numbers(1)}}, "of no member"),
        ({"arrays": {"1_origin": numbers(3)}}, r"members\[1\]: the origin"),
    ],
)
def test_an_ensemble_whose_members_do_not_fit_is_refused(tmp_path, change, said):
    file = written(tmp_path / "good.npz", "headstart.ensemble/1", **ensemble())
    assert np.isfinite(Ensemble.read(file).predict_proba(numbers(2, 6))).all()
    file = written(tmp_path / "bad.npz", "headstart.ensemble/1", **ensemble(**change))
    with pytest.raises(HeadError, match=said):
        Ensemble.read(file)


@pytest.mark.parametrize("file", sorted(ASSETS.glob("*/artifacts/*/*.npz")), ids=str)
def test_heads_of_older_versions_are_read(file):
    assert DenseStack.read(file).classes == ("blue", "green", "red")
