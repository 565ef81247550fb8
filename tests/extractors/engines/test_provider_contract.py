"""Every engine's provider keeps the contract of `extractors/engines/provider.py`."""

import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from conftest import network
from headstart.errors import BackboneError
from headstart.extractors.difference import relative_error
from headstart.extractors.engines.engine import PRECISIONS
from headstart.extractors.engines.parity import TOLERANCES
from headstart.extractors.engines.provider import Trunk
from headstart.extractors.engines.providers import PROVIDERS, REFERENCE, others
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine
from headstart.extractors.engines.trial import speed
from headstart.extractors.preprocessing.affine import Affine
from toy_packages import TOYS

NAMES = [*PROVIDERS, "toy-graphdef"]


@pytest.fixture(params=NAMES)
def provider(request, monkeypatch):
    if request.param in PROVIDERS:
        return PROVIDERS[request.param]
    monkeypatch.syspath_prepend(TOYS)
    return importlib.import_module("toys.graphdef").GraphDefProvider


@dataclass
class Trial:
    """What `selection` gives."""

    batch: np.ndarray
    precision: str = "float32"
    call_size: int | None = None

    def guard(self, words, work):
        return work()

    def time(self, engine, least=1):
        return speed(engine, self.batch, least)


@pytest.fixture(scope="module")
def reference():
    model = network()  # held: the function has no hold on its weights
    yield TensorFlowEngine(model)


@pytest.fixture
def batch():
    return np.random.default_rng(0).random((11, 12, 12, 3), np.float32)


def trunk_of(reference, arithmetic=None):
    return Trunk(
        reference.function, reference.names, reference.limits, arithmetic, lambda _: reference
    )


def test_it_declares_what_it_is(provider):
    assert provider.name and provider.install.startswith("pip install ")
    assert isinstance(provider.preference, int)
    assert provider.problem() == ""  # all are installed where the tests are run
    assert provider.version() and provider.processor()
    assert provider.on_gpu() in (True, False)
    assert all(isinstance(line, str) for p in PRECISIONS for line in provider.caveats(p))


def test_it_gives_the_features_of_tensorflow(provider, reference, batch):
    trial = Trial(batch)
    converted = provider.convert(trunk_of(reference), trial)
    assert converted.engine.name == provider.name
    for count in (1, 3, 11):
        found = converted.engine.run(batch[:count])
        expected = reference.run(batch[:count])
        assert relative_error(found, expected) <= TOLERANCES["float32"]
        assert [one.dtype for one in found] == [one.dtype for one in expected]


def test_an_engine_has_a_precision_lanes_and_a_size_of_calls(provider, reference, batch):
    engine = provider.convert(trunk_of(reference), Trial(batch)).engine
    assert engine.precision == "float32" and engine.lanes >= 1 and engine.call_size >= 1
    with ThreadPoolExecutor(engine.lanes) as pool:
        found = list(pool.map(engine.run, [batch] * (2 * engine.lanes)))
    for (one,) in found:
        np.testing.assert_array_equal(one, found[0][0])


def test_what_it_keeps_is_loaded_again_with_facts_that_went_through_json(
    provider, reference, batch
):
    converted = provider.convert(trunk_of(reference), Trial(batch, call_size=4))
    facts = json.loads(json.dumps(converted.facts))
    if converted.content is None:
        with pytest.raises(BackboneError):
            provider.load(b"", facts, "float32")
        return
    again = provider.load(converted.content, facts, "float32")
    np.testing.assert_array_equal(again.run(batch)[0], converted.engine.run(batch)[0])
    assert (again.name, again.call_size) == (provider.name, converted.engine.call_size)


def test_it_does_the_arithmetic_of_an_image_on_its_pixels(provider, reference):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 12, 12, 3)).astype(np.uint8)
    affine = Affine(np.full(3, 1 / 255, np.float32), np.full(3, -0.5, np.float32), True)
    if provider.name == REFERENCE:
        pytest.skip("it takes finished batches")
    converted = provider.convert(trunk_of(reference, affine), Trial(pixels))
    finished = pixels[..., ::-1].astype(np.float32) / 255 - np.float32(0.5)
    error = relative_error(converted.engine.run(pixels), reference.run(finished))
    assert error <= TOLERANCES["float32"]


def test_a_batch_that_does_not_fit_is_refused(provider, reference, batch):
    engine = provider.convert(trunk_of(reference), Trial(batch)).engine
    with pytest.raises(ValueError):
        engine.run(batch[..., :2])


def test_the_reference_is_none_of_the_others_and_those_come_by_preference():
    assert REFERENCE in PROVIDERS and REFERENCE not in [one.name for one in others()]
    wanted = [one.preference for one in others()]
    assert wanted == sorted(wanted, reverse=True)


def test_selection_names_no_engine():
    from pathlib import Path

    from headstart.extractors.engines import selection, trial

    for module in (selection, trial):
        assert "openvino" not in Path(module.__file__).read_text(encoding="utf-8").lower()
