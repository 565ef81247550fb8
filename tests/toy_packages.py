"""Packages made by hand for tests: a folder for `sys.path`, with the entry points of plug-ins."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

TOYS = Path(__file__).parent / "assets" / "toys"


def write_package(
    folder: Path, name: str, entry_points: dict[str, dict[str, str]], version: str = "1.0"
) -> Path:
    """What an installer leaves of a package's metadata, in a folder; gives the folder."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    return folder


def install_toys(folder: Path) -> Path:
    """The toys of tests/assets as pip would install them; gives the folder."""
    project = tomllib.loads((TOYS / "pyproject.toml").read_text())["project"]
    shutil.copytree(TOYS / "toys", folder / "toys")
    return write_package(folder, project["name"], project["entry-points"], project["version"])
