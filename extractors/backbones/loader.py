"""From a source, or from a stored artifact, to a model and its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.errors import BackboneError
from headstart.extractors.backbones.graph import Graph
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.sources.applications import open_application
from headstart.extractors.backbones.sources.custom_objects import CustomObjects
from headstart.extractors.backbones.sources.efficientnet_lite import open_efficientnet_lite
from headstart.extractors.backbones.sources.files import (
    NO_CUSTOM_OBJECTS,
    check_model,
    format_of,
    load_model,
    open_file,
    open_model,
)
from headstart.extractors.backbones.sources.freeze import check_frozen
from headstart.extractors.backbones.sources.kerashub import open_kerashub
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.backbones.sources.weights import open_weights
from headstart.extractors.backbones.tensorflow_graph import read_frozen
from headstart.extractors.preprocessing.pipeline import Files
from headstart.extractors.safety.first_load import FirstLoad
from headstart.registry.zoo import get_entry

LARGEST_STORED = 1 << 40
"""Bytes: how large a stored model may be was decided when it was added, maybe with leave."""
SUFFIXES = {"keras": ".keras", "h5": ".h5", "tensorflow": ".pb"}


def open_source(
    source: str | Any,
    scratch: Path,
    files: Files,
    *,
    trust: bool = False,
    custom: CustomObjects = NO_CUSTOM_OBJECTS,
    architecture: Path | None = None,
    first: FirstLoad | None = None,
) -> Opened:
    """Open whatever `backbone add` was given.

    Args:
        source: a path to `.keras`, `.h5` or a SavedModel, `applications:NAME?…`, `zoo:NAME`,
            `kerashub:DIR`, or a Keras model.
        scratch: a folder for files that the source has to make.
        files: where files that its preprocessing needs are stored.
        trust: load a file even if it brings code.
        custom: layers and functions of the user's own, for a file that needs them.
        architecture: for a file of weights alone, where its architecture is.
        first: how a model that is not trusted is loaded first.

    Raises:
        BackboneError: it cannot be opened; the message says why.
    """
    if not isinstance(source, str):
        return open_model(source, scratch, trust=trust)
    scheme, colon, rest = source.partition(":")
    if colon and scheme == "applications":
        return open_application(rest, scratch)
    if colon and scheme == "zoo":
        entry = get_entry(rest)
        if entry.source.startswith("applications:"):
            return open_application(entry.name, scratch)
        return open_efficientnet_lite(entry.name, scratch)
    if colon and scheme == "kerashub":
        return open_kerashub(rest, scratch, files, trust=trust, first=first)
    if colon and len(scheme) > 1 and "/" not in scheme and not Path(source).exists():
        raise BackboneError(
            f"no backbone source of kind {scheme!r} in {source!r}",
            hint="Give a .keras or .h5 file, a SavedModel folder, applications:NAME, zoo:NAME or "
            "kerashub:DIR.",
        )
    if architecture is not None:
        weights = Path(source).expanduser()
        return open_weights(weights, architecture, scratch, trust=trust, first=first)
    path = Path(source).expanduser()
    return open_file(path, scratch, trust=trust, custom=custom, first=first)


def load_graph(file: Path, *, trust: bool = False, first: FirstLoad | None = None) -> Graph:
    """The graph of a stored model file, its hash checked.

    A file that is not trusted is looked into, as an older version may have stored it, or somebody
    by hand; of the same bytes once, where `first` keeps verdicts.

    Args:
        file: the artifact, called by its sha256.
        trust: it was registered as trusted.
        first: what is known about files.

    Raises:
        UnsafeModel: it could run code, or do more than compute.
    """
    if file.suffix == SUFFIXES["tensorflow"]:
        check_frozen(file, trust=trust)
        return read_frozen(file)
    known = first or FirstLoad()
    if not (trust or known.was_looked_into(file.stem, format_of(file))):
        check_model(file, max_bytes=LARGEST_STORED)
        known.note_look(file.stem, format_of(file))
    return read_graph(load_model(file, trust=trust, known=True))
