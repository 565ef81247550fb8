"""Samples that lie far are asked for before their task is made, many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from headstart.extractors.datasets.places import is_far
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.storage.manifest import Sample


class ReadAhead:
    """Reads samples; those that lie far while others are computed.

    Args:
        read: gives a sample's raw content; called by several threads.
    """

    def __init__(self, read: Callable[[Sample], Any]) -> None:
        self._read = read
        self._coming: dict[int, Callable[[], Any]] = {}

    def over(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The samples; what is behind one is under way already when it is given."""
        for sample, get in ahead(samples, self._read, lambda one: is_far(one.location)):
            self._coming[id(sample)] = get
            yield sample

    def read(self, sample: Sample) -> Any:
        """The content of a sample that `over` gave; errors as `read` of the arguments."""
        get = self._coming.pop(id(sample), None)
        return self._read(sample) if get is None else get()
