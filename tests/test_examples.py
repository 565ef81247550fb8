"""The three classic examples: each the whole way from a saved file, compared with plain Keras."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "options", "cut"),
    [
        ("custom_cnn", {}, "cut at dense (32,)"),
        ("lstm_text", {}, "cut at lstm_2 (24,)"),
        # Random weights: a test must not download 500 MB.
        pytest.param(
            "vgg16_photos",
            {"weights": "none"},
            "cut at fc2 (4096,)",
            marks=pytest.mark.slow,
            id="vgg16_photos",
        ),
    ],
)
def test_an_example_equals_plain_keras(name, options, cut, tmp_path, capsys):
    found = load(name).main(tmp_path, **options)
    assert cut in capsys.readouterr().out
    assert found["features"] <= 1e-5
    assert found["attached"] <= 1e-4
    assert found["weights"] == 0  # training a head changes nothing of the backbone


@pytest.mark.slow
def test_news_are_told_apart_by_minilm(tmp_path):
    found = load("minilm_news").main(tmp_path)
    assert found["accuracy"] >= 0.95
    assert found["attached"] <= 1e-4
    assert found["agreement"] == 1


def test_every_example_is_tested():
    assert {file.stem for file in EXAMPLES.glob("*.py")} == {
        "minilm_news",
        "custom_cnn",
        "lstm_text",
        "vgg16_photos",
    }
