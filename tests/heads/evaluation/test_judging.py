"""Pictures are drawn from real features; whether they can be read, people have to look."""

import getpass
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.exploration import coordinates
from headstart.heads.exploration.coordinates import coordinates_of
from headstart.heads.rows import ChosenRows
from headstart.notices import HeadstartNote
from headstart.plots.judgements import calibration
from headstart.plots.maps import draw_map


@pytest.fixture
def trained(ready):
    view = ready.extract("net", "pics")
    ready.heads.train("h", view, hs.Linear((1.0,)))
    return ready


@pytest.mark.parametrize("method", ["pca", "tsne", pytest.param("umap", marks=pytest.mark.slow)])
def test_features_are_drawn_as_a_map(trained, run, tmp_path, method):
    file = tmp_path / "map.png"
    said = run("features", "plot", "net", "pics", file, "--method", method, "--head", "h", "--json")
    assert said.json["samples"] == 36
    pixels = np.asarray(Image.open(file).convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 20


def test_a_head_is_drawn(trained, run, tmp_path):
    run("head", "plot", "h", tmp_path / "head.svg")
    drawn = (tmp_path / "head.svg").read_text()
    assert "<svg" in drawn
    assert "<image" not in drawn or 'href="data:' in drawn  # nothing is fetched


def test_the_held_out_split_gives_the_metrics_of_the_training(trained):
    head = trained.heads.get("h")
    judged = head.held_out()
    assert len(judged.targets) == len(judged.samples) == head.metrics["n_test"]
    assert (judged.probabilities.argmax(axis=1) == judged.targets).mean() == pytest.approx(
        head.metrics["accuracy"]
    )


def test_a_head_whose_dataset_changed_is_not_judged_on_other_samples(trained, pictures):
    next(pictures.glob("red/*.png")).unlink()
    trained.datasets.refresh("pics")
    with pytest.raises(HeadError, match="has changed since head 'h:1' was trained"):
        trained.heads.get("h").held_out()


def test_calibration_counts_every_sample_once():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.3, 1.0, 5000)
    bins = calibration(sure, rng.random(5000) < sure)
    assert sum(count for *_, count in bins) == 5000
    assert all(abs(mean - share) < 0.08 for mean, share, _ in bins)


def test_what_cannot_be_drawn_is_said(trained, tmp_path, monkeypatch):
    with pytest.raises(HeadError, match="no method 'som'"):
        draw_map(np.ones((9, 3)), ["a"] * 9, "t", method="som")
    with pytest.raises(HeadError, match="too few for a map"):
        draw_map(np.ones((3, 3)), ["a"] * 3, "t")
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(HeadError, match=r"pip install 'headstart\[umap\]'"):
        draw_map(np.random.default_rng(0).random((9, 3)), ["a"] * 9, "t", method="umap")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(HeadError, match=r"pip install 'headstart\[plot\]'"):
        draw_map(np.random.default_rng(0).random((9, 3)), ["a"] * 9, "t")


@pytest.mark.parametrize(
    "kind", [hs.Linear((0.1, 1.0)), hs.MLP(hidden=(8, 4), epochs=3), hs.Ridge(), hs.Prototype()]
)
def test_a_head_is_reproduced(ready, run, kind):
    ready.heads.train("h", ready.extract("net", "pics"), kind, seed=7)
    said = run("head", "reproduce", "h", "--json").json
    assert said["agrees"] and said["max_abs_diff"] == 0
    assert "The metrics agree" in run("head", "reproduce", "h").out


def test_a_head_that_cannot_be_reproduced_says_so(trained, monkeypatch):
    monkeypatch.setattr(
        "headstart.heads.kinds.linear.TOLERANCE", 0.5
    )  # as if the solver had changed
    monkeypatch.setattr("headstart.heads.kinds.paths.SEARCH_TOLERANCE", 0.5)
    found = trained.heads.get("h").reproduce()
    assert not found["agrees"] and found["max_abs_diff"] > 0


class Busy(BaseHTTPRequestHandler):
    """A tracking server that is not ready: it counts how often it is asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_error(503)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_a_tracking_server_that_does_not_answer_is_given_up_soon(trained, monkeypatch):
    monkeypatch.setattr(Busy, "asked", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(HeadError, match=r"cannot log into http.*that it runs"):
            trained.heads.get("h").log(address)
        assert len(Busy.asked) == 2  # once more, where MLflow asks eight times within minutes
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(HeadError, match="cannot log into http"):
            trained.heads.get("h").log(address)
        assert len(Busy.asked) == 3
    finally:
        server.shutdown()
        server.server_close()


def test_a_head_is_logged_into_mlflow(trained, run, tmp_path, fails, monkeypatch):
    monkeypatch.chdir(tmp_path)  # artifacts lie below it, as MLflow has it
    uri = f"sqlite:///{tmp_path / 'flow.db'}"
    said = run("head", "log", "h", "--to", uri, "--experiment", "mine", "--json").json
    from mlflow.tracking import MlflowClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what MLflow itself calls
        client = MlflowClient(uri)
        logged = client.get_run(said["run"])
        artifacts = [one.path for one in client.list_artifacts(said["run"])]
    head = trained.heads.get("h")
    assert logged.info.status == "FINISHED" and logged.info.run_name == "h:1"
    assert logged.data.metrics["accuracy"] == head.metrics["accuracy"]
    assert logged.data.params["kind"] == "linear" and logged.data.params["seed"] == "0"
    assert logged.data.tags["headstart.feature_key"] == head.record.feature_key
    assert artifacts == ["h.md"]
    assert logged.info.user_id == getpass.getuser()
    again = run("head", "log", "h", "--to", uri, "--experiment", "mine", "--json").json
    assert again == {"run": said["run"], "is_new": False}
    assert run("head", "log", "h", "--to", uri, "--experiment", "other", "--json").json["is_new"]
    assert "cannot log into" in fails("head", "log", "h", "--to", "nothing://here")
    given = ("head", "log", "h", "--to", uri, "--experiment", "mine", "--model", "--json")
    assert run(*given).json == {"run": said["run"], "is_new": False}  # the same run has it now
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.pyfunc import load_model

        client = MlflowClient(uri)
        place = client.download_artifacts(said["run"], "model", str(tmp_path))
        served = load_model(place)  # as `mlflow models serve` has it
    samples = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3)).astype(np.uint8)
    expected = head.attach().predict(samples, verbose=0)
    np.testing.assert_allclose(served.predict(samples), expected, atol=1e-5)
    monkeypatch.setitem(__import__("sys").modules, "mlflow.tracking", None)
    assert "pip install 'headstart[mlflow]'" in fails("head", "log", "h", "--to", uri)


def test_the_components_of_many_rows_are_those_of_all_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(3_000, 4)) @ rng.normal(size=(4, 20)) + 5).astype(np.float32)
    whole, share = coordinates_of(x, "pca", 0)
    monkeypatch.setitem(coordinates.LARGEST, "umap", 1_000)
    found, again = coordinates_of(ChosenRows(x), "pca", 0)
    np.testing.assert_allclose(found, whole, atol=1e-3)
    assert share == again


def test_a_map_of_more_samples_than_its_method_can_draw_says_how_many_it_shows():
    with pytest.warns(HeadstartNote, match="10,000 of 20,000 samples are drawn") as told:
        shown = coordinates.shown_of(np.arange(20_000), "tsne", 0)
    assert len(np.unique(shown)) == 10_000 and len(told) == 1
    assert len(coordinates.shown_of(np.arange(20_000), "pca", 0)) == 20_000
