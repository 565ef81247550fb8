"""int8: a trunk is calibrated once, what it costs is said, and its features are told by it."""

import json
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

import headstart as hs
from conftest import clean_environment, draw_classes
from headstart.errors import BackboneError, FeaturesMissing, HeadError
from headstart.extractors.cache.gc import Choice
from headstart.extractors.difference import relative_error
from headstart.extractors.engines import openvino_engine as openvino
from headstart.extractors.engines.engine import kind_of
from headstart.extractors.engines.int8 import quantization
from headstart.extractors.engines.int8.calibrations import KIND
from headstart.extractors.engines.parity import TOLERANCES
from headstart.jobs.features import calibrate
from headstart.jobs.features.verdict import LARGEST_ERROR
from headstart.notices import HeadstartWarning

ANY = hs.Settings(precision="int8", max_loss=100.0)
"""The network has random weights, and 18 samples tell nothing."""


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory, with_net):
    """A workspace with `net` calibrated by `pics`; only to be copied."""
    place = tmp_path_factory.mktemp("calibrated")
    shutil.copytree(with_net[1], place / "zoo")
    ws = hs.open(place / "zoo")
    ws.datasets.add("pics", draw_classes(place / "pictures"))
    ws.extract("net", "pics", settings=ANY)
    ws.database.close()
    return place


