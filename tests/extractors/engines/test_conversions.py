"""A trunk is converted when its backbone is registered; what is kept of it is believed to be what
its hash says, and to give what TensorFlow gave."""

import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

import headstart as hs
from conftest import clean_environment, forget_conversions, network
from headstart.backbone_model import chooser_of, open_engine, pipeline_of
from headstart.errors import BackboneError, SampleUnreadable
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.cache.gc import Choice
from headstart.extractors.difference import relative_error
from headstart.extractors.engines import openvino_engine as openvino
from headstart.extractors.engines import selection
from headstart.extractors.engines.background import Keeping
from headstart.extractors.engines.conversions import KIND, REFERENCES
from headstart.extractors.engines.kept import KeptEngines
from headstart.extractors.engines.parity import TOLERANCES
from headstart.extractors.engines.seeded import BLOCKS, kept_samples, pack, unpack
from headstart.extractors.engines.trial import Request
from headstart.extractors.watchdog import unguarded
from headstart.jobs.backbones import convert

BFLOAT16 = hs.Settings(precision="bfloat16")


@pytest.fixture
def elsewhere(ready, monkeypatch):
    """The workspace on a machine with another processor: nothing is compiled for it."""
    monkeypatch.setattr(openvino.OpenVINOProvider, "processor", staticmethod(lambda: "another"))
    return ready


@pytest.fixture
def no_conversion(monkeypatch):
    def convert(*_):
        raise AssertionError("it was converted again")

    monkeypatch.setattr(openvino, "convert", convert)


def conversions(ws):
    return ws.context.runs.find_latest(KIND)


def part(ws, name):
    """The file of a part of the one conversion."""
    (run,) = conversions(ws)
    return ws.context.artifacts.path_of(run.counts["parts"][name], ".part")


def plain_features(ws, name="net"):
    backbone, cuts = ws.context.resolve(name)
    pipeline = pipeline_of(ws.context, backbone)
    samples = ws.datasets.manifest("pics").samples
    prepared = [pipeline.prepare(Path(str(s.location)).read_bytes()) for s in samples]
    return open_engine(ws.context, backbone, cuts).run(np.stack(prepared))[0]


def assert_right(ws, view, precision="float32"):
    error = relative_error([view.to_numpy()], [plain_features(ws)])
    assert view.report.computed and error <= TOLERANCES[precision]


def elsewhere_run(ws, code):
    """Run code with `ws` in a new process."""
    start = f"import sys, headstart as hs\nws = hs.open({str(ws.config.root)!r})\n"
    return subprocess.run([sys.executable, "-c", start + code], timeout=120, check=False)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_first_extraction_imports_no_tensorflow(ready, precision):
    done = elsewhere_run(
        ready,
        f"settings = hs.Settings(precision={precision!r})\n"
        "report = ws.extract('net', 'pics', settings=settings).report\n"
        "assert report.computed and report.engine == 'openvino', report\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n",
    )
    assert done.returncode == 0
    assert_right_stored(ready, precision)


def assert_right_stored(ws, precision):
    view = ws.features("net", "pics", precision=precision)
    error = relative_error([view.to_numpy()], [plain_features(ws)])
    assert error <= TOLERANCES[precision]


def test_it_is_kept_by_content_and_named_by_a_row(ready):
    (run,) = conversions(ready)
    assert set(run.counts["parts"]) == {openvino.MODEL, openvino.WEIGHTS, REFERENCES}
    assert run.counts["backbone"] == "net:1"
    assert run.versions["openvino"] == openvino.version()
    assert {"tensorflow", "keras"} < set(run.versions)
    assert all(part(ready, name).exists() for name in run.counts["parts"])


def test_another_processor_compiles_it_without_tensorflow(elsewhere, no_conversion):
    view = elsewhere.extract("net", "pics")
    assert view.report.engine == "openvino" and "samples" in view.report.check
    assert_right(elsewhere, view)
    compiled = len(list(elsewhere.config.compiled.iterdir()))
    assert compiled == 2  # for both processors: the run waited until it was kept


@pytest.mark.parametrize("error", [RuntimeError("cannot export"), MemoryError("no room")])
def test_a_compiled_model_that_cannot_be_exported_is_said_once(elsewhere, monkeypatch, error):
    def fails(_):
        raise error

    monkeypatch.setattr(openvino, "_exported", fails)
    view = elsewhere.extract("net", "pics")
    assert view.report.engine == "openvino"
    assert_right(elsewhere, view)
    (line,) = [line for line in view.report.warnings if "compiled" in line]
    assert line == (
        "the compiled model was not kept, and is made again next time: "
        f"{type(error).__name__}: {error}"
    )
    assert len(list(elsewhere.config.compiled.iterdir())) == 1  # of the other processor


@pytest.fixture
def hung_export(monkeypatch):
    """An export that takes for ever, until the test is over."""
    released = threading.Event()

    def hangs(_):
        released.wait(30)
        return b""

    monkeypatch.setattr(openvino, "_exported", hangs)
    yield released
    released.set()


