"""A model that is logged into MLflow is served by MLflow's own command."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment
from headstart.extractors.runtime import keras as load_keras
from headstart.jobs.heads import log

MOST = 180.0
"""Seconds for it to load TensorFlow and the model, on a machine that others use."""


@contextmanager
def served(uri, run, folder):
    """The address at which `mlflow models serve` runs the model of a run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = Path(sys.executable).parent
    command = [programs / "mlflow", "models", "serve", "--model-uri", f"runs:/{run}/model"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = clean_environment(
        MLFLOW_TRACKING_URI=uri, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}"
    )
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", process, folder / "said")
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            process.terminate()
            process.wait()


def wait_for(address, process, said):
    ends = time.monotonic() + MOST
    while True:
        assert process.poll() is None and time.monotonic() < ends, said.read_text()
        try:
            with urllib.request.urlopen(address) as answer:
                assert answer.status == 200
            return
        except urllib.error.URLError:
            time.sleep(0.2)


def answer_of(address, inputs):
    request = urllib.request.Request(
        address, json.dumps({"inputs": inputs}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return np.array(json.load(answer)["predictions"], np.float32)


def test_texts_go_into_a_logged_model_as_a_request_has_them(tmp_path):
    keras = load_keras()
    given = keras.Input((), dtype="string")
    words = keras.layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)
    means = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(5, 4)(words(given)))
    model = keras.Model(given, keras.layers.Dense(2, activation="softmax")(means))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what MLflow itself calls
        from mlflow.pyfunc import load_model
        from mlflow.utils.proto_json_utils import parse_tf_serving_input

        log._save(model, tmp_path / "model")
        kept = load_model(str(tmp_path / "model"))
        texts = {"inputs": ["a b", "b b b", ""]}  # as `mlflow models serve` reads it
        found = kept.predict(parse_tf_serving_input(texts, kept.metadata.get_input_schema()))
    expected = model.predict(np.array(texts["inputs"], object), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
def test_mlflow_serves_pictures_as_the_head_predicts_them(ready, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # artifacts lie below it, as MLflow has it
    ready.heads.train("h", ready.extract("net", "pics"), hs.Linear(1.0))
    head, uri = ready.heads.get("h"), f"sqlite:///{tmp_path / 'flow.db'}"
    run = head.log(uri, model=True)
    samples = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3)).astype(np.uint8)
    with served(uri, run, tmp_path) as address:
        found = answer_of(address, samples.tolist())
    expected = [one.outputs for one in head.predict(samples)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
