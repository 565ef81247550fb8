"""Standard error holds our lines alone: not those of TensorFlow, and no addresses of objects."""

import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from headstart.errors import HeadError, SampleUnreadable, first_line
from headstart.extractors import runtime
from headstart.extractors.preprocessing.steps import audio

START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from headstart.cli import main; main(sys.argv[1:])"
)
"""A job in the background, such as these tests may be, ignores interrupts, and so would this."""
OURS = re.compile(
    r"(loading TensorFlow|note: |warning: |error: |interrupted|\w+: [\d,]+ of [\d,]+"
    r"|\w+: \d+ samples|h:\d: accuracy)"
)


def environment(ws):
    plain = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return {**plain, "HEADSTART_HOME": str(ws.config.root), "COLUMNS": "80"}


def process(ws, *arguments):
    """A command in a process of its own, as a user has it: TensorFlow is not there yet."""
    command = [sys.executable, "-c", START, *map(str, arguments)]
    ran = subprocess.run(
        command, env=environment(ws), capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.splitlines()


@pytest.fixture
def trained(ready):
    ready.extract("net@relu", "pics")
    ready.heads.train("h", ready.extract("net", "pics"))
    return ready


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("head attach h -o {p}/h.onnx", marks=pytest.mark.slow),
        pytest.param("head attach h -o {p}/h.tflite", marks=pytest.mark.slow),
        "head finetune h --from relu --epochs 2",
        pytest.param("features plot net pics {p}/map.png --method umap", marks=pytest.mark.slow),
    ],
)
def test_what_others_log_does_not_reach_standard_error(trained, tmp_path, command):
    lines = process(trained, *command.format(p=tmp_path).split())
    assert [line for line in lines if not OURS.match(line)] == []


@pytest.mark.parametrize(
    ("level", "is_told"), [(None, False), ("3", False), ("2", False), ("1", True), ("0", True)]
)
def test_lines_of_an_import_are_for_who_asks_for_them(monkeypatch, capfd, level, is_told):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "")  # so that it is put back as it was
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    if level is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with runtime._quiet_import():
        os.write(2, b"I0000 cpu_feature_guard.cc")
    assert ("cpu_feature_guard" in capfd.readouterr().err) == is_told
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "2")


def test_a_line_comes_within_a_second_and_an_interrupt_is_one_line(ready):
    """TensorFlow takes seconds to load: whoever waits for it is told, and may end it."""
    command = [sys.executable, "-c", START, "extract", "net", "pics", "--engine", "tensorflow"]
    with subprocess.Popen(
        command, env=environment(ready), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr and running.stdout
        first = running.stderr.readline()
        assert first == "loading TensorFlow …\n"
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        rest, out = running.stderr.read(), running.stdout.read()
    assert running.returncode == 130
    assert out == "" and len(rest.splitlines()) == 1
    assert rest.startswith("interrupted. What was committed is kept")
    assert ready.extract("net", "pics").report.computed == 36


def test_no_message_holds_the_address_of_an_object(tmp_path):
    """soundfile: Error opening <_io.BytesIO object at 0x7f0e…>: Format not recognised."""
    soundfile = pytest.importorskip("soundfile")
    with pytest.raises(soundfile.SoundFileError) as raised:
        soundfile.SoundFile(io.BytesIO(b"no sound"))
    assert "object at 0x" in str(raised.value)
    told = first_line(raised.value)
    assert told == "LibsndfileError: Error opening: Format not recognised."
    with pytest.raises(SampleUnreadable) as refused:
        audio._decode_audio(b"no sound", rate=16_000)
    assert "BytesIO" not in str(refused.value) and " at 0x" not in str(refused.value)
    error = HeadError(f"the head is {object()!r}", hint="Give its name.")
    assert str(error) == "the head is a object. Give its name."
