"""A source of another package's kind: whatever it does wrong is said to be that package's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from headstart.errors import DatasetError, HeadstartError, first_line
from headstart.extractors.datasets.source import DatasetSource, Entry, Location


class ForeignSource:
    """A `DatasetSource` that gives what another one gives, and names the package in its errors.

    Args:
        made: the other package's.
        package: its name and version.
    """

    def __init__(self, made: DatasetSource, package: str) -> None:
        self._made = made
        self._package = package
        self.kind = made.kind
        self.what = made.what
        self.options = made.options
        self.splits_may_move = made.splits_may_move
        self.source = made.source

    @property
    def found(self) -> Mapping[str, Any]:
        """Options that it found out, if it has any."""
        return getattr(self._made, "found", {})

    @property
    def skipped(self) -> Sequence[str]:
        """Samples that it left out, in words."""
        return getattr(self._made, "skipped", ())

    def stamp(self) -> tuple[int, ...]:
        with self._named():
            return tuple(self._made.stamp())

    def scan(self) -> Iterator[Entry]:
        with self._named():
            for entry in self._made.scan():
                if not isinstance(entry, Entry):
                    raise TypeError(f"scan gave {entry!r}, which is no Entry")
                yield entry

    def digest(self, location: Location) -> str:
        with self._named():
            return self._made.digest(location)

    def locations(self) -> Iterator[Location]:
        with self._named():
            yield from self._made.locations()

    def read(self, location: Location) -> Any:
        with self._named():
            return self._made.read(location)

    def unused(self) -> Sequence[str]:
        with self._named():
            return tuple(self._made.unused())

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except HeadstartError:
            raise
        except Exception as error:  # other people's code may fail in any way
            raise DatasetError(
                f"{self.source}: the dataset kind {self.kind!r} of {self._package} failed "
                f"({first_line(error)})",
                hint="Tell its authors; --debug shows where.",
            ) from error
