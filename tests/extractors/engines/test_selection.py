"""`--engine auto`: the fastest that is right; whatever fails, TensorFlow is there."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import forget_conversions, keras
from headstart.backbone_model import open_engine, pipeline_of
from headstart.errors import BackboneError
from headstart.extractors.cache.gc import Choice
from headstart.extractors.engines import openvino_engine as openvino
from headstart.extractors.engines import selection, trial
from headstart.extractors.engines.compiled import HASH_BYTES, Compiled
from headstart.extractors.engines.race import Lap, Race
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine

OPENVINO = hs.Settings(engine="openvino")
TENSORFLOW = hs.Settings(engine="tensorflow")
TOLERANCE = 1e-5


@pytest.fixture
def any_size(monkeypatch):
    """Another engine is looked for, however few the samples are."""
    monkeypatch.setattr(selection, "WORTH", 0.0)


@pytest.fixture
def old(ready):
    """The workspace as it was before trunks were converted when they are registered."""
    forget_conversions(ready)
    return ready


def paced(wall, cpu):
    """A race of one pair that comes out so."""
    return lambda *_: Race(((Lap(1, 1 / wall, 1 / cpu), Lap(1, 1.0, 1.0)),))


def clear(ws):
    """Forget the features, not what is compiled."""
    for key in [found.key for found in ws.context.feature_sets.find_sets()]:
        ws.cache.collect(ws.cache.find_garbage(Choice(sets=(key,))))


def plain_features(ws):
    backbone, cuts = ws.context.resolve("net")
    view = ws.features("net", "pics")
    pipeline = pipeline_of(ws.context, backbone)
    prepared = [pipeline.prepare(Path(str(s.location)).read_bytes()) for s in view.samples]
    return open_engine(ws.context, backbone, cuts).run(np.stack(prepared))[0]


def test_openvino_stores_what_tensorflow_would(ready):
    view = ready.extract("net", "pics", settings=OPENVINO)
    assert view.report.engine == "openvino"
    assert "relative error" in view.report.engine_reason
    assert view.report.check["relative_error"] <= 1e-4
    np.testing.assert_allclose(view.to_numpy(), plain_features(ready), atol=TOLERANCE)
    (found,) = ready.context.feature_sets.find_sets()
    (shard,) = ready.context.feature_sets.find_shards(found.id)
    assert shard.engine == "openvino"
    assert shard.versions["openvino"] == openvino.version()


def test_the_engine_is_no_part_of_the_key(ready):
    one = ready.extract("net", "pics", settings=OPENVINO).report
    other = ready.extract("net", "pics", settings=TENSORFLOW).report
    assert one.feature_key == other.feature_key
    assert (other.computed, other.engine) == (0, "cache")


def test_auto_takes_openvino_where_it_is_faster_and_says_why(ready):
    report = ready.extract("net", "pics").report
    assert report.engine == "openvino"
    assert "x tensorflow, relative error" in report.engine_reason


def test_few_samples_are_not_worth_a_conversion(old):
    report = old.extract("net", "pics").report
    assert (report.engine, report.engine_reason) == ("tensorflow", "fast enough for so few samples")
    assert not list(old.config.compiled.iterdir())


def test_auto_takes_tensorflow_where_that_is_faster(old, monkeypatch, any_size):
    monkeypatch.setattr(trial, "race", paced(1 / 3, 1 / 3))
    report = old.extract("net", "pics").report
    assert (report.engine, report.engine_reason) == ("tensorflow", "3.0x openvino")


@pytest.mark.parametrize(("wall", "cpu"), [(0.1, 3.3), (3.3, 0.1), (0.95, 0.95)])
def test_one_clock_alone_and_a_near_tie_leave_it_with_the_preferred_engine(
    old, monkeypatch, any_size, wall, cpu
):
    monkeypatch.setattr(trial, "race", paced(wall, cpu))
    assert old.extract("net", "pics").report.engine == "openvino"


def test_what_was_once_chosen_by_the_clock_alone_is_not_kept_for_ever(ready, any_size):
    ready.extract("net", "pics", settings=OPENVINO)
    for file in ready.config.compiled.iterdir():  # as an old version wrote it, under a load
        known = _known(file)
        check = known.facts["check"]
        del check["wall_ratio"], check["cpu_ratio"]
        check |= {"openvino_per_second": 50.0, "tensorflow_per_second": 100.0}
        _put(file, known)
    clear(ready)
    assert ready.extract("net", "pics").report.engine == "openvino"


def test_an_engine_that_lost_once_is_timed_again_the_next_time(old, monkeypatch, any_size):
    raced = []
    monkeypatch.setattr(trial, "race", lambda *_: raced.append(1) or paced(1 / 3, 1 / 3)())
    for times in (1, 2):
        assert old.extract("net", "pics").report.engine == "tensorflow"
        assert len(raced) == times
        clear(old)
    monkeypatch.setattr(trial, "race", paced(3.3, 3.3))
    report = old.extract("net", "pics").report
    assert report.engine == "openvino" and report.engine_reason.startswith("3.3x tensorflow")
    clear(old)
    monkeypatch.setattr(trial, "race", lambda *_: pytest.fail("it was timed once more"))
    assert old.extract("net", "pics").report.engine == "openvino"


def test_an_engine_that_lost_is_timed_again_three_times_and_not_for_a_few_samples(
    old, monkeypatch, any_size
):
    raced = []
    monkeypatch.setattr(trial, "race", lambda *_: raced.append(1) or paced(1 / 3, 1 / 3)())
    old.extract("net", "pics")
    with monkeypatch.context() as patch:
        patch.setattr(selection, "WORTH", 1e9)  # seconds that no run would take
        clear(old)
        assert old.extract("net", "pics").report.engine == "tensorflow"
        assert len(raced) == 1
    for _ in range(5):
        clear(old)
        assert old.extract("net", "pics").report.engine == "tensorflow"
    assert len(raced) == 1 + 3


def test_a_model_that_cannot_be_converted_falls_back_with_one_line(
    old, ready, monkeypatch, any_size, run
):
    def fails(*_):
        raise RuntimeError("no such operation: FancyOp\nand a long story")

    monkeypatch.setattr(openvino, "convert", fails)
    ran = run("extract", "net", "pics")
    assert ran.code == 0
    (line,) = [line for line in ran.err.splitlines() if "openvino" in line]
    assert line == (
        "warning: TensorFlow runs this: openvino cannot convert it (RuntimeError: no such "
        "operation: FancyOp)"
    )
    assert ready.extract("net", "pics").report.reused == 36
    with pytest.raises(BackboneError, match="cannot run 'net': cannot convert it"):
        clear(ready)
        ready.extract("net", "pics", settings=OPENVINO)


def test_an_engine_with_other_features_is_not_used(ready, monkeypatch, any_size):
    real = openvino.OpenVINOEngine.run
    monkeypatch.setattr(
        openvino.OpenVINOEngine, "run", lambda self, b: [1.01 * o for o in real(self, b)]
    )
    report = ready.extract("net", "pics").report
    assert report.engine == "tensorflow"
    assert "openvino gives other features (relative error 0.01" in report.engine_reason
    np.testing.assert_allclose(
        ready.features("net", "pics").to_numpy(), plain_features(ready), atol=TOLERANCE
    )


def test_openvino_that_is_not_installed(ready, monkeypatch, fails, any_size):
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    message = fails("extract", "net", "pics", "--engine", "openvino")
    assert "the engine openvino is not installed. pip install 'headstart[cpu]'" in message
    report = ready.extract("net", "pics").report
    assert (report.engine, report.engine_reason) == ("tensorflow", "openvino is not installed")


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied"])
def test_a_damaged_compiled_model_is_made_again(ready, damage):
    expected = ready.extract("net", "pics", settings=OPENVINO).to_numpy()
    (file,) = ready.config.compiled.iterdir()
    whole = file.read_bytes()
    bad = bytearray(whole)
    bad[len(bad) // 2] ^= 1
    damaged = {"flipped": bytes(bad), "truncated": whole[:-40], "emptied": b""}
    file.write_bytes(damaged[damage])
    clear(ready)
    view = ready.extract("net", "pics", settings=OPENVINO)
    assert view.report.computed == 36
    np.testing.assert_allclose(view.to_numpy(), expected, atol=TOLERANCE)
    assert len(file.read_bytes()) > 1000


def test_a_compiled_model_is_run_without_tensorflow(ready):
    ready.extract("net", "pics", settings=OPENVINO)
    expected = ready.features("net", "pics").to_numpy()
    clear(ready)
    code = (
        "import sys, numpy as np, headstart as hs\n"
        f"view = hs.open({str(ready.config.root)!r}).extract('net', 'pics')\n"
        "assert view.report.computed == 36 and view.report.engine == 'openvino', view.report\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        f"np.save({str(ready.config.root / 'found.npy')!r}, view.to_numpy())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=280)
    np.testing.assert_allclose(np.load(ready.config.root / "found.npy"), expected, atol=TOLERANCE)


def _known(file):
    head, _, model = file.read_bytes()[:-HASH_BYTES].partition(b"\n")
    return Compiled(json.loads(head), model)


def _put(file, known):
    body = json.dumps(known.facts).encode() + b"\n" + known.model
    file.write_bytes(body + hashlib.sha256(body).digest())


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_compiled_ahead_no_extraction_loads_tensorflow(old, ready, run, any_size, precision):
    root = str(ready.config.root)
    said = run("backbone", "compile", "net", "pics", "--precision", precision, "--json").json
    assert said["engine"] == "openvino"
    assert said["check"]["relative_error"] <= (1e-4 if precision == "float32" else 0.2)
    code = (
        "import sys, headstart as hs\n"
        "from headstart.extractors.engines import selection\n"
        f"settings = hs.Settings(precision={precision!r})\n"
        f"report = hs.open({root!r}).extract('net', 'pics', settings=settings).report\n"
        "assert report.computed and report.engine == 'openvino', report\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    again = code.replace("report.computed and report.engine == 'openvino'", "not report.computed")
    needless = "{'tensorflow', 'openvino', 'h5py', 'pyarrow.compute', 'pandas'}"
    again += f"\nassert {needless}.isdisjoint(sys.modules)"
    subprocess.run([sys.executable, "-c", again], check=True)


@pytest.mark.slow
def test_the_lint_looks_also_where_the_model_is_not_loaded(ws, tmp_path):
    image = keras.Input((12, 12, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="conv")(x))
    keras.Model(image, keras.layers.Dense(2)(x)).save(tmp_path / "m.keras")
    scaled = np.random.default_rng(0).random((20, 12, 12, 3), np.float32)
    for name, values in (("one", scaled), ("two", scaled / 2)):
        np.savez(tmp_path / f"{name}.npz", x=values, y=np.arange(20) % 2)
        ws.datasets.add(name, tmp_path / f"{name}.npz")
    ws.backbones.add("net", tmp_path / "m.keras", preprocess="array")
    first = ws.extract("net", "one", settings=OPENVINO).report
    again = ws.extract("net", "two", settings=OPENVINO).report
    for report in (first, again):
        assert any("scaled twice" in warning for warning in report.warnings)


def test_the_size_of_calls_can_be_given(ready):
    settings = hs.Settings(engine="openvino", batch_size=5)
    view = ready.extract("net", "pics", settings=settings)
    np.testing.assert_allclose(view.to_numpy(), plain_features(ready), atol=TOLERANCE)


def test_tensorflow_engines_are_what_the_chooser_builds(ready):
    backbone, cuts = ready.context.resolve("net")
    assert isinstance(open_engine(ready.context, backbone, cuts), TensorFlowEngine)