def test_a_compiled_model_that_is_exported_for_ever_is_given_up(elsewhere, hung_export):
    view = elsewhere.extract("net", "pics", settings=hs.Settings(stall_seconds=2.0))
    assert not hung_export.is_set()
    assert_right(elsewhere, view)
    (line,) = [line for line in view.report.warnings if "compiled" in line]
    assert "keeping the compiled model: not done after " in line


def test_after_an_error_nobody_waits_until_the_engine_is_kept(
    elsewhere, hung_export, tmp_path, monkeypatch
):
    settled = []
    monkeypatch.setattr(Keeping, "settle", lambda *_: settled.append(1))
    (tmp_path / "pictures" / "red" / "bad.png").write_bytes(b"no picture")
    elsewhere.datasets.add("worse", tmp_path / "pictures")
    with pytest.raises(SampleUnreadable):
        elsewhere.extract("net", "worse")
    assert not settled


def test_another_precision_and_size_of_calls_too(ready, no_conversion):
    assert_right(ready, ready.extract("net", "pics", settings=BFLOAT16), "bfloat16")
    forget_rows(ready)
    assert_right(ready, ready.extract("net", "pics", settings=hs.Settings(batch_size=5)))


def forget_rows(ws):
    for key in [found.key for found in ws.context.feature_sets.find_sets()]:
        ws.cache.collect(ws.cache.find_garbage(Choice(sets=(key,))))


