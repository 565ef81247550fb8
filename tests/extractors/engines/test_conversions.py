"""A trunk is converted when its backbone is registered; what is kept of it is believed to be what
its hash says, and to give what TensorFlow gave."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conversions_read import OPENVINO_ALONE, conversions, elsewhere_run, said
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
from headstart.extractors.engines.conversions import REFERENCES
from headstart.extractors.engines.kept import KeptEngines
from headstart.extractors.engines.parity import TOLERANCES
from headstart.extractors.engines.seeded import BLOCKS, kept_samples, pack, unpack
from headstart.extractors.engines.trial import Request
from headstart.extractors.watchdog import unguarded

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
        released.wait(240)
        return b""

    monkeypatch.setattr(openvino, "_exported", hangs)
    yield released
    released.set()


def test_a_compiled_model_that_is_exported_for_ever_is_given_up(elsewhere, hung_export):
    view = elsewhere.extract("net", "pics", settings=hs.Settings(stall_seconds=5.0))
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
    told = "openvino is not taken, and made again: the artifact"
    assert any(told in warning for warning in said(view)), said(view)
    assert view.report.engine == "openvino"
    assert_right(elsewhere, view)
    forget_rows(elsewhere)
    assert not said(elsewhere.extract("net", "pics"))


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
