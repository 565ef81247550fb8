"""A model file is looked into by a new interpreter; in the other tests one serves all."""

import subprocess

import h5py
import pytest

from conftest import network
from headstart.errors import UnsafeModel
from headstart.extractors.safety import inspection

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch):
    monkeypatch.setattr(inspection, "subprocess", subprocess)


def test_a_good_file_is_found_good(tmp_path):
    for name in ("a.keras", "a.weights.h5"):
        (network().save if name == "a.keras" else network().save_weights)(tmp_path / name)
        found = inspection.inspect_file(tmp_path / name, weights=name != "a.keras")
        assert found.problems == []
        assert found.stored > 100


def test_a_file_that_would_run_code_is_refused(tmp_path):
    network().save(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        text = file.attrs["model_config"]
        assert text.count('"class_name": "Dropout"') == 1
        file.attrs["model_config"] = text.replace('"Dropout"', '"Lambda"')
    with pytest.raises(UnsafeModel, match="a Lambda layer runs code"):
        inspection.check_file(tmp_path / "a.h5")
