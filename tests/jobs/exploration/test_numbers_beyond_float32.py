"""Features whose squares float32 does not hold are refused by their sample, whatever is asked."""

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.kinds.every_kind import one_kind

CUT = "flat@as_it_is"
SAID = r"row 7 of the features \(sample '7'\) holds -1e\+37, beyond 1e\+16: sums"


@pytest.fixture
def huge(rows, tmp_path):
    """A dataset of which one sample is too large, and its number."""
    y = np.arange(60) % 3
    x = (np.random.default_rng(0).normal(size=(60, 6)) + 5 * np.eye(3, 6)[y]).astype(np.float32)
    x[7, 2] = -1e37
    split = np.where(np.arange(60) < 40, "train", "test")
    np.savez(tmp_path / "huge.npz", x=x, y=np.array(["a", "b", "c"])[y], split=split)
    rows.datasets.add("huge", tmp_path / "huge.npz")
    rows.extract(CUT, "huge", settings=hs.Settings(engine="tensorflow"))
    return rows


def test_every_verb_names_the_sample(huge):
    view = huge.features(CUT, "huge")
    asked = {
        "train": lambda: huge.heads.train("h", view, hs.Linear((0.1,))),
        "sweep": lambda: huge.sweep("huge", [CUT], ["linear"]),
        "auto": lambda: huge.auto("huge", [CUT], minutes=1),
        "rank": lambda: huge.rank("huge", [CUT]),
        "audit": lambda: huge.audit(CUT, "huge"),
        "similar": lambda: huge.similar(CUT, "huge", ids="3"),
        "by an index": lambda: huge.similar(CUT, "huge", ids="3", index=True),
        "duplicates": lambda: huge.duplicates(CUT, "huge"),
        "outliers": lambda: huge.outliers(CUT, "huge"),
        "clusters": lambda: huge.cluster(CUT, "huge", 3),
        "drift": lambda: huge.drift(CUT, "rows", "huge"),
        "map": lambda: huge.map(CUT, "huge"),
    }
    for verb, ask in asked.items():
        with pytest.raises(HeadError, match=SAID):
            ask()
            pytest.fail(f"{verb} took it")


def test_a_query_is_named_as_well(rows, tmp_path):
    np.save(tmp_path / "odd.npy", np.array([[1, 2, 1e38, 0, 0, 0]], np.float32))
    for index in (False, True):
        with pytest.raises(HeadError, match=r"\(sample '.*odd.npy\[0\]'\) holds 1e\+38, beyond"):
            rows.similar(CUT, "rows", [tmp_path / "odd.npy"], index=index)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["linear", "mlp", "neighbours", "prototype", "ridge", "svm"])
def test_numbers_up_to_the_bound_are_learned(kind):
    from headstart.heads.dense_stack import DenseStack
    from headstart.heads.kind import Part
    from headstart.heads.origins import fit_near_zero

    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = (rng.normal(size=(90, 6)) + 8 * np.eye(3, 6)[y]).astype(np.float32)
    x *= np.float32(1e16) / np.abs(x).max()
    head = one_kind(kind)
    fitted = fit_near_zero(
        lambda one, other: head.fit(one, other, 3, 0), Part(x[:60], y[:60]), Part(x[60:], y[60:])
    )
    said = DenseStack(fitted.layers, (0, 1, 2)).predict_proba(x[60:])
    assert (said.argmax(axis=1) == y[60:]).mean() > 0.9
