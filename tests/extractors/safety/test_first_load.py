"""The first load of a model that is not trusted: apart, within limits, and paid once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from conftest import clean_environment, keras, network
from headstart.backbone_model import open_engine
from headstart.errors import UnsafeModel
from headstart.extractors.safety import first_load
from headstart.extractors.safety.confinement import PROTECTIONS, offered
from headstart.extractors.safety.first_load import FOLDER, FirstLoad, made, own_folder
from headstart.group_access import share

layers = keras.layers
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the protections are those of Linux"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

CONFINED = """
import os, pathlib, signal, socket, subprocess, sys, tempfile
from headstart.extractors.safety.confinement import Limits, confine
outside, scratch = map(pathlib.Path, sys.argv[1:3])
parent = os.getppid()
given = confine(scratch, Limits(memory=256 << 20, seconds=2, file_bytes=1 << 20))
assert len(given) == 3, given

def refused(attempt):
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "went"

found = {
    "write": refused(lambda: (outside / "canary").write_text("x")),
    "change": refused(lambda: (outside / "there").write_text("x")),
    "truncate": refused(lambda: os.truncate(outside / "there", 0)),
    "remove": refused(lambda: (outside / "there").unlink()),
    "rename": refused(lambda: (outside / "there").rename(scratch / "there")),
    "folder": refused(lambda: (outside / "folder").mkdir()),
    "link": refused(lambda: (outside / "link").symlink_to("/")),
    "run": refused(lambda: subprocess.run(["/bin/true"])),
    "connect": refused(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 1)),
    "send": refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
        b"x", ("127.0.0.1", int(sys.argv[3])))),
    "signal": refused(lambda: os.kill(parent, 0)),
    "own": refused(lambda: (scratch / "own").write_text("x")),
    "temporary": refused(lambda: tempfile.TemporaryFile().close()),
    "home": refused(lambda: pathlib.Path("~/.keras").expanduser().mkdir()),
}
try:
    found["memory"] = len(bytearray(512 << 20))
except MemoryError:
    found["memory"] = "MemoryError"