@pytest.fixture
def ws(tmp_path, temporary, calibrated):
    shutil.copytree(calibrated / "zoo", tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


@pytest.fixture
def once(monkeypatch):
    """Nothing is calibrated any more."""

    def quantize(*_):
        raise AssertionError("it was calibrated again")

    monkeypatch.setattr(quantization, "quantize", quantize)


def rows_of(ws):
    return ws.context.runs.find_latest(KIND)


def test_features_are_those_of_the_calibration_and_near_float32(ws, once):
    view = ws.extract("net", "pics", settings=ANY)
    assert view.report.computed == 0
    (row,) = rows_of(ws)
    assert view.report.precision == row.counts["precision"]
    assert kind_of(view.report.precision) == "int8" != view.report.precision
    whole = ws.extract("net", "pics")
    assert view.key != whole.key
    quantized = view.to_numpy()
    error = relative_error([quantized], [whole.to_numpy()])
    assert 0 < error < LARGEST_ERROR
    assert row.counts["verdict"]["mean_relative_error"] < LARGEST_ERROR
    np.testing.assert_array_equal(ws.features("net", "pics", "int8").to_numpy(), quantized)
    full = ws.features("net", "pics", view.report.precision).to_numpy()
    np.testing.assert_array_equal(full, quantized)


def test_a_calibration_is_the_same_bit_for_bit_and_so_are_its_features(ws):
    before = ws.features("net", "pics", "int8")
    (row,), expected = rows_of(ws), before.to_numpy()
    with ws.database.writing() as connection:
        connection.execute(text("DELETE FROM runs WHERE kind = 'quantize'"))
    key = before.key
    del before  # it holds its files
    ws.cache.gc(Choice(sets=(key,)), apply=True)
    for file in ws.config.compiled.iterdir():
        file.unlink()
    view = ws.extract("net", "pics", settings=ANY)
    assert view.report.computed == 36
    assert rows_of(ws)[0].counts["parts"] == row.counts["parts"]
    assert rows_of(ws)[0].counts["precision"] == row.counts["precision"]
    np.testing.assert_array_equal(view.to_numpy(), expected)


def test_another_dataset_takes_the_calibration_that_is_there(ws, once, tmp_path):
    ws.datasets.add("more", draw_classes(tmp_path / "more"))
    (tmp_path / "more" / "red" / "00.jpg").unlink()
    ws.datasets.refresh("more")
    view = ws.extract("net", "more", settings=ANY)
    assert view.report.precision == rows_of(ws)[0].counts["precision"]
    assert view.report.computed == 0  # the same pictures: their rows are served


def test_the_report_says_what_it_costs(ws, tmp_path):
    ws.datasets.add("more", draw_classes(tmp_path / "pictures"))
    (tmp_path / "pictures" / "red" / "00.jpg").write_bytes(
        (tmp_path / "pictures" / "green" / "00.jpg").read_bytes() + b"more"
    )
    ws.datasets.refresh("more")
    report = ws.extract("net", "more", settings=ANY).report
    assert report.computed == 1
    assert report.check["again"] <= TOLERANCES["int8"]
    assert {"float32", "int8", "loss_points", "interval_points"} < set(report.check["accuracy"])
    assert "a linear head" in report.engine_reason and report.engine == "openvino"


def test_samples_of_the_calibration_and_of_the_verdict_are_others_and_of_all_classes(ws):
    backbone, cuts = ws.context.resolve("net")
    record = ws.context.datasets.get("pics")
    job = calibrate._Job(
        ws.context, backbone, cuts[0], record, ws.context.manifest(record), hs.Settings()
    )
    by, tried = calibrate._samples(job)
    assert not {one.digest for one in by} & {one.digest for one in tried}
    assert {one.label for one in by} == {one.label for one in tried} == {"red", "green", "blue"}
    assert len(by) + len(tried) == 36


def test_tensorflow_several_cuts_and_what_is_not_calibrated_are_refused(ws, once):
    settings = hs.Settings(precision="int8", engine="tensorflow")
    with pytest.raises(BackboneError, match="tensorflow does not compute in int8"):
        ws.extract("net", "pics", settings=settings)
    with pytest.raises(BackboneError, match="2 cuts in int8"):
        ws.extract("net@features,pool", "pics", settings=ANY)
    with pytest.raises(FeaturesMissing):
        ws.features("net@pool", "pics", "int8")
    with pytest.raises(BackboneError, match="no calibration int8"):
        ws.transformer("net@pool", precision="int8").fit([]).transform([np.zeros((12, 12, 3))])
    with pytest.raises(BackboneError, match="no precision 'int8-12'"):
        ws.features("net", "pics", "int8-12")


def test_what_is_missing_is_named_with_the_command_that_brings_it(ready, monkeypatch, fails):
    monkeypatch.setattr(quantization, "is_installed", lambda: False)
    line = fails("extract", "net", "pics", "--precision", "int8")
    assert "NNCF is not installed" in line and "pip install 'headstart[quant]'" in line
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    line = fails("extract", "net", "pics", "--precision", "int8")
    assert "the engine openvino is not installed" in line and "pip install" in line


def test_garbage_collection_keeps_it_and_a_damaged_file_is_made_anew(ws, once, monkeypatch):
    parts = rows_of(ws)[0].counts["parts"].values()
    files = [ws.context.artifacts.path_of(one, ".part") for one in parts]
    ws.cache.gc(apply=True)
    assert all(file.exists() for file in files)
    files[0].unlink()
    for file in ws.config.compiled.iterdir():
        file.unlink()
    monkeypatch.undo()
    before = rows_of(ws)[0].counts["precision"]
    assert ws.extract("net", "pics", settings=ANY).report.precision == before
    assert files[0].exists()


def test_an_engine_that_gives_something_else_is_refused(ws, monkeypatch, tmp_path):
    """As on a processor whose sums of products overflow."""
    for file in ws.config.compiled.iterdir():
        file.unlink()
    run = openvino.OpenVINOEngine.run
    monkeypatch.setattr(
        openvino.OpenVINOEngine, "run", lambda self, batch: [o * 1.2 for o in run(self, batch)]
    )
    ws.datasets.add("more", draw_classes(tmp_path / "pictures"))
    (tmp_path / "pictures" / "red" / "00.jpg").unlink()
    for number in (1, 2):
        content = (tmp_path / "pictures" / "red" / f"0{2 * number}.jpg").read_bytes()
        (tmp_path / "pictures" / "red" / f"9{number}.jpg").write_bytes(content + b"more")
    ws.datasets.refresh("more")
    with pytest.raises(BackboneError, match="is not as it was calibrated: it gives other features"):
        ws.extract("net", "more", settings=ANY)


def test_verify_computes_rows_in_int8(ws, run):
    verified = run("features", "verify", "net", "pics", "--precision", "int8", "--json").json
    assert verified["ok"] and verified["rows"] == 16
    assert verified["max_abs_diff"] == 0 and verified["tolerance"] == TOLERANCES["int8"]


def test_explain_says_by_what_it_was_calibrated(ws, run):
    found = run("features", "explain", "net", "pics", "--precision", "int8")
    assert "calibrated by 18 samples of pics; relative error" in " ".join(found.out.split())
    whole = run("features", "explain", "net", "pics", "--precision", "int8", "--json").json
    assert whole["to_compute"] == 0
    assert whole["cuts"][0]["calibration"]["dataset"] == "pics"
    other = run("features", "explain", "net@pool", "pics", "--precision", "int8")
    assert "not calibrated for int8 yet" in other.out


def test_a_head_on_int8_predicts_and_is_not_attached(ws, calibrated):
    head = ws.heads.train("h", ws.features("net", "pics", "int8"))
    assert head.origin()[1].precision == rows_of(ws)[0].counts["precision"]
    few = sorted((calibrated / "pictures" / "red").iterdir())[:3]
    assert len(head.predict(few)) == 3
    for refused in (head.attach, lambda: head.finetune("pool")):
        with pytest.raises(HeadError, match="trained on features in int8"):
            refused()


def test_a_head_of_a_sweep_in_int8_is_on_the_calibration_that_was_tried(ws, once, run):
    trying = hs.CrossValidation(folds=2)
    few = [hs.Linear((1.0,))]
    kept = ws.sweep("pics", ["net"], few, precision="int8", trying=trying, jobs=1)
    (row,) = rows_of(ws)
    key = ws.features("net", "pics", "int8").key
    newer = replace(row, counts=row.counts | {"precision": "int8-1"})
    ws.context.runs.add(newer)
    assert run("head", "train", "h", "--from-sweep", kept.id).code == 0
    assert ws.heads["h"].record.feature_key == key
    assert ws.heads.train_from_sweep("h", kept.id).record.feature_key == key


def test_rank_takes_what_is_cached_in_int8(ws):
    assert [row.cut for row in ws.rank("pics", precision="int8")] == ["features"]


def test_the_command_line_prints_one_document_and_calibrates(ready, run):
    ran = run("extract", "net", "pics", "--precision", "int8", "--max-loss", "100", "--json")
    assert ran.code == 0, ran.err
    assert kind_of(json.loads(ran.out)["precision"]) == "int8"
    assert "is calibrated for int8 by 18 samples of pics" in ran.err


QUIET = """
import socket, sys
def refuse(*_):
    raise AssertionError("it would tell somebody")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import headstart as hs
ws = hs.open(sys.argv[1])
ws.extract("net", "pics", settings=hs.Settings(precision="int8", max_loss=100.0))
from nncf.telemetry.wrapper import telemetry
assert "Mock" in type(telemetry).__name__, telemetry
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""


def test_nncf_tells_nobody_and_prints_nothing(ready, tmp_path):
    """Its telemetry is left out under pytest by itself: so it is looked at in another process."""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", QUIET, ready.config.root],
        env=clean_environment(HOME=str(home)),
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert not [path for path in home.rglob("*") if "intel" in str(path).lower()]


KILLED = """
import os, signal, sys
import headstart as hs
from headstart.extractors.engines.int8 import calibrations, quantization
from headstart.registry import runs
from headstart.storage import artifacts
where = sys.argv[2]
owner, name = {
    "quantized": (quantization, "quantize"),
    "files": (artifacts.ArtifactStore, "keep"),
    "row": (runs.RunRepository, "add"),
}[where]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, die)
hs.open(sys.argv[1]).extract("net", "pics", settings=hs.Settings(precision="int8", max_loss=100.0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["quantized", "files", "row"])
def test_a_process_killed_while_it_calibrates_leaves_nothing_half(ready, where):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, ready.config.root, where],
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not rows_of(ready)
    report = ready.extract("net", "pics", settings=ANY).report
    assert report.computed == 36 and len(rows_of(ready)) == 1
    strays = {one.what for one in ready.cache.gc().found}
    kept = {
        str(ready.context.artifacts.path_of(d, ".part"))
        for d in rows_of(ready)[0].counts["parts"].values()
    }
    assert not strays & kept


