"""A backbone in scikit-learn's pipelines: each sample is computed once."""

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from conftest import clean_environment
from headstart.errors import FeatureError, HeadError, NotFound, SampleError
from headstart.notices import HeadstartWarning
from headstart.transformer import FeatureTransformer


@pytest.fixture
def paths(pictures):
    return [str(file) for file in sorted(pictures.glob("*/*.*"))]


@pytest.fixture
def labels(paths):
    return [path.split("/")[-2] for path in paths]


def rows_in(ws):
    return sum(row["rows"] for row in ws.cache.to_json())


def test_its_features_are_those_of_an_extraction(ready, paths):
    made = ready.transformer("net@pool")
    found = made.fit_transform(paths)
    assert (found.shape, found.dtype, made.computed_) == ((36, 6), np.float32, 36)
    view = ready.extract("net@pool", "pics")
    assert view.report.computed == 0
    by_path = {sample.location: view[row] for row, sample in enumerate(view.samples)}
    np.testing.assert_array_equal(found, np.stack([by_path[path] for path in paths]))
    assert made.n_features_out_ == 6 and made.backbone_ == "net:1@pool"
    assert list(made.get_feature_names_out()) == ["f0", "f1", "f2", "f3", "f4", "f5"]


def test_in_a_search_each_sample_is_computed_once(ready, paths, labels):
    pipeline = make_pipeline(ready.transformer("net"), LogisticRegression(max_iter=2000))
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1, 10]}, cv=3)
    search.fit(paths, labels)
    assert rows_in(ready) == 36
    assert search.best_estimator_.named_steps["featuretransformer"].computed_ == 0
    assert set(search.predict(paths[:3])) <= set(labels)
    tried = GridSearchCV(pipeline, {"featuretransformer__backbone": ["net@pool", "net"]}, cv=3)
    tried.fit(paths, labels)
    assert rows_in(ready) == 72


def test_it_takes_what_a_head_takes(ready, paths):
    made = ready.transformer("net").fit(paths)
    expected = made.transform(paths[1::2])
    arrays = [np.asarray(Image.open(path)) for path in paths[1::2]]
    for given in (arrays, np.stack(arrays), [Image.open(path) for path in paths[1::2]]):
        np.testing.assert_allclose(made.transform(given), expected, atol=1e-6)
    assert made.transform([arrays[0], arrays[0]]).shape == (2, 8) and made.computed_ == 0
    assert made.transform([]).shape == (0, 8)
    assert len(made.transform("pics")) == 36
    np.testing.assert_array_equal(made.transform(np.array(paths[1::2])), expected)


def test_it_is_its_parameters(ready, paths):
    root = str(ready.config.root)
    made = ready.transformer("net@pool", batch_size=4)
    assert made.get_params() == {
        "workspace": root,
        "backbone": "net@pool",
        "precision": "float32",
        "engine": "auto",
        "batch_size": 4,
    }
    made.fit(paths)
    again: Any = clone(made)
    assert again.get_params() == made.get_params() and not hasattr(again, "backbone_")
    again.set_params(backbone="net").fit(paths)
    assert again.n_features_out_ == 8
    other = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(other.transform(paths), made.transform(paths))
    assert root.encode() in pickle.dumps(made) and len(pickle.dumps(made)) < 2000
    assert repr(made).startswith("FeatureTransformer(backbone='net@pool', batch_size=4")
    np.testing.assert_array_equal(
        FeatureTransformer(ready, "net").fit_transform(paths[:2]), again.transform(paths[:2])
    )
    copied: Any = clone(FeatureTransformer(ready, "net"))
    assert copied.fit(paths).n_features_out_ == 8


def test_another_process_opens_it_by_its_path(ready, paths, tmp_path):
    made = ready.transformer("net").fit(paths)
    expected = made.transform(paths[:5])
    (tmp_path / "t.pickle").write_bytes(pickle.dumps((made, paths[:5])))
    program = (
        "import pickle, sys; made, paths = pickle.load(open(sys.argv[1], 'rb'))\n"
        "found = made.transform(paths); print(made.computed_, 'tensorflow' in sys.modules)\n"
        "open(sys.argv[2], 'wb').write(found.tobytes())"
    )
    command = [sys.executable, "-c", program, tmp_path / "t.pickle", tmp_path / "found"]
    ran = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["0", "False"]
    assert (tmp_path / "found").read_bytes() == expected.tobytes()


def test_a_map_lies_flat_and_pooled_it_does_not(ready, paths):
    assert ready.transformer("net@conv").fit_transform(paths[:2]).shape == (2, 12 * 12 * 6)
    assert ready.transformer("net@conv|gap").fit_transform(paths[:2]).shape == (2, 6)


def test_a_source_does_as_well(ready, model_file, paths):
    with pytest.warns(HeadstartWarning):
        assert ready.transformer(str(model_file)).fit_transform(paths[:1]).shape == (1, 8)


def test_what_is_wrong_is_said(ready, paths, tmp_path):
    with pytest.raises(NotFound, match="Did you mean 'net'"):
        ready.transformer("nett")
    with pytest.raises(FeatureError, match="2 cuts are named"):
        ready.transformer("net@pool,conv").fit(paths)
    with pytest.raises(NotFittedError):
        ready.transformer("net").transform(paths)
    made = ready.transformer("net").fit(paths)
    for odd in (None, 3, object()):
        with pytest.raises(HeadError, match="is not a sample"):
            made.transform(odd)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(SampleError, match=r"broken\.png"):
        made.transform([*paths[:2], str(tmp_path / "broken.png")])
    assert made.transform(paths[:2]).shape == (2, 8)
