"""Datasets: reading a source into a manifest, and the samples' raw content."""

from headstart.extractors.datasets.arrays import ARRAY_SUFFIXES, load_arrays, to_raw
from headstart.extractors.datasets.folders import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    TEXT_SUFFIXES,
    files_below,
)
from headstart.extractors.datasets.named_files import root_of
from headstart.extractors.datasets.scanning import KINDS, SampleReader, kind_of, scan
from headstart.extractors.datasets.tables import TABLE_SUFFIXES, Table

__all__ = [
    "ARRAY_SUFFIXES",
    "AUDIO_SUFFIXES",
    "IMAGE_SUFFIXES",
    "KINDS",
    "TABLE_SUFFIXES",
    "TEXT_SUFFIXES",
    "SampleReader",
    "Table",
    "files_below",
    "kind_of",
    "load_arrays",
    "root_of",
    "scan",
    "to_raw",
]