def test_a_processor_without_vnni_is_told(monkeypatch, tmp_path):
    said = openvino.OpenVINOProvider.caveats
    quantization.is_fast_here.cache_clear()
    monkeypatch.setattr(quantization, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags : sse avx2 fma")
    (line,) = said("int8-0123456789abcde")
    assert "neither VNNI nor AMX" in line
    quantization.is_fast_here.cache_clear()
    (tmp_path / "cpuinfo").write_text("flags : sse avx2 avx512_vnni")
    assert said("int8-0123456789abcde") == ()
    quantization.is_fast_here.cache_clear()


def test_a_calibration_that_is_refused_is_made_anew_by_another_dataset_only(
    ws, tmp_path, monkeypatch
):
    found = {"samples": 9, "relative_error": 1.0, "mean_relative_error": 0.9}
    monkeypatch.setattr(calibrate, "verdict_of", lambda *_: dict(found))
    with ws.database.writing() as connection:
        connection.execute(text("DELETE FROM runs WHERE kind = 'quantize'"))
    for _ in range(2):
        with pytest.raises(BackboneError, match="gives other features"):
            ws.extract("net", "pics", settings=ANY)
    assert len(rows_of(ws)) == 1  # it is not calibrated again to be refused again
    (row,) = rows_of(ws)
    assert row.counts["refused"] and row.counts["verdict"] == found
    backbone, (cut,) = ws.context.resolve("net", "int8")
    assert cut.precision == "int8" and ws.context.calibrations.find(backbone, cut) is None
    ws.datasets.add("more", draw_classes(tmp_path / "more"))
    found["mean_relative_error"] = 0.1
    assert ws.extract("net", "more", settings=ANY).report.precision
    assert [row.dataset for row in rows_of(ws)] == ["more", "pics"]
    ws.extract("net", "pics", settings=ANY)
    assert len(rows_of(ws)) == 2


def lossy(points):
    """A verdict that loses so many points of accuracy, beyond doubt."""
    accuracy = {"samples": 900, "float32": 0.9, "int8": 0.9 - points / 100, "loss_points": points}
    accuracy["interval_points"] = [points - 0.1, points + 0.1]
    return {"samples": 900, "mean_relative_error": 0.2, "accuracy": accuracy}


def test_int8_means_what_was_not_refused_and_a_change_of_it_is_said(ws, tmp_path, monkeypatch):
    monkeypatch.delattr(calibrate, "_calibrate")
    (row,) = rows_of(ws)
    ws.datasets.add("more", draw_classes(tmp_path / "more"))
    with ws.database.writing() as connection:
        connection.execute(text("DELETE FROM runs WHERE kind = 'quantize'"))
    for dataset, points, precision in (("pics", 5.0, "int8-1"), ("more", 3.0, "int8-2")):
        counts = {"precision": precision, "verdict": lossy(points), "refused": dataset == "more"}
        ws.context.runs.add(replace(row, dataset=dataset, counts=row.counts | counts))
    backbone, cuts = ws.context.resolve("net")

    def wanted(dataset, max_loss):
        settings = hs.Settings(precision="int8", max_loss=max_loss)
        record = ws.context.datasets.get(dataset)
        known = ws.context.manifest(record)
        (cut,) = calibrate.calibrated(ws.context, backbone, cuts, record, known, settings)
        return cut.precision

    def meant():
        return ws.context.resolve("net", "int8")[1][0].precision

    assert meant() == wanted("pics", 10.0) == wanted("more", 10.0) == "int8-1"
    with pytest.raises(BackboneError, match=r"loses 3\.0 points .* more than 1 allowed"):
        wanted("more", 1.0)  # it is not calibrated again to be refused again
    assert meant() == "int8-1" and len(rows_of(ws)) == 2
    with pytest.warns(HeadstartWarning, match=r"means int8-2 .* by more; it meant int8-1, .* pics"):
        assert wanted("more", 4.0) == "int8-2"
    assert meant() == "int8-2" and [one.dataset for one in rows_of(ws)] == ["more", "more", "pics"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wanted("pics", 4.0) == "int8-2"
    assert len(rows_of(ws)) == 3
