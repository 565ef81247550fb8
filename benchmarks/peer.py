"""Other people's ways to do the same, each a script in a folder below `peers`, run as a process.

A script says at its top, as inline script metadata (PEP 723), which packages it needs and in which
ways it can be run; its docstring's first line is its name. Nothing else knows of it. Where the
packages are not at hand they are installed into an environment of their own below `.venv-peers`,
which scripts that need the same share; what cannot be installed is left out, with a word.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from timing import Took, ran

FOLDER = Path(__file__).parent / "peers"
ENVIRONMENTS = Path(__file__).parent.parent / ".venv-peers"
BLOCK = re.compile(r"^# /// script\n((?:#.*\n)+?)# ///$", re.MULTILINE)
may_install = True
"""Whether packages that are not at hand are installed, which may take minutes and gigabytes."""
INSTALLING = 1500
"""Seconds that the packages of a peer may take to install."""


@dataclass(frozen=True)
class Peer:
    """A script, the packages that it needs, and the ways in which it can be run."""

    name: str
    script: Path
    wanted: tuple[str, ...]
    ways: tuple[str, ...]

    @property
    def python(self) -> Path:
        """That has what it needs, which is installed if need be."""
        return _python_with(self.wanted)[0]

    @property
    def problem(self) -> str:
        """Why there is no such Python; empty if there is."""
        return _python_with(self.wanted)[1]

    def runs(self, *arguments: str | Path) -> Took:
        """What a process of it takes, all in all."""
        return ran([self.python, self.script, *arguments])


def peers(contest: str) -> list[Peer]:
    """All that take part in a contest, which is a folder of `peers`, by name."""
    scripts = sorted((FOLDER / contest).glob("*.py"))
    return [_peer(one) for one in scripts if BLOCK.search(one.read_text(encoding="utf-8"))]


def left_out(found: list[Peer]) -> str:
    """A word on those that cannot take part; empty if all can."""
    return " ".join(f"{one.name} is left out: {one.problem}." for one in found if one.problem)


def _peer(script: Path) -> Peer:
    text = script.read_text(encoding="utf-8")
    told = BLOCK.search(text)
    assert told is not None
    settings = tomllib.loads(re.sub(r"^# ?", "", told[1], flags=re.MULTILINE))
    words = ast.get_docstring(ast.parse(text)) or script.stem
    ways = settings.get("tool", {}).get("headstart", {}).get("ways", ("",))
    name = words.splitlines()[0].rstrip(".")
    return Peer(name, script, tuple(settings["dependencies"]), tuple(ways))


@functools.cache
def _python_with(wanted: tuple[str, ...]) -> tuple[Path, str]:
    """A Python that has some packages, and what is in the way if none has."""
    if all(map(_is_here, wanted)):
        return Path(sys.executable), ""
    place = ENVIRONMENTS / re.split(r"\W", wanted[0])[0]
    python = place / "bin" / "python"
    told = place / "installed"
    if told.exists() and told.read_text(encoding="utf-8").splitlines() == list(wanted):
        return python, ""
    if not may_install:
        return python, f"{', '.join(wanted)} are not installed, which `make bench` does"
    venv.create(place, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    sys.stderr.write(f"installing {', '.join(wanted)} into {place}\n")
    try:
        subprocess.run([*command, *wanted], check=True, capture_output=True, timeout=INSTALLING)
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip()
        return python, f"{', '.join(wanted)} cannot be installed ({(said or str(error))[-200:]})"
    told.write_text("\n".join(wanted), encoding="utf-8")
    return python, ""


def _is_here(wanted: str) -> bool:
    """Whether a package is in this environment; its version is that of all others here."""
    try:
        return distribution(re.split(r"[^\w.-]", wanted)[0]) is not None
    except PackageNotFoundError:
        return False
