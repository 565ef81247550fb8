"""bfloat16: features of their own, never taken for those in float32."""

import numpy as np
import pytest

import headstart as hs
from headstart.errors import BackboneError, FeaturesMissing
from headstart.extractors.engines import openvino_engine

HALF = hs.Settings(precision="bfloat16")


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_precisions_have_keys_of_their_own(ready, engine):
    whole = ready.extract("net", "pics")
    settings = hs.Settings(precision="bfloat16", engine=engine)
    half = ready.extract("net", "pics", settings=settings)
    assert half.report.computed == 36
    assert half.key != whole.key
    assert half.report.precision == "bfloat16"
    difference = np.abs(half.to_numpy() - whole.to_numpy()).max()
    if engine == "openvino" and not openvino_engine.has_bfloat16():  # it takes float32, and says so
        assert difference == 0
        assert any("no bfloat16" in warning for warning in half.report.warnings)
    else:
        assert 0 < difference < 0.05
    np.testing.assert_array_equal(
        ready.features("net", "pics", "bfloat16").to_numpy(), half.to_numpy()
    )
    np.testing.assert_array_equal(ready.features("net", "pics").to_numpy(), whole.to_numpy())


def test_features_of_the_other_precision_do_not_count(ready):
    ready.extract("net", "pics", settings=HALF)
    with pytest.raises(FeaturesMissing):
        ready.features("net", "pics")
    assert ready.cache.explain("net", "pics").to_compute == 36
    assert ready.cache.explain("net", "pics", "bfloat16").to_compute == 0


def test_a_precision_that_there_is_not(ready, fails):
    with pytest.raises(BackboneError, match="no precision 'float8'"):
        ready.features("net", "pics", "float8")
    with pytest.raises(BackboneError, match="no engine 'onnx'"):
        hs.Settings(engine="onnx")


def test_a_head_on_bfloat16_features_is_attached_and_predicts(ready, run, pictures):
    ran = run("head", "train", "h", "net", "pics", "--precision", "bfloat16", "--json")
    assert ran.code == 0, ran.err
    model, difference = ready.heads.get("h").attach_checked()
    assert difference <= 0.25
    assert model.output_shape == (None, 3)
    few = sorted((pictures / "red").iterdir())[:3]
    assert len(ready.heads.get("h").predict(few)) == 3


def test_the_commands_know_precisions(ready, run, tmp_path):
    ran = run("extract", "net", "pics", "--precision", "bfloat16", "--json").json
    assert (ran["precision"], ran["computed"]) == ("bfloat16", 36)
    more = ("--precision", "bfloat16", "--json")
    assert run("features", "explain", "net", "pics", *more).json["to_compute"] == 0
    verified = run("features", "verify", "net", "pics", *more).json
    assert verified["rows"] == 16
    assert 0 < verified["max_abs_diff"] < 0.05
    assert run("features", "export", "net", "pics", str(tmp_path / "f.npz"), *more).code == 0
    assert "bfloat16" in run("features", "list").out
