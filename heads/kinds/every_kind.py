"""The kinds of heads by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.mlp import MLP
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.kinds.one_layer import SVM, Prototype, Ridge

KINDS: dict[str, Any] = {
    kind.kind: kind for kind in (Linear, MLP, Neighbours, Prototype, Ridge, SVM)
}


def kind_of(name: str, settings: Mapping[str, Any]) -> Any:
    """A kind with the settings that `describe` gave; what else there is, is left out."""
    made = KINDS[name]
    given = {
        field.name: tuple(value) if isinstance(value := settings[field.name], list) else value
        for field in dataclasses.fields(made)
        if field.name in settings
    }
    return made(**given)
