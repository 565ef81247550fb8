"""Implementations of a seam by name: our own, then those of other people's packages.

A package adds one by an entry point in the seam's group, which names a class::

    [project.entry-points."headstart.heads"]
    nearest_mean = "my_package.nearest_mean:NearestMean"

Names of ours come first and are imported when they are asked for. What another package brings can
fail in any way: it is left out with one warning, and `headstart doctor` says why. A name that two
packages claim is an error, as nobody could say which of them made what is stored under it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, TypeVar

from headstart.errors import HeadstartError, first_line
from headstart.notices import warn
from headstart.paths import NAME
from headstart.values.installed import may_have_entry_points

T = TypeVar("T")
OURS = "headstart"
GROUPS = "headstart."
_OTHERS: list[str] = []
"""Names of plug-ins of other packages whose code was imported, or was about to be."""
"""How the names of all groups of entry points begin."""


@dataclass(frozen=True)
class Plugin:
    """One implementation as it was found.

    Attributes:
        name: by which it is asked for.
        package: that brings it, with its version.
        problem: why it cannot be used; empty if it can.
    """

    name: str
    package: str
    problem: str = ""

    @property
    def is_ours(self) -> bool:
        return self.package == OURS


class Plugins(Mapping[str, T]):
    """The implementations of one seam by name; each is imported when it is asked for.

    Args:
        group: of the entry points.
        what: an implementation is called in messages, such as "head kind".
        seam: the Protocol; a class lacks none of its public members.
        name: the member that repeats the entry point's name.
        ours: `module:Class` by name, in the order in which they are shown.
        error: what is raised where a name leads nowhere, or is claimed twice.
    """

    def __init__(
        self,
        group: str,
        what: str,
        seam: type[Any],
        *,
        name: str,
        ours: Mapping[str, str],
        error: type[HeadstartError],
    ) -> None:
        self.group, self.what, self._error = group, what, error
        self._members = _members_of(seam)
        self._name = name
        self._ours = {name: EntryPoint(name, value, group) for name, value in ours.items()}
        self._loaded: dict[str, T] = {}
        self._problems: dict[str, str] = {}
        self._lock = threading.RLock()

    @property
    def ours(self) -> frozenset[str]:
        """The names of our own."""
        return frozenset(self._ours)

    def __iter__(self) -> Iterator[str]:
        """The names of all that can be used, ours first; of others, once, a warning says why not.

        Raises:
            HeadstartError: two packages claim one name.
        """
        return (name for name, entry in self._entries.items() if self._load(name, entry))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        entry = self._entries.get(str(name))
        return entry is not None and self._load(str(name), entry) is not None

    def __getitem__(self, name: str) -> T:
        """The implementation of that name.

        Raises:
            HeadstartError: there is none, it cannot be used, or two packages claim one name.
        """
        entry = self._entries.get(name)
        if entry is None:
            known = ", ".join(self._entries)
            raise self._error(
                f"no {self.what} {name!r}",
                hint=f"There are {known}. If a package brought it, install that again.",
            )
        made = self._load(name, entry)
        if made is None:
            raise self._error(
                f"the {self.what} {name!r} of {package_of(entry)} cannot be used: "
                f"{self._problems[name]}",
                hint="Fix or remove that package.",
            )
        return made

    def get(self, name: str, default: Any = None) -> Any:
        """The implementation of that name; the default where there is none that can be used."""
        is_there = name in self
        return self[name] if is_there else default

    def package(self, name: str) -> str:
        """What brings the implementation of that name; `OURS` for one of ours."""
        return package_of(self._entries[name])

    def distribution(self, name: str) -> str | None:
        """The name of the package that brings it, without its version; None for one of ours."""
        found = self._entries[name].dist
        return None if found is None else found.name

    def leave_out(self, name: str, problem: str) -> None:
        """Do without one that turned out not to work; a warning says so, once."""
        with self._lock:
            if self._loaded.pop(name, None) is None:
                return
            self._problems[name] = problem
        package = self.package(name)
        warn(f"the {self.what} {name!r} of {package} is left out: {problem}")

    def found(self) -> list[Plugin]:
        """All of them, those that cannot be used included.

        Raises:
            HeadstartError: two packages claim one name.
        """
        for name, entry in self._entries.items():
            self._load(name, entry, is_told=False)
        return [
            Plugin(name, package_of(entry), self._problems.get(name, ""))
            for name, entry in self._entries.items()
        ]

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        entries = dict(self._ours)
        for entry in _installed(tuple(sys.path)).select(group=self.group):
            other = entries.setdefault(entry.name, entry)
            if other is not entry:
                raise self._error(
                    f"two packages bring a {self.what} {entry.name!r}: {package_of(other)} "
                    f"({other.value}) and {package_of(entry)} ({entry.value})",
                    hint="Remove one of them.",
                )
        return entries

    def _load(self, name: str, entry: EntryPoint, *, is_told: bool = True) -> T | None:
        """The class of an entry point; None where it cannot be used."""
        with self._lock:  # a plug-in is imported once, and its problem told once
            if name not in self._loaded and name not in self._problems:
                self._try(name, entry, is_told)
            return self._loaded.get(name)

    def _try(self, name: str, entry: EntryPoint, is_told: bool) -> None:
        made: Any = None
        try:
            if entry.dist is not None:
                _OTHERS.append(name)
            made = entry.load()
            problem = self._problem_of(name, made) if entry.dist else ""
        except (Exception, SystemExit) as error:  # other people's code may fail in any way
            if entry.dist is None:
                raise
            problem = first_line(error)
        if not problem:
            self._loaded[name] = made
            return
        self._problems[name] = problem
        if is_told:
            warn(f"the {self.what} {name!r} of {package_of(entry)} cannot be used: {problem}")

    def _problem_of(self, name: str, made: Any) -> str:
        lacking = sorted(member for member in self._members if not hasattr(made, member))
        if lacking:
            return f"it has no {', '.join(lacking)}"
        if not NAME.fullmatch(name):
            return "its name is not of letters, digits, '.', '_' and '-'"
        own = getattr(made, self._name)
        return "" if own == name else f"it calls itself {own!r}"


def are_others_loaded() -> bool:
    """Whether code of another package was asked for in this process."""
    return bool(_OTHERS)


@cache
def _installed(path: tuple[str, ...]) -> Any:
    """The entry points of all that is installed on a path, to `select` from (Python 3.11 has other
    types than later ones), if any of them can be in a group of ours."""
    return entry_points() if may_have_entry_points(path, GROUPS) else EntryPoints(())


def package_of(entry: EntryPoint) -> str:
    """The name and version of the package that an entry point came with."""
    return OURS if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _members_of(seam: type[Any]) -> set[str]:
    """What a class must have: the Protocol's public methods and class variables."""
    variables = {
        name for name, value in seam.__annotations__.items() if str(value).startswith("ClassVar")
    }
    return {name for name in {*vars(seam), *variables} if not name.startswith("_")}
