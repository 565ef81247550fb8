"""`ws.backbones.add`: a source is opened, cut, fingerprinted, kept, registered and converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import InvalidBackboneSetting
from headstart.extractors.backbones.registration import Wanted, read_backbone
from headstart.extractors.safety.first_load import unheard
from headstart.jobs.backbones.convert import convert_ahead
from headstart.jobs.backbones.register import discard_unneeded, register
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
    # Held: the files are there before the rows that name them, and `features gc` leaves them alone.
    with context.holds.hold(HELD_AS):
        read = read_backbone(name, plain, context.artifacts, wanted)
        backbone = register(context, read.backbone)
    discard_unneeded(context, read.backbone)
    convert_ahead(context, backbone, wanted.first.say if wanted.first else unheard, read.graph)
    return backbone
