"""What is installed is what `importlib.metadata` says."""

import importlib.metadata
import sys
import zipfile
from importlib.machinery import PathFinder

import pytest

from headstart.values.installed import may_have_entry_points, version_of
from toy_packages import write_package

GROUP = {"headstart.heads": {"toy": "toy:Toy"}}


def test_versions_are_those_that_the_library_reads():
    names = {one.name for one in importlib.metadata.distributions()}
    assert len(names) > 20
    for name in names:
        assert version_of.__wrapped__(name) == importlib.metadata.version(name), name
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        version_of("no-such-package")


def test_a_version_among_unusual_headers_is_found(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, said in {
        "plain": "Metadata-Version: 2.1\nName: plain\nVersion: 1.2\n\nVersion: 3\n",
        "small": "metadata-version: 2.1\nname: small\nversion: 1.3\n\n",
    }.items():
        (tmp_path / f"{name}-9.dist-info").mkdir()
        (tmp_path / f"{name}-9.dist-info" / "METADATA").write_text(said)
    assert [version_of(name) for name in ("plain", "small")] == ["1.2", "1.3"]


def test_only_where_a_file_names_a_group_of_ours_others_are_read(tmp_path, monkeypatch):
    own = [one for one in sys.meta_path if one is PathFinder]  # others' are of what ran before
    monkeypatch.setattr(sys, "meta_path", own)
    path = [str(tmp_path), str(tmp_path / "missing"), ""]
    write_package(tmp_path, "other", {"console_scripts": {"toy": "headstart.toy:main"}})
    assert not may_have_entry_points([str(tmp_path), str(tmp_path / "missing")], "headstart.")
    write_package(tmp_path, "toy", GROUP)
    assert may_have_entry_points(path, "headstart.")


@pytest.mark.parametrize("where", ["zip", "egg", "finder"])
def test_what_does_not_lie_in_folders_is_left_to_the_library(tmp_path, where, monkeypatch):
    place = tmp_path / ("toy.egg" if where == "egg" else "toy.zip")
    if where == "zip":
        with zipfile.ZipFile(place, "w") as file:
            file.writestr("toy-1.dist-info/entry_points.txt", "[headstart.heads]\ntoy = toy:Toy\n")
        assert importlib.metadata.Distribution.discover(path=[str(place)])
    else:
        place.mkdir()
    if where == "finder":

        class Finder:
            @staticmethod
            def find_distributions(context=None):
                return []

        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert may_have_entry_points([str(place)], "headstart.")