import json; print(json.dumps(found))
"""


def run_confined(tmp_path, code=CONFINED):
    import socket

    outside, scratch = tmp_path / "outside", tmp_path / "scratch"
    outside.mkdir()
    scratch.mkdir()
    (outside / "there").write_text("there")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        command = [sys.executable, "-c", code, str(outside), str(scratch), port]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (outside / "there").read_text() == "there"
    assert [path.name for path in outside.iterdir()] == ["there"]
    return ran


needs_all = pytest.mark.skipif(
    sys.platform != "linux" or offered() != list(PROTECTIONS),
    reason="this kernel does not give all protections",
)


@needs_all
def test_a_confined_process_reaches_nothing_outside(tmp_path):
    found = json.loads(run_confined(tmp_path).stdout)
    allowed = {name for name, what in found.items() if what == "went"}
    assert allowed == {"own", "temporary", "home"}
    assert found["memory"] == "MemoryError"


@needs_all
@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("while True: pass", signal.SIGXCPU),
        ("(scratch / 'own').write_bytes(bytes(2 << 20))", signal.SIGXFSZ),
    ],
)
def test_a_confined_process_that_takes_too_much_is_ended(tmp_path, code, number):
    head = CONFINED.partition("def refused")[0]
    assert run_confined(tmp_path, head + code).returncode == -number


@needs_all
def test_doctor_says_which_protections_there_are(ws, run):
    checks = {check["what"]: check["found"] for check in run("doctor", "--json").json}
    assert [checks[f"untrusted models: {name}"] for name in PROTECTIONS] == ["yes"] * 3


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[" * 100_000, b'{"sha256": 1}', b"\xff\xfe", bytes(1 << 20)]
)
def test_a_verdict_that_says_nothing_is_none(ws, model_file, content):
    ws.backbones.add("net", model_file, preprocess="unit")
    own = own_folder(ws.config.root / FOLDER)
    (verdict,) = own.iterdir()
    verdict.write_bytes(content)
    assert not FirstLoad(ws.config.root / FOLDER).knows(verdict.name, "keras")


def test_a_verdict_that_is_a_fifo_or_a_link_elsewhere_is_not_waited_for(ws, model_file):
    ws.backbones.add("net", model_file, preprocess="unit")
    own = own_folder(ws.config.root / FOLDER)
    (verdict,) = own.iterdir()
    first = FirstLoad(ws.config.root / FOLDER)
    assert first.knows(verdict.name, "keras")
    verdict.rename(own / "elsewhere")
    os.mkfifo(verdict)
    assert not first.knows(verdict.name, "keras")
    verdict.unlink()
    verdict.symlink_to(own / "elsewhere")
    (own / "elsewhere").chmod(0o666)
    assert not first.knows(verdict.name, "keras")


def test_each_user_of_a_shared_workspace_has_verdicts_that_count(ws, model_file, monkeypatch):
    ran = []
    real = first_load.server.run
    monkeypatch.setattr(first_load.server, "run", lambda r: ran.append(r["task"]) or real(r))
    share(ws.config)
    ws.backbones.add("net", model_file, preprocess="unit")
    share(ws.config)
    ws.backbones.add("again", model_file, preprocess="unit")
    assert ran == ["file"]
    folder = ws.config.root / FOLDER
    assert folder.stat().st_mode & 0o2070 == 0o2070  # others put folders of their own there
    assert own_folder(folder).stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: 4_711)
    ws.backbones.add("third", model_file, preprocess="unit")
    assert ran == ["file", "file"]  # nobody believes another


def test_a_verdict_is_of_these_bytes_as_this_format_by_this_keras(ws, model_file, monkeypatch):
    ran = []
    real = first_load.server.run
    monkeypatch.setattr(first_load.server, "run", lambda r: ran.append(r["task"]) or real(r))
    ws.backbones.add("net", model_file, preprocess="unit")
    (verdict,) = [path for path in (ws.config.root / FOLDER).rglob("*") if path.is_file()]
    said = json.loads(verdict.read_bytes())
    assert (said["format"], said["keras"]) == ("keras", keras.__version__)
    for change in ({"format": "h5"}, {"keras": "3.0.0"}, {"sha256": "0" * 64}):
        verdict.write_text(json.dumps({**said, **change}))
        ran.clear()
        ws.backbones.add("again", model_file, preprocess="unit")
        assert ran == ["file"]


@pytest.fixture
def first(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return FirstLoad(tmp_path / "verdicts"), scratch


def test_the_same_file_is_loaded_apart_once(ws, model_file, monkeypatch):
    ran = []
    real = first_load.server.run
    monkeypatch.setattr(first_load.server, "run", lambda r: ran.append(r["task"]) or real(r))
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.backbones.add("other", model_file, preprocess="unit")
    assert ran == ["file"]
    (verdict,) = own_folder(ws.config.root / FOLDER).iterdir()
    assert verdict.name == ws.backbones.get("net").artifact_digest
    verdict.chmod(0o666)  # anybody may have written it
    ws.backbones.add("third", model_file, preprocess="unit")
    assert ran == ["file", "file"]


def test_what_it_cost_is_said_where_it_is_noticeable(ws, model_file, monkeypatch):
    monkeypatch.setattr(first_load, "NOTICEABLE_SECONDS", 0.0)
    said = []
    ws.backbones.add("net", model_file, preprocess="unit", say=said.append)
    assert sum("in a process of its own first" in line for line in said) == 1


def lying(path: Path) -> Path:
    """A model whose configuration says nothing of the 8 GB that its layer would take."""
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(8, name="bomb")])
    keras.Model(model.inputs, model.outputs).save(path)
    with h5py.File(path, "a") as file:
        text = str(file.attrs["model_config"]).replace("[null, 4]", f"[null, {1 << 28}]")
        file.attrs["model_config"] = text.replace('"build_config"', '"left_out"')
    return path


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_model_that_takes_more_memory_than_it_stores_is_ended(ws, fails, tmp_path):
    message = fails("backbone", "add", "x", lying(tmp_path / "model.h5"))
    assert "loading it took more than" in message
    assert "of memory" in message
    assert "--max-model-bytes" in message
    assert ws.backbones.list() == []


def test_a_model_that_takes_too_long_is_ended(ws, fails, model_file, monkeypatch):
    monkeypatch.setattr(first_load, "SECONDS", 0)
    message = fails("backbone", "add", "x", model_file)
    assert "is refused: loading it took more than 0 s" in message


def test_a_link_in_the_place_of_what_was_made_is_refused(tmp_path):
    (tmp_path / "model.keras").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeModel, match="is a link"):
        made({"folder": tmp_path, "file": "model.keras"})
    with pytest.raises(FileNotFoundError):  # a name, not a path
        made({"folder": tmp_path, "file": "../../../etc/passwd"})


def test_what_was_made_is_used_from_where_the_child_cannot_write(tmp_path):
    folder = tmp_path / "child"
    folder.mkdir()
    (folder / "model.keras").write_bytes(b"made")
    file = made({"folder": folder, "file": "model.keras"})
    (folder / "model.keras").write_bytes(b"changed by what the child forked")
    assert file.read_bytes() == b"made"
    assert not file.is_relative_to(folder)


ADDING = """
import os, sys, time, pathlib, tempfile
from headstart.extractors.safety import first_load
scratch = pathlib.Path(tempfile.mkdtemp())
first_load.FirstLoad().run("file", pathlib.Path(sys.argv[1]), scratch)
print(first_load.server._server.pid, flush=True)
if os.fork() == 0:
    first_load.FirstLoad().run("file", pathlib.Path(sys.argv[1]), scratch)
    print(first_load.server._server.pid, flush=True)
    first_load.server.close()
    os._exit(0)
os.wait()
print("waiting", flush=True)
time.sleep(600)
"""


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_server_ends_with_who_asked_and_is_not_shared_over_a_fork(model_file):
    command = [sys.executable, "-W", "ignore", "-c", ADDING, str(model_file)]
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment())
    with asking:
        assert asking.stdout is not None
        mine, forks = int(asking.stdout.readline()), int(asking.stdout.readline())
        assert asking.stdout.readline() == "waiting\n"
        assert mine != forks
        assert is_alive(mine)
        os.kill(asking.pid, signal.SIGKILL)
    deadline = time.monotonic() + 240
    while is_alive(mine) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(mine)
    assert not is_alive(forks)


def test_an_interrupted_load_leaves_no_answer_for_the_next(first, model_file, monkeypatch):
    load, scratch = first
    load.run("file", model_file, scratch)
    interrupted = first_load.server._server

    def interrupt(_text):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("headstart.extractors.safety.forkserver.json.loads", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load.run("file", model_file, scratch)
    assert interrupted is not None
    assert interrupted.poll() is not None
    assert load.run("file", model_file, scratch)["file"] is None


def test_what_comes_of_a_saved_model_is_the_same_as_without(ws, tmp_path):
    model = network()
    model.export(tmp_path / "exported", verbose=False)
    backbone = ws.backbones.add("net", tmp_path / "exported", preprocess="unit")
    x = np.random.default_rng(0).random((2, 12, 12, 3), np.float32)
    _, cuts = ws.context.resolve(f"net@{backbone.cuts[-1].name}")
    (rows,) = open_engine(ws.context, backbone, cuts).run(x)
    np.testing.assert_allclose(rows, model.predict(x, verbose=0), atol=1e-5)
