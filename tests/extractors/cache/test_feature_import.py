"""Features made elsewhere: matched by content or id, compared with the real model."""

import numpy as np
import pytest

import headstart as hs
from conftest import direct
from headstart.errors import FeatureError, NotFound
from headstart.extractors.cache.gc import Choice


def test_an_export_of_one_workspace_is_an_import_of_another(
    ready, tmp_path, model_file, pictures, run
):
    expected = ready.extract("net", "pics")
    expected.export(tmp_path / "f.npz")
    other = hs.init(tmp_path / "other")
    other.backbones.add("net", model_file, preprocess="unit")
    other.datasets.add("pics", pictures)
    ran = run(
        "features", "import", "net", "pics", tmp_path / "f.npz",
        "--workspace", other.config.root, "--json",
    ).json  # fmt: skip
    assert (ran["rows"], ran["added"], ran["foreign"], ran["checked"]) == (36, 36, 0, 16)
    assert ran["max_abs_diff"] <= 1e-5
    view = other.extract("net", "pics")
    assert (view.report.computed, view.report.engine) == (0, "cache")
    np.testing.assert_array_equal(view.to_numpy(), expected.to_numpy())
    again = other.cache.import_features("net", "pics", tmp_path / "f.npz")
    assert (again.added, again.reused) == (0, 36)


def test_rows_are_matched_by_id_and_those_of_no_sample_left_out(ready, model, tmp_path):
    reference = ready.extract("net", "pics")
    features, ids = reference.to_numpy(), reference.ids
    key = reference.key
    del reference
    ready.cache.collect(ready.cache.find_garbage(Choice(sets=(key,))))
    order = np.random.default_rng(0).permutation(36)[:20]
    np.savez(
        tmp_path / "f.npz",
        features=np.concatenate([features[order], features[:1]]).astype(float),
        ids=np.array([*(ids[row] for row in order), "nobody"]),
    )
    done = ready.cache.import_features("net", "pics", tmp_path / "f.npz")
    assert (done.added, done.foreign) == (20, 1)
    view = ready.extract("net", "pics")
    assert (view.report.computed, view.report.reused) == (16, 20)
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=1e-5)


def test_what_is_not_what_it_is_declared_to_be_is_refused(ready, tmp_path, fails):
    view = ready.extract("net", "pics")
    features, ids = view.to_numpy(), np.array(view.ids)
    file = tmp_path / "f.npz"

    def refused(*more, **content):
        np.savez(file, **content)
        return fails("features", "import", "net@relu|gap", "pics", file, *more)

    assert "differs by" in refused(features=features[:, :6] + 1, ids=ids)
    assert "has rows of shape (8,)" in refused(features=features, ids=ids)
    assert "says its feature key is" in refused(features=features, ids=ids, key=view.key)
    assert "rows of features and 5 names" in refused(features=features, ids=ids[:5])
    assert "Give an .npz with `features`" in refused(ids=ids)
    bad = features[:, :6].copy()
    bad[3, 2] = np.nan
    assert "holds NaN, infinity or numbers too large" in refused(
        "--check", "0", features=bad, ids=ids
    )
    bad[3, 2] = 1e30
    assert "float32 has no square of a row's length" in refused(
        "--check", "0", features=bad, ids=ids
    )
    file.write_bytes(b"no zip")
    assert "cannot read" in fails("features", "import", "net", "pics", file)
    with pytest.raises(NotFound):
        ready.cache.import_features("nobody", "pics", file)
    with pytest.raises(FeatureError):
        ready.cache.import_features("net", "pics", tmp_path / "missing.npz")
