"""Where a backbone's name is taken, a source is taken too, and is registered under a name of it.

A source is opened once: what it gave is remembered in a file, with what its change is seen by. That
file is no truth, the registry is: what it says is compared with it, and it may be lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import NotFound
from headstart.extractors.backbones.places import local_part, made_absolute, scheme_of
from headstart.jobs.source_names import free_name, name_of
from headstart.notices import tell, warn
from headstart.paths import inside
from headstart.registry.entities import Backbone
from headstart.registry.references import JOINED, parts_of, reference_of
from headstart.storage.files import make_folder, open_regular, written_aside
from headstart.values.installed import version_of

REMEMBERED = "sources"
"""The folder of a workspace with a file for each source."""
LARGEST = 4096
"""Bytes of such a file."""


@dataclass(frozen=True)
class Source:
    """A source of a backbone, with the cuts that stand behind it.

    Attributes:
        text: the source, paths in it absolute; or a Keras model.
        cuts: what stands behind the `@`; empty for the default.
    """

    text: Any
    cuts: str = ""


def backbone_named(context: Context, given: Any, *, adds: bool = True) -> str:
    """`NAME[:VERSION][@CUT…]` of a registered backbone; a source that is none is registered first.

    Args:
        context: where.
        given: a name, which wins over a file of that name; a source as `Backbones.add` takes it;
            either with `@CUT[,CUT…]` behind it; several such with ` + ` between them; or a
            backbone, or a Keras model.
        adds: whether a source may be registered.

    Raises:
        NotFound: it is neither the name of a backbone nor a source of one.
        BackboneError: the source cannot be opened.
        RegistryError: it is of a type that names no backbone.
    """
    if isinstance(given, str) and len(parts := parts_of(given)) > 1:
        return JOINED.join(backbone_named(context, part, adds=adds) for part in parts)
    source = find_source(given)
    if source is None and not isinstance(given, str | Path):
        return reference_of(given, "backbone")
    if not (source and not isinstance(given, str)):
        name = str(given).partition("@")[0]
        try:
            return _said_which(context.backbones.get(name), str(given), source)
        except NotFound as error:
            if source is None:
                raise NotFound(
                    f"{error.message}, and no file or folder is there by that name",
                    hint=error.hint,
                ) from None
    assert source is not None
    backbone = _find_remembered(context, source)
    if backbone is None:
        if not adds:
            raise NotFound(
                f"no backbone is known from {source.text}",
                hint="See `headstart backbone list`, or add it with `headstart backbone add`.",
            )
        backbone = _added(context, source)
    return f"{_reference(context, backbone)}{'@' if source.cuts else ''}{source.cuts}"


def backbones_named(context: Context, given: Any) -> tuple[str, ...]:
    """The same of several; one stands for itself."""
    many = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    return tuple(backbone_named(context, one) for one in many)


def find_source(given: Any) -> Source | None:
    """What was given, as a source; None where it is none, or nothing is there."""
    if is_keras_model(given):
        return Source(given)
    if not isinstance(given, str | Path):
        return None
    text = str(given)
    ends = [place for place, letter in enumerate(text) if letter == "@"]
    for end in (len(text), *reversed(ends)):  # a path may hold an @, too
        if (located := _located(text[:end])) is not None:
            return Source(located, text[end + 1 :])
    return None


def is_keras_model(given: Any) -> bool:
    """Whether it is a model, as far as can be told without Keras."""
    made = (base.__module__.partition(".")[0] for base in type(given).__mro__)
    return hasattr(given, "get_weights") and not {"keras", "tf_keras"}.isdisjoint(made)


def _located(text: str) -> str | None:
    """A source with absolute paths; None where there is nothing."""
    if not text.strip():
        return None
    part = local_part(text)
    if part is None:
        return text if "@" not in text else None
    try:
        is_there = Path(part).expanduser().exists()
    except OSError:  # a name that is too long
        is_there = False
    return made_absolute(text) if part and is_there else None


def _said_which(backbone: Backbone, given: str, source: Source | None) -> str:
    """What was given; a line if there is a file of that name which is something else."""
    if source is not None and backbone.source not in (source.text, given):
        tell(
            f"{backbone.name!r} is the registered backbone, from {backbone.source}; for what lies "
            f"here give {source.text}"
        )
    return given


def _reference(context: Context, backbone: Backbone) -> str:
    """Its name, where that means this version."""
    latest = context.backbones.get(backbone.name)
    return backbone.name if latest.version == backbone.version else backbone.reference


def _added(context: Context, source: Source) -> Backbone:
    # Here, as whoever gives a name needs none of it, which is most of what an extraction imports.
    from headstart.extractors.backbones.registration import Wanted, read_backbone
    from headstart.extractors.safety.first_load import FOLDER, FirstLoad
    from headstart.jobs.backbones.convert import convert_ahead
    from headstart.jobs.backbones.register import discard_unneeded, kept_if_needed, mend, register
    from headstart.jobs.backbones.trial import tried

    verdicts = context.artifacts.beside(FOLDER)
    wanted = Wanted(first=FirstLoad(verdicts, say=tell))
    stamp = _stamp(source)
    with kept_if_needed(context):
        read = read_backbone("new", source.text, context.artifacts, wanted)
        read = tried(read, context.artifacts, tell)
        same = context.backbones.find_same(read.backbone)
        if same:
            backbone = mend(context, read.backbone, same[0])
        else:
            named = replace(read.backbone, name=_free_name(context, source))
            backbone = register(context, named)
            for warning in backbone.warnings:
                warn(f"{backbone.label}: {warning}")
    discard_unneeded(context, read.backbone)
    said = source.text if isinstance(source.text, str) else type(source.text).__name__
    tell(f"{said} is registered as the backbone {backbone.label!r}")
    _remember(context, source, stamp, backbone)
    convert_ahead(context, backbone, tell, read.graph)
    return backbone


def _free_name(context: Context, source: Source) -> str:
    """A name that is free, or that of an earlier version of the same source."""
    if isinstance(source.text, str):
        is_file = local_part(source.text) is not None and Path(source.text).is_file()
        usual = name_of(source.text, "backbone", is_file=is_file)
    else:
        usual = name_of(str(getattr(source.text, "name", "")), "backbone", is_file=False)
    usual = usual if scheme_of(source.text) is None else usual.lower()

    def is_taken(name: str) -> bool:
        with suppress(NotFound):
            known = context.backbones.get(name)
            return known.name != name or known.source != source.text
        return False

    return free_name(usual, is_taken)


def _stamp(source: Source) -> list[Any]:
    """What changes when what the source gives does: its files, and how this code reads them."""
    part = local_part(source.text) if isinstance(source.text, str) else None
    if part is None:
        return [version_of("headstart")]
    path = Path(part)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [(str(file), file.stat()) for file in files if file.is_file()]
    listed = [(name, one.st_size, one.st_mtime_ns, one.st_ino) for name, one in states]
    return [version_of("headstart"), hashlib.sha256(json.dumps(listed).encode()).hexdigest()]


def _place(context: Context, source: Source) -> Path:
    digest = hashlib.sha256(source.text.encode("utf-8", "surrogateescape")).hexdigest()
    return inside(context.artifacts.beside(REMEMBERED), digest)


def _find_remembered(context: Context, source: Source) -> Backbone | None:
    """The backbone that the source gave, if neither was changed since."""
    if not isinstance(source.text, str):
        return None
    try:
        with open_regular(_place(context, source)) as file:
            kept = json.loads(file.read(LARGEST))
        backbone = context.backbones.get(str(kept["backbone"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    is_same = [kept.get("stamp"), kept.get("made")] == [_stamp(source), _made(backbone)]
    return backbone if is_same else None


def _made(backbone: Backbone) -> list[str]:
    return [backbone.artifact_digest, backbone.preprocessing_fingerprint]


def _remember(context: Context, source: Source, stamp: list[Any], backbone: Backbone) -> None:
    if not isinstance(source.text, str):
        return
    place = _place(context, source)
    kept = {"backbone": backbone.reference, "stamp": stamp, "made": _made(backbone)}
    with suppress(OSError):  # read-only, or full: it is opened again
        make_folder(place.parent)
        with written_aside(place) as file:
            file.write(json.dumps(kept).encode())
