"""A workspace whose shards, models, manifests and heads lie in a bucket of an S3 server."""

import numpy as np
import pytest

import headstart as hs
from conftest import direct, draw_classes

EAGER = hs.Settings(batch_size=4, commit_seconds=0, engine="tensorflow")


@pytest.fixture
def cloud(tmp_path, temporary, own_bucket, model_file):
    """A workspace beside the bucket, with the backbone `net` and the dataset `pics`."""
    ws = hs.init(tmp_path / "zoo", store=own_bucket)
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.datasets.add("pics", draw_classes(tmp_path / "pictures"))
    return ws


def another_machine(ws, tmp_path):
    """The same database and bucket from a folder with nothing in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    text = (ws.config.root / "headstart.toml").read_text()
    text += f'database_url = "sqlite:///{ws.config.sqlite_file}"\n'
    (folder / "headstart.toml").write_text(text)
    return hs.open(folder)


def test_what_one_machine_extracts_another_reads_and_trains_on(cloud, tmp_path, model, files_of):
    view = cloud.extract("net@features", "pics", settings=EAGER)
    np.testing.assert_allclose(view.to_numpy(), direct(cloud, view, model), atol=1e-5)
    assert not [name for name in files_of(cloud.config.features) if name.endswith(".h5")]
    other = another_machine(cloud, tmp_path)
    found = other.features("net@features", "pics")
    np.testing.assert_array_equal(found.to_numpy(), view.to_numpy())
    head = other.heads.train("first", found, hs.Linear(strengths=(0.1,)))
    again = other.extract("net@features", "pics", settings=EAGER)
    assert (again.report.computed, again.report.reused) == (0, 36)
    picture = next((tmp_path / "pictures" / "red").iterdir())
    mine, theirs = (one.predict([picture]) for one in (cloud.heads.get("first"), head))
    np.testing.assert_array_equal(mine.probabilities, theirs.probabilities)
