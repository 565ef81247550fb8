"""A pooling of another package: found, extracted with, attached; and never taken for another."""

import json
import sys

import numpy as np
import pytest
from test_plugins import commands

from conftest import direct
from headstart.errors import BackboneError, LayerNotFound
from headstart.extractors.backbones.pooling import POOLINGS, Pooling, pool
from headstart.plugins import Plugins
from toy_packages import install_toys, write_package


@pytest.mark.slow
def test_a_toy_pooling_is_listed_extracted_with_and_attached(ready, model, tmp_path):
    folder, root = install_toys(tmp_path / "site"), ready.config.root
    whole, cut = tmp_path / "whole.npz", "net@relu|spread"
    codes, outs, err = commands(
        folder,
        root,
        ("doctor", "--json"),
        ("extract", cut, "pics", "--json"),
        ("features", "export", cut, "pics", whole, "--json"),
        ("extract", cut, "pics", "--json"),
        ("head", "train", "h", cut, "pics", "--json"),
        ("head", "attach", "h", "-o", tmp_path / "h.keras", "--json"),
        ("head", "predict", "h", tmp_path / "pictures" / "red", "--json"),
        ("features", "verify", cut, "pics", "--json"),
    )
    assert codes == [0] * 8, err
    checks, first, exported, again, trained, attached, predicted, verified = map(json.loads, outs)
    listed = {check["what"]: check["found"] for check in checks}
    assert listed["pooling spread"] == "from toys 0.1"
    assert listed["poolings"] == "gap, gmp, flatten, mean, max, cls, last, masked"
    assert (first["computed"], again["computed"], again["reused"]) == (36, 0, 36)
    assert (trained["cut"], exported["rows"]) == ("relu|spread", 36)
    assert attached["max_abs_diff"] < 1e-4 and len(predicted) == 12 and verified["ok"]
    with np.load(whole) as file:
        given = file["features"]
    maps = direct(ready, ready.extract("net", "pics"), model, "relu")
    wanted = np.concatenate([maps.mean(axis=(1, 2)), maps.std(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(given, wanted, atol=1e-4)

    toy = folder / "toys" / "spread.py"  # what it computes changes, and so does its version
    text = toy.read_text().replace("version: ClassVar[int] = 1", "version: ClassVar[int] = 2")
    toy.write_text(text.replace("[mean, ops.sqrt", "[2 * mean, ops.sqrt"))
    codes, outs, err = commands(
        folder, root, ("extract", cut, "pics", "--json"), ("head", "attach", "h", "-o", "x.keras")
    )
    assert codes == [0, 1] and json.loads(outs[0])["computed"] == 36
    assert "is not the one that head 'h' was trained on" in err

    codes, outs, err = commands(
        tmp_path / "nothing", root, ("extract", cut, "pics"), ("features", "list"), ("rank", "pics")
    )
    assert codes[:2] == [1, 0] and "unexpected" not in err
    assert "error: no pooling 'spread' in cut 'relu|spread'" in err and "install that again" in err


MODULE = """
from toys.spread import Spread
class Other(Spread):
    name = "{name}"
    version = {version}
    @staticmethod
    def run(tensor, mask):
        {run}
"""


@pytest.fixture
def pooling(tmp_path, monkeypatch):
    """A function that gives `POOLINGS` with one of a package in it."""
    monkeypatch.syspath_prepend(install_toys(tmp_path / "toys"))

    def install(package="one", name="other", version=1, run="return tensor"):
        folder = tmp_path / package
        module = f"poolings_of_{tmp_path.name}_{package}".replace("-", "_")
        write_package(folder, package, {"headstart.poolings": {name: f"{module}:Other"}})
        (folder / f"{module}.py").write_text(MODULE.format(name=name, version=version, run=run))
        monkeypatch.syspath_prepend(folder)
        ours = {one: entry.value for one, entry in POOLINGS._ours.items()}
        made = Plugins(
            POOLINGS.group, "pooling", Pooling, name="name", ours=ours, error=LayerNotFound
        )
        monkeypatch.setattr("headstart.extractors.backbones.pooling.POOLINGS", made)
        return made

    yield install
    for name in [one for one in sys.modules if one.startswith(("poolings_of_", "toys"))]:
        del sys.modules[name]


def test_package_name_and_version_of_a_pooling_are_part_of_the_key(ready, pooling):
    from headstart.extractors.backbones.cuts import resolve

    points = ready.backbones.get("net").cuts
    before = {name: resolve(points, f"relu|{name}").fingerprint for name in ("gap", "gmp")}
    seen = set()
    for package, version in (("one", 1), ("two", 1), ("three", 2)):
        pooling(package, name=f"other{package}", version=version)
        seen.add(resolve(points, f"relu|other{package}").fingerprint)
        assert resolve(points, f"relu|other{package}").shape == (12,)
        assert {name: resolve(points, f"relu|{name}").fingerprint for name in before} == before
    assert len(seen | set(before.values())) == 5


def test_of_two_versions_and_two_packages_the_keys_differ_where_the_name_is_one(monkeypatch):
    from headstart.extractors.backbones import pooling as seam

    found = {}
    for package, version in (("one", 1), ("one", 2), ("two", 1)):

        class Fake(dict):
            def distribution(self, _name, package=package):
                return package

        known = type("Known", (), {"version": version, "is_masked": False})
        monkeypatch.setattr(seam, "POOLINGS", Fake(other=known))
        found[package, version] = seam.pooled_fingerprint("f" * 64, "other", None)
    assert len(set(found.values())) == 3


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("return tensor", r"the pooling 'other' of one 1.0 gives \(None, 4, 6\), and says"),
        ("raise ZeroDivisionError('oh')", "of one 1.0 failed: ZeroDivisionError: oh. Fix or"),
        ("return None", "of one 1.0 failed: AttributeError"),
    ],
)
def test_a_pooling_that_fails_is_told_by_its_name_and_package(pooling, run, message):
    from headstart.extractors.runtime import keras

    pooling(run=run)
    with pytest.raises(BackboneError, match=message):
        pool(keras().Input((4, 6)), "other")
