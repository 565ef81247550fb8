"""Datasets: the kinds of sources, reading one into a manifest, and the samples' raw content."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headstart.extractors.datasets.kinds import (
    SOURCES,
    find_kind,
    is_gone,
    kind_of,
    located,
    open_source,
    own_root,
)
from headstart.extractors.datasets.labels import (
    are_classes,
    are_hardly_shared,
    are_numbers,
    are_numbers_in,
    differing_copies,
    few_of,
    have_fractions,
    no_labels_in,
    odd_among_numbers,
    several_in,
)
from headstart.extractors.datasets.memory.given import in_words, keep_fetched, kept_in
from headstart.extractors.datasets.named_files import read_named, root_of
from headstart.extractors.datasets.options import checked, checked_on_error, declared, listed
from headstart.extractors.datasets.places import Places, is_address, is_far
from headstart.extractors.datasets.reader import SampleReader, reader_of
from headstart.extractors.datasets.source import FETCHED, DatasetSource, Entry, Option
from headstart.extractors.datasets.sources.folder_files import files_below
from headstart.extractors.datasets.sources.folders import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    TEXT_SUFFIXES,
)
from headstart.extractors.datasets.split_rule import (
    SPLIT,
    USUAL,
    as_stored,
    asked,
    checked_seed,
    is_before,
    is_same_way,
    joined,
    rule_of,
    said_of,
    settled,
    spelled,
    split_options,
    usual,
    voided_in,
    voiding,
    words_of,
)
from headstart.extractors.datasets.splits import departed_of
from headstart.extractors.datasets.windows.asked import WINDOW_OPTIONS, medium_of, window_options
from headstart.extractors.datasets.windows.listing import rescan, scan

if TYPE_CHECKING:
    from headstart.extractors.datasets.memory.kept import Kept
    from headstart.extractors.datasets.remote.fetched import Fetched
    from headstart.extractors.datasets.remote.recognition import is_fetched
    from headstart.extractors.datasets.sources.arrays import ARRAY_SUFFIXES, load_arrays, to_raw
    from headstart.extractors.datasets.sources.tables.tables import TABLE_SUFFIXES, Table

__all__ = [
    "ARRAY_SUFFIXES",
    "AUDIO_SUFFIXES",
    "FETCHED",
    "IMAGE_SUFFIXES",
    "SOURCES",
    "SPLIT",
    "TABLE_SUFFIXES",
    "TEXT_SUFFIXES",
    "USUAL",
    "WINDOW_OPTIONS",
    "DatasetSource",
    "Entry",
    "Fetched",
    "Kept",
    "Option",
    "Places",
    "SampleReader",
    "Table",
    "are_classes",
    "are_hardly_shared",
    "are_numbers",
    "are_numbers_in",
    "as_stored",
    "asked",
    "checked",
    "checked_on_error",
    "checked_seed",
    "declared",
    "departed_of",
    "differing_copies",
    "few_of",
    "files_below",
    "find_kind",
    "have_fractions",
    "in_words",
    "is_address",
    "is_before",
    "is_far",
    "is_fetched",
    "is_gone",
    "is_same_way",
    "joined",
    "keep_fetched",
    "kept_in",
    "kind_of",
    "listed",
    "load_arrays",
    "located",
    "medium_of",
    "no_labels_in",
    "odd_among_numbers",
    "open_source",
    "own_root",
    "read_named",
    "reader_of",
    "rescan",
    "root_of",
    "rule_of",
    "said_of",
    "scan",
    "settled",
    "several_in",
    "spelled",
    "split_options",
    "to_raw",
    "usual",
    "voided_in",
    "voiding",
    "window_options",
    "words_of",
]

_HOMES = {
    "ARRAY_SUFFIXES": "sources.arrays",
    "Fetched": "remote.fetched",
    "Kept": "memory.kept",
    "TABLE_SUFFIXES": "sources.tables.tables",
    "Table": "sources.tables.tables",
    "is_fetched": "remote.recognition",
    "load_arrays": "sources.arrays",
    "to_raw": "sources.arrays",
}
"""What is imported at its first use: looking at one source again takes none of it."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
