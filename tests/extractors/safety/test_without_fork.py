"""The first load where there is no safe fork (macOS, Windows): a new process for each model."""

import json
import sys

import pytest

from conftest import keras, network
from headstart.errors import ModelFileError, UnsafeModel
from headstart.extractors.safety import forkserver
from headstart.extractors.safety.first_load import FirstLoad

SECRETS = {
    "HEADSTART_DATABASE_URL": "postgresql://u:pw@h/d",
    "AWS_SECRET_ACCESS_KEY": "x",
    "HF_TOKEN": "x",
    "GITHUB_PAT": "x",
    "KEY_PASSPHRASE": "x",
    "PGPASSFILE": "x",
    "SOME_PLACE": "https://me:pw@host/x",
}


@pytest.fixture(autouse=True)
def no_fork(monkeypatch):
    monkeypatch.setattr(forkserver, "HAS_FORK", False)


@pytest.fixture
def load(tmp_path, model_file):
    def run(task="file", source=model_file):
        return FirstLoad().run(task, source, tmp_path)

    return run


def instead(monkeypatch, code):
    """Another program in the place of the process that loads models."""
    monkeypatch.setattr(forkserver, "COMMAND", [sys.executable, "-c", code])


@pytest.mark.slow
def test_models_are_added_and_refused_as_with_a_fork(ws, fails, tmp_path, model_file):
    assert ws.backbones.add("net", model_file, preprocess="unit").cuts
    network().export(tmp_path / "exported", verbose=False)
    assert ws.backbones.add("exported", tmp_path / "exported", preprocess="unit").cuts
    x = keras.Input((4,))
    keras.Model(x, keras.layers.Dense(2)(x)).export(tmp_path / "fixed", verbose=False)
    (tmp_path / "fixed" / "variables" / "variables.index").write_bytes(b"damaged")
    assert "cannot load" in fails("backbone", "add", "x", tmp_path / "fixed")


def test_an_error_that_nobody_expected_is_one_line_and_no_accusation(load):
    with pytest.raises(ModelFileError, match=r"cannot be loaded \(KeyError: 'nosuch'\)") as error:
        load(task="nosuch")
    assert not isinstance(error.value, UnsafeModel)


def test_what_libraries_print_is_no_answer(monkeypatch, load):
    code = "import headstart.extractors.backbones.first_load_server as f; f._answer = {}"
    code = f"{code[:-2]}lambda r: print('chatter') or {{'file': None}}; f.once()"
    instead(monkeypatch, code)
    assert load()["file"] is None


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
@pytest.mark.parametrize(("number", "what"), [(6, "of memory"), (9, "its process was ended, 9")])
def test_a_process_that_is_killed_is_said_to_have_taken_too_much(monkeypatch, load, number, what):
    instead(monkeypatch, f"import os; os.kill(os.getpid(), {number})")
    with pytest.raises(UnsafeModel, match=what):
        load()


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "print('chatter'); raise SystemExit(3)"])
def test_a_process_that_ends_without_an_answer_is_no_accusation(monkeypatch, load, code):
    instead(monkeypatch, code)
    with pytest.raises(ModelFileError, match="ended with the code 3") as error:
        load()
    assert not isinstance(error.value, UnsafeModel)


@pytest.mark.parametrize("has_fork", [False, True])
def test_secrets_are_kept_from_the_process_that_loads_models(monkeypatch, has_fork):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    code = "import os, json; input(); print(json.dumps(dict(os.environ)))"
    instead(monkeypatch, code)
    if has_fork and sys.platform == "linux":
        monkeypatch.setattr(forkserver, "HAS_FORK", True)
    server = forkserver.ForkServer()
    given = server.run({"limits": {"memory": 1, "seconds": 1, "file_bytes": 1}})
    server.close()
    assert "PATH" in given
    assert given["CUDA_VISIBLE_DEVICES"] == "-1"
    assert not SECRETS.keys() & given.keys()
    assert "pw" not in json.dumps({k: v for k, v in given.items() if k != "PWD"})