@pytest.mark.parametrize("name", [openvino.MODEL, openvino.WEIGHTS, REFERENCES])
@pytest.mark.parametrize("damage", ["flipped", "emptied", "missing"])
def test_a_damaged_part_is_said_and_made_anew(elsewhere, name, damage):
    file = part(elsewhere, name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(bytes(content) if damage == "flipped" else b"")
    view = elsewhere.extract("net", "pics")
    assert any("openvino is not taken, and made anew: the artifact" in w for w in said(view)), said(
        view
    )
    assert view.report.engine == "openvino"
    assert_right(elsewhere, view)
    forget_rows(elsewhere)
    assert not said(elsewhere.extract("net", "pics"))


def said(view):
    return [warning for warning in view.report.warnings if "anew" in warning]


def test_the_files_of_another_trunk_in_its_place_are_not_taken(elsewhere):
    ws = elsewhere
    network(seed=1).save(ws.config.root / "other.keras")
    ws.backbones.add("other", ws.config.root / "other.keras", preprocess="unit")
    other, own = conversions(ws)
    parts = {**other.counts["parts"], REFERENCES: own.counts["parts"][REFERENCES]}
    with ws.database.writing() as connection:
        for name, digest in parts.items():
            connection.execute(
                text(
                    f"UPDATE runs SET counts = json_set(counts, '$.parts.\"{name}\"', :digest) "
                    "WHERE id = :id"
                ),
                {"digest": digest, "id": own.id},
            )
    view = ws.extract("net", "pics")
    assert any("gives other features" in warning for warning in said(view))
    assert_right(ws, view)


def test_nothing_is_committed_before_the_engine_was_compared(elsewhere, monkeypatch):
    order = []
    compare, commit = KeptEngines._error, FeatureCache.commit
    monkeypatch.setattr(
        KeptEngines, "_error", lambda *a: (order.append("compared"), compare(*a))[1]
    )
    monkeypatch.setattr(
        FeatureCache, "commit", lambda *a: (order.append("committed"), commit(*a))[1]
    )
    elsewhere.extract("net", "pics", settings=hs.Settings(batch_size=4, commit_bytes=1))
    assert order[0] == "compared" and order.count("committed") > 1


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_of_an_engine_that_lies_no_row_is_committed(ready, monkeypatch, factor):
    real = openvino.OpenVINOEngine.run
    monkeypatch.setattr(
        openvino.OpenVINOEngine,
        "run",
        lambda self, b: [(factor * o).astype(o.dtype) for o in real(self, b)],
    )
    with pytest.raises(BackboneError, match="cannot run 'net': gives other features"):
        ready.extract("net", "pics", settings=hs.Settings(engine="openvino"))
    assert not ready.context.feature_sets.find_sets()
    view = ready.extract("net", "pics")
    assert view.report.engine == "tensorflow"
    assert_right(ready, view)


def test_a_new_version_of_what_converts_converts_again(ready, monkeypatch):
    monkeypatch.setattr(openvino.OpenVINOProvider, "version", staticmethod(lambda: "2099.1"))
    ready.extract("net", "pics", settings=hs.Settings(engine="openvino"))
    new, old = conversions(ready)
    assert (new.versions["openvino"], old.versions["openvino"]) == ("2099.1", openvino.version())
    assert new.subject != old.subject and new.counts["lineage"] == old.counts["lineage"]


def test_an_old_workspace_converts_at_its_first_extraction(ready, no_conversion, monkeypatch):
    expected = ready.extract("net", "pics").report.feature_key
    forget_rows(ready)
    forget_conversions(ready)
    monkeypatch.undo()
    view = ready.extract("net", "pics", settings=hs.Settings(engine="openvino"))
    assert view.report.feature_key == expected
    assert_right(ready, view)
    assert len(conversions(ready)) == 1


def forget_rows_of_conversions(ws):
    """As before there were any: compiled models are kept, and nothing to compare them with."""
    with ws.database.writing() as connection:
        connection.execute(text("DELETE FROM runs WHERE kind = 'convert'"))


def test_a_compiled_model_with_nothing_to_compare_it_with_is_found_out_once_more(
    ready, monkeypatch
):
    monkeypatch.setattr(selection, "WORTH", 0.0)
    forget_rows_of_conversions(ready)
    real = openvino.OpenVINOEngine.run
    monkeypatch.setattr(
        openvino.OpenVINOEngine, "run", lambda self, b: [1.01 * o for o in real(self, b)]
    )
    view = ready.extract("net", "pics")
    assert view.report.engine == "tensorflow"
    assert_right(ready, view)


def test_it_is_converted_by_that_for_every_processor(ready, monkeypatch):
    monkeypatch.setattr(selection, "WORTH", 0.0)
    forget_rows_of_conversions(ready)
    assert ready.extract("net", "pics").report.engine == "openvino"
    assert len(conversions(ready)) == 1


def test_where_samples_cannot_be_kept_that_is_kept_and_it_is_converted_once(
    ready, monkeypatch, request
):
    monkeypatch.setattr(selection, "WORTH", 0.0)
    forget_rows_of_conversions(ready)

    def refuse(*_):
        raise ValueError("samples of Python objects are not kept")

    monkeypatch.setattr("headstart.extractors.engines.conversions.pack", refuse)
    assert ready.extract("net", "pics").report.engine == "openvino"
    assert not conversions(ready)
    forget_rows(ready)
    request.getfixturevalue("no_conversion")
    view = ready.extract("net", "pics")
    assert view.report.engine == "openvino"
    assert_right(ready, view)


def test_how_fast_it_is_in_float32_says_nothing_of_bfloat16(ready, no_conversion):
    (run,) = conversions(ready)
    assert len(run.counts["facts"]["pace"]) == 2
    backbone, cuts = ready.context.resolve("net")
    chooser = chooser_of(ready.context, backbone)
    for precision, is_kept in (("bfloat16", False), ("float32", True)):
        asked = Request(precision, cuts, lambda: None, 9, 3, unguarded)
        known = chooser._kept.find(openvino.OpenVINOProvider, asked)
        assert ("pace" in known.facts) == is_kept


def test_the_same_backbone_again_is_not_converted_again(ready, model_file, no_conversion):
    lines = []
    ready.backbones.add("net", model_file, preprocess="unit", say=lines.append)
    ready.backbones.add("twin", model_file, preprocess="unit", say=lines.append)
    assert len(conversions(ready)) == 1 and not lines


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
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
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


OPENVINO_ALONE = (
    "assert ws.extract('net', 'pics').report.engine == 'openvino'\n"
    "assert 'tensorflow' not in sys.modules\n"
)


def test_a_registry_of_which_the_files_are_gone_converts_again(ready):
    shutil.rmtree(ready.config.compiled)
    for file in ready.context.artifacts.files():
        if file.suffix == ".part":
            file.unlink()
    view = ready.extract("net", "pics")
    assert said(view) and view.report.engine == "openvino"
    assert_right(ready, view)


def test_samples_are_the_same_everywhere_and_pictures_are_not_all_noise(ready):
    from headstart.backbone_model import load_graph

    backbone, _ = ready.context.resolve("net")
    graph, pipeline = load_graph(ready.context, backbone), pipeline_of(ready.context, backbone)
    found = kept_samples(graph, pipeline)
    assert found.dtype == np.uint8 and found.shape == (8, 12, 12, 3)
    np.testing.assert_array_equal(found, kept_samples(graph, pipeline))
    for picture, side in zip(found, BLOCKS, strict=False):
        assert (picture[: min(side, 12), : min(side, 12)] == picture[0, 0]).all()


def test_samples_and_features_are_packed_without_pickle():
    several = {"b": np.ones((2, 3), np.int32), "a": np.zeros((2, 1), np.float32)}
    for samples in (several, several["b"]):
        again, features = unpack(pack(samples, [np.eye(2), np.ones(2)]))
        np.testing.assert_equal(again, samples)
        np.testing.assert_equal(features, [np.eye(2), np.ones(2)])
    with pytest.raises(ValueError, match="Python objects"):
        pack(np.array(["a", "b"], object), [])


def test_no_environment_of_ours_is_needed_for_it(ready):
    """As a user's shell has it: no CI, no variables of the tests."""
    code = f"import headstart as hs\nws = hs.open({str(ready.config.root)!r})\nimport sys\n"
    done = subprocess.run(
        [sys.executable, "-c", code + OPENVINO_ALONE], env=clean_environment(), check=False
    )
    assert done.returncode == 0
