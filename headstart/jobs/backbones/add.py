"""`ws.backbones.add`: a source is opened, cut, fingerprinted, kept, registered and converted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import InvalidBackboneSetting
from headstart.extractors.backbones.registration import Wanted, read_backbone
from headstart.extractors.preprocessing.steps.hub import family_of
from headstart.extractors.safety.first_load import unheard
from headstart.jobs.backbones.convert import convert_ahead
from headstart.jobs.backbones.register import discard_unneeded, register
from headstart.jobs.backbones.text_tower import TAG
from headstart.notices import tell
from headstart.registry.entities import Backbone
from headstart.registry.names import check_name
from headstart.storage.artifacts import HELD_AS
from headstart.values.options import taken


def add(context: Context, name: str, source: str | Path | Any, wanted: Wanted) -> Backbone:
    """Register a backbone; the same name with another model is its next version.

    Args:
        context: where to.
        name: letters, digits, `.`, `_`, `-`.
        source: see `Backbones.add`.
        wanted: what is asked for of it.
    """
    check_name(name, "backbone")
    for said in ("cut", "orient", "licence"):
        if (value := getattr(wanted, said)) is not None:
            taken(said, value, "str", InvalidBackboneSetting)
    plain = str(source) if isinstance(source, Path) else source
    if (folder := _find_folder_of_towers(plain)) is not None:
        return _add_towers(context, name, folder, wanted)
    # Held: the files are there before the rows that name them, and `features gc` leaves them alone.
    with context.holds.hold(HELD_AS):
        read = read_backbone(name, plain, context.artifacts, wanted)
        backbone = register(context, read.backbone)
    discard_unneeded(context, read.backbone)
    convert_ahead(context, backbone, wanted.first.say if wanted.first else unheard, read.graph)
    return backbone


def _find_folder_of_towers(source: Any) -> str | None:
    """The folder of a model of pictures and texts of which no tower is named; else None."""
    scheme, _, rest = source.partition(":") if isinstance(source, str) else ("", "", "")
    folder, _, query = rest.partition("?")
    if scheme != "kerashub" or "tower=" in query:
        return None
    return None if family_of(Path(folder).expanduser()) is None else rest


def _add_towers(context: Context, name: str, rest: str, wanted: Wanted) -> Backbone:
    """Register the tower of texts as `NAME-text`, and that of pictures, which is linked to it."""
    tower = f"kerashub:{rest}{'&' if '?' in rest else '?'}tower="
    # what else is asked for is of pictures
    of_texts = replace(wanted, cut=None, preprocess=None, orient=None)
    texts = add(context, f"{name}-text", f"{tower}text", of_texts)
    tags = {TAG: texts.reference, **(wanted.tags or {})}
    made = add(context, name, f"{tower}image", replace(wanted, tags=tags))
    tell(f"its texts are the backbone {texts.label!r}, whose features share the space of {name!r}")
    return made
