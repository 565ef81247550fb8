"""No dependency may be of a version that is known to be unsafe: see tests/assets/floors.toml."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
FLOORS = tomllib.loads((ROOT / "tests/assets/floors.toml").read_text(encoding="utf-8"))
ALL = FLOORS["direct"] | FLOORS["indirect"]


def declared():
    """The requirements of a user: those of headstart and of its extras, but for the demo's data."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    of_extras = [
        one for name, some in extras.items() if name not in ("dev", "demo") for one in some
    ]
    return [Requirement(text) for text in [*project["dependencies"], *of_extras]]


def lowest(requirement):
    (floor,) = [one.version for one in requirement.specifier if one.operator in (">=", "==")]
    return Version(floor)


def test_every_dependency_has_a_floor_and_every_floor_a_reason():
    assert {one.name for one in declared()} == FLOORS["direct"].keys()
    assert all(len(why) > 10 for _, why in ALL.values())


@pytest.mark.parametrize("requirement", declared(), ids=lambda one: one.name)
def test_no_version_below_the_floor_can_be_installed(requirement):
    floor, why = FLOORS["direct"][requirement.name]
    assert lowest(requirement) >= Version(floor), why


@pytest.mark.parametrize("name", ALL)
def test_what_is_installed_is_not_below_the_floor(name):
    try:
        found = version(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    floor, why = ALL[name]
    assert Version(found) >= Version(floor), why


@pytest.mark.parametrize(
    ("system", "machine", "is_plain"),
    [
        ("linux", "x86_64", True),
        ("darwin", "arm64", True),
        ("win32", "AMD64", True),
        ("linux", "aarch64", False),  # its wheels want glibc 2.35
        ("darwin", "x86_64", False),  # no wheels
        ("win32", "ARM64", False),
    ],
)
def test_the_fast_engine_is_part_of_a_plain_installation_where_that_cannot_fail(
    system, machine, is_plain
):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (one,) = [r for r in map(Requirement, project["dependencies"]) if r.name == "openvino"]
    where = {"sys_platform": system, "platform_machine": machine, "extra": ""}
    assert one.marker is not None and one.marker.evaluate(where) is is_plain
    assert [Requirement(r).name for r in project["optional-dependencies"]["cpu"]] == ["openvino"]
