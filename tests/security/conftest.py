"""A good bundle, and what is to come of it once it was changed."""

import json
import shutil
import zipfile

import pytest
from bundle_parts import Parts

import headstart as hs
from headstart.extractors.safety.first_load import FOLDER


@pytest.fixture(scope="package")
def bundle(tmp_path_factory):
    """A bundle with a model and the features of two cuts, made once."""
    from conftest import draw, network

    folder = tmp_path_factory.mktemp("bundled")
    network().save(folder / "net.keras")
    for number in range(4):
        draw(folder / "pictures" / "ab"[number % 2] / f"{number}.png", number)
    ws = hs.init(folder / "zoo")
    ws.backbones.add("net", folder / "net.keras", preprocess="unit")
    ws.datasets.add("pics", folder / "pictures")
    ws.extract("net@features,relu|gap", "pics")
    return ws.backbones.export("net", folder / "net.zip", features=True)


@pytest.fixture
def parts(bundle):
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return Parts(json.loads(members.pop("bundle.json")), members)


@pytest.fixture
def refused(run, tmp_path, files_of, bundle, empty):
    """Import a changed bundle into a workspace without a backbone; gives the line that refuses it.

    The model that is in the bundle was loaded well before, so that it is not loaded apart again.
    """
    shutil.copytree(empty, tmp_path / "zoo")
    shutil.copytree(bundle.parent / "zoo" / FOLDER, tmp_path / "zoo" / FOLDER)

    def call(parts):
        file = parts.write(tmp_path / "hostile.zip") if isinstance(parts, Parts) else parts
        before = {name: (tmp_path / name).stat().st_size for name in files_of(tmp_path)}
        ran = run("backbone", "import", file, "--workspace", tmp_path / "zoo")
        assert ran.code == ran.expected and ran.out == ""
        (line,) = ran.err.strip().splitlines()
        assert line.startswith("error: ")
        assert "unexpected" not in line
        assert line.isprintable()
        assert len(line) < 1000
        after = {name: (tmp_path / name).stat().st_size for name in files_of(tmp_path)}
        quiet = {name for name in before if "headstart.db" in name}  # its journal comes and goes
        assert {n for n in after if "headstart.db" not in n} == set(before) - quiet
        assert run("backbone", "list", "--workspace", tmp_path / "zoo", "--json").json == []
        assert run("features", "list", "--workspace", tmp_path / "zoo", "--json").json == []
        return line

    return call
