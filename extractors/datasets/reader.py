"""Reading the samples of a registered dataset again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from headstart.errors import SampleChanged
from headstart.extractors.datasets.kinds import open_source
from headstart.extractors.datasets.named_files import HINT
from headstart.extractors.datasets.source import DatasetSource, Options
from headstart.extractors.datasets.split_rule import as_stored
from headstart.extractors.datasets.windows.source import Window
from headstart.registry.entities import Dataset
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Sample


class Described(Protocol):
    """What says where samples are: a manifest, or a dataset of the registry."""

    @property
    def kind(self) -> str: ...

    @property
    def source(self) -> str: ...


class SampleReader:
    """Gives a sample's raw content, after it was found to be what the manifest says.

    Args:
        dataset: says of which kind the source is, and where it is.
        options: as they were registered.
    """

    def __init__(self, dataset: Described, options: Options) -> None:
        self._dataset = dataset
        self._options = options

    def read(self, sample: Sample) -> Any:
        """The bytes of a file or a text, a row of an array, or those by the inputs' names; of a
        window what it would be as a sample of its own.

        Raises:
            SampleChanged: the content is not what was registered, or the file is gone.
            SampleUnreadable: a window cannot be cut out.
        """
        raw = self._source.read(sample.location)
        if digest_of(raw) != sample.digest:
            raise SampleChanged(
                f"sample {sample.id!r} has changed since the dataset was read", hint=HINT
            )
        return raw.cut() if isinstance(raw, Window) else raw

    @cached_property
    def _source(self) -> DatasetSource:
        return open_source(self._dataset.kind, self._dataset.source, self._options)


def reader_of(dataset: Dataset) -> Callable[[Sample], Any]:
    """What gives the raw content of the samples of a registered dataset; see `SampleReader`."""
    return SampleReader(dataset, as_stored(dataset.options)).read
