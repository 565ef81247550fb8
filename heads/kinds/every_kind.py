"""The kinds of heads by name: ours, and those of other people's packages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from headstart.errors import HeadError
from headstart.heads.kind import HeadKind
from headstart.heads.setting import Setting
from headstart.plugins import Plugins
from headstart.registry.names import nearest

HERE = "headstart.heads.kinds"
KINDS: Plugins[type[HeadKind]] = Plugins(
    "headstart.heads",
    "head kind",
    HeadKind,
    name="kind",
    error=HeadError,
    ours={
        "linear": f"{HERE}.linear:Linear",
        "mlp": f"{HERE}.mlp:MLP",
        "neighbours": f"{HERE}.neighbours:Neighbours",
        "prototype": f"{HERE}.prototype:Prototype",
        "ridge": f"{HERE}.ridge:Ridge",
        "svm": f"{HERE}.svm:SVM",
    },
)


def declared() -> dict[str, tuple[Setting, list[str]]]:
    """The settings of all kinds by name: the first declaration, and the kinds that have one."""
    found: dict[str, tuple[Setting, list[str]]] = {}
    for name, kind in KINDS.items():
        for setting in kind.options:
            found.setdefault(setting.name, (setting, []))[1].append(name)
    return found


def setting_of(kind: str, name: str) -> Setting | None:
    """A kind's own declaration of a setting; None if it has none."""
    return next((one for one in KINDS[kind].options if one.name == name), None)


def head_of(name: str, settings: Mapping[str, Any]) -> Any:
    """A kind with settings as a person gives them.

    Raises:
        HeadError: there is no such kind, or it has no such setting.
    """
    made: Any = KINDS[name]
    known = [field.name for field in dataclasses.fields(made)]
    for setting in settings.keys() - set(known):
        raise HeadError(
            f"a head of kind {name} has no setting {setting!r}",
            hint=nearest(setting, known) or f"It has {', '.join(known) or 'none'}.",
        )
    return made(**settings)


def kind_of(name: str, settings: Mapping[str, Any]) -> Any:
    """A kind with the settings that `describe` gave; what else there is, is left out."""
    made: Any = KINDS[name]
    given = {
        field.name: tuple(value) if isinstance(value := settings[field.name], list) else value
        for field in dataclasses.fields(made)
        if field.name in settings
    }
    return made(**given)
