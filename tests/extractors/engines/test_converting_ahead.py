"""What adding a backbone converts, says, gives up and leaves behind."""

import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conversions_read import OPENVINO_ALONE, conversions, elsewhere_run, said

import headstart as hs
from headstart.extractors.engines import openvino_engine as openvino
from headstart.jobs.backbones import convert


def test_adding_says_what_converting_takes(run, ws, model_file):
    err = run("backbone", "add", "net", model_file, "--preprocess", "unit").err
    assert "converting net@features for openvino …" in err.splitlines()
    assert "net@features converted for openvino in " in err


def test_what_cannot_be_converted_is_added_all_the_same(ws, model_file, monkeypatch):
    lines = []
    monkeypatch.setattr(openvino, "convert", lambda *_: 1 / 0)
    ws.backbones.add("net", model_file, preprocess="unit", say=lines.append)
    assert lines[-1] == (
        "openvino cannot convert it (ZeroDivisionError: division by zero): the first extraction "
        "looks again"
    )
    monkeypatch.setattr(convert, "free_memory", lambda: 1000)
    lines.clear()
    ws.backbones.add("net2", model_file, preprocess="unit", say=lines.append)
    (line,) = lines
    assert line.startswith("net2 is not converted now, that may take ")
    assert not conversions(ws)


HANGS = {
    "converting": "openvino.convert = lambda *_: threading.Event().wait()\n",
    "the reference": "TensorFlowEngine.__init__ = lambda *_: threading.Event().wait()\n",
    "the samples": "selection.kept_samples = lambda *_: threading.Event().wait()\n",
}


@pytest.mark.parametrize(
    "hangs", ["converting", *(pytest.param(one, marks=pytest.mark.slow) for one in [*HANGS][1:])]
)
def test_a_conversion_that_hangs_is_given_up_and_the_command_ends(ws, model_file, hangs):
    code = (
        "import threading\n"
        "from headstart.cli import main\n"
        "from headstart.extractors.engines import openvino_engine as openvino, selection\n"
        "from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine\n"
        "from headstart.jobs.backbones import convert\n"
        "convert.PATIENCE = 2.0\n"
        f"{HANGS[hangs]}"
        "import atexit; atexit.register(threading.Event().wait)\n"  # a proper end would hang
        f"main(['--workspace', {str(ws.config.root)!r}, 'backbone', 'add', 'net', "
        f"{str(model_file)!r}, '--preprocess', 'unit'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "is not converted" in line]
    assert "converting it for openvino, to run was given up after 2 s. The first extraction" in line
    assert ws.backbones.get("net").name == "net" and not conversions(ws)


@pytest.mark.parametrize(
    "where", ["before the row", pytest.param("after the row", marks=pytest.mark.slow)]
)
def test_a_process_killed_while_it_keeps_a_trunk_leaves_nothing_half(ws, model_file, where):
    die = "os.kill(os.getpid(), signal.SIGKILL)"
    real = "add(self, run)" if where == "after the row" else "None"
    done = elsewhere_run(
        ws,
        "import os, signal\n"
        "from headstart.registry.runs import RunRepository\n"
        "add = RunRepository.add\n"
        f"RunRepository.add = lambda self, run: ({real}, {die})\n"
        f"ws.backbones.add('net', {str(model_file)!r}, preprocess='unit')\n",
    )
    assert done.returncode == -signal.SIGKILL
    assert len(conversions(ws)) == (where == "after the row")
    assert ws.backbones.get("net").name == "net"
    ws.datasets.add("pics", np.random.default_rng(0).integers(0, 256, (9, 20, 16, 3), np.uint8))
    view = ws.extract("net", "pics", settings=hs.Settings(engine="openvino"))
    assert view.report.computed == 9 and not said(view)
    assert len(conversions(ws)) == 1


def test_garbage_collection_keeps_what_a_backbone_is_run_by(ready):
    needed = ready.context.needed_artifacts()
    (run,) = conversions(ready)
    assert set(run.counts["parts"].values()) <= needed
    ready.backbones.remove("net")
    assert not set(run.counts["parts"].values()) & ready.context.needed_artifacts()


def test_of_two_versions_the_newer_is_needed(ready, monkeypatch):
    monkeypatch.setattr(openvino.OpenVINOProvider, "version", staticmethod(lambda: "2099.1"))
    ready.extract("net", "pics", settings=hs.Settings(engine="openvino"))
    new, old = conversions(ready)
    needed = ready.context.needed_artifacts()
    gone = set(old.counts["parts"].values()) - set(new.counts["parts"].values())
    assert set(new.counts["parts"].values()) <= needed and not gone & needed


def test_a_bundle_brings_no_converted_trunk_and_its_model_is_converted_where_it_comes(
    ready, tmp_path
):
    file = ready.backbones.export("net", tmp_path / "net.zip")
    own = {Path(name).name for name in zipfile.ZipFile(file).namelist()}
    (run,) = conversions(ready)
    assert not own & set(run.counts["parts"].values())
    other = hs.init(tmp_path / "other")
    other.backbones.import_(file)
    (converted,) = conversions(other)
    assert converted.subject == run.subject
    other.datasets.add("pics", tmp_path / "pictures")
    assert elsewhere_run(other, OPENVINO_ALONE).returncode == 0
