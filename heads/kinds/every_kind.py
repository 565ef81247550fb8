"""The kinds of heads by name: ours, and those of other people's packages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.errors import HeadError
from headstart.heads.combined.bagged import Bagged
from headstart.heads.kind import HeadKind
from headstart.heads.setting import Setting
from headstart.plugins import Plugins
from headstart.registry.names import nearest
from headstart.values.showable import brief

HERE = "headstart.heads.kinds"
KINDS: Plugins[type[HeadKind]] = Plugins(
    "headstart.heads",
    "head kind",
    HeadKind,
    name="kind",
    error=HeadError,
    ours={
        "attentive": f"{HERE}.attentive:Attentive",
        "linear": f"{HERE}.linear:Linear",
        "mlp": f"{HERE}.mlp:MLP",
        "neighbours": f"{HERE}.neighbours:Neighbours",
        "prototype": f"{HERE}.prototype:Prototype",
        "ridge": f"{HERE}.ridge:Ridge",
        "svm": f"{HERE}.svm:SVM",
        "tipadapter": f"{HERE}.of_names.tip_adapter:TipAdapter",
        "zeroshot": f"{HERE}.of_names.zero_shot:ZeroShot",
    },
)


def able_kinds(task: str) -> str:
    """The kinds of heads that can do a task, in words."""
    return " or ".join(name for name, kind in KINDS.items() if task in kind.tasks)


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


Kinds = HeadKind | str | Sequence[HeadKind | str]
"""Heads, one or several, each with its settings or, as they come, by its name."""


def one_kind(given: Any) -> HeadKind:
    """A head to be fitted, from what a person gave: itself, its class, or its name.

    Raises:
        HeadError: it is none of these.
    """
    made: Any = KINDS[given] if isinstance(given, str) else given
    if hasattr(made, "find_classes"):
        raise HeadError(
            f"{brief(given)} is a task, not a kind of head",
            hint="Give it as task=…; a kind is hs.Linear() or the like.",
        )
    if not hasattr(made, "fit"):
        raise HeadError(
            f"{brief(given)}, of type {type(given).__name__}, is no kind of head",
            hint=f"Give hs.Linear() or the like, or a name: {', '.join(KINDS)}.",
        )
    return made() if isinstance(made, type) else made


def every_kind(given: Any) -> list[HeadKind]:
    """Heads to be fitted, from one or several.

    Raises:
        HeadError: one of them is none.
    """
    is_many = isinstance(given, Sequence) and not isinstance(given, str)
    return [one_kind(one) for one in (given if is_many else (given,))]


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
    """A kind with the settings that `describe` gave; what else there is, is left out.

    Of a head that was fitted those that are `given` count: a fit has epochs of its own as well,
    and to train with as many again would make another head.
    """
    settings = {**settings, **settings.get("given", {})}
    if name == Bagged.kind:
        return Bagged(kind_of(settings["of"], settings["each"]), settings["bags"])
    made: Any = KINDS[name]
    given = {
        field.name: tuple(value) if isinstance(value := settings[field.name], list) else value
        for field in dataclasses.fields(made)
        if field.name in settings
    }
    return made(**given)
