"""A backbone that may be tried, registered if it is not, with the cuts that are looked at."""

from __future__ import annotations

from headstart.context import Context
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.registration import Wanted
from headstart.extractors.runtime import keras
from headstart.jobs.auto.entrants import Entrant, cuts_of
from headstart.jobs.backbones.add import add
from headstart.jobs.backbones.named import backbone_named
from headstart.registry.entities import Backbone

AS_THEY_ARE = "numbers:"
"""In the place of a source: rows of so many numbers are features already."""


def of_numbers(width: int) -> Entrant:
    """What gives rows of numbers as they are."""
    return Entrant(f"numbers-{width}", f"{AS_THEY_ARE}{width}", work=float(width))


def open_entrant(context: Context, entrant: Entrant, precision: str) -> tuple[Backbone, list[Cut]]:
    """The backbone, and the cuts that were named with it, or are worth a try."""
    if entrant.source is None:
        backbone, cuts = context.resolve(entrant.reference, precision)
        return backbone, cuts if "@" in entrant.reference else cuts_of(backbone, precision)
    if entrant.source.startswith(AS_THEY_ARE):
        width = int(entrant.source.removeprefix(AS_THEY_ARE))
        backbone = add(context, entrant.name, _identity(width), Wanted(preprocess="array"))
    else:
        backbone = context.backbones.get(backbone_named(context, entrant.source))
    return backbone, cuts_of(backbone, precision)


def _identity(width: int) -> object:
    k = keras()
    given = k.Input((width,), name="numbers")
    same = k.layers.Rescaling(1.0, name="as_they_are")(given)
    return k.Model(given, same, name=f"numbers_{width}")
