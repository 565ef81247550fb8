"""Settings of heads in words: what they were given, and what the fit made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.heads.combined.bagged import Bagged
from headstart.heads.kinds.every_kind import KINDS, kind_of
from headstart.heads.kinds.of_names.tip_adapter import TipAdapter
from headstart.heads.kinds.of_names.zero_shot import ZeroShot
from headstart.values.showable import brief
from headstart.values.sizes import size_text

UNSAID = {"patience", "iterations"}
"""Settings that have no option: nobody gave them."""
FEW = 3
"""Candidates that are all named."""


def setting_words(settings: Mapping[str, Any]) -> str:
    """A head's kind and settings in a few words, such as `mlp, hidden 64x32, dropout 0.3`.

    Args:
        settings: what `describe` gave, with `kind`.
    """
    kind = settings["kind"]
    if kind == Bagged.kind:
        each = setting_words({"kind": settings["of"], **settings["each"]})
        return f"{kind}, {settings['bags']} of {each}"
    given = {name: value for name, value in settings.items() if name not in {"kind", *UNSAID}}
    return ", ".join([kind, *filter(None, (_said(kind, *one) for one in given.items()))])


def given_words(kind: str, settings: Mapping[str, Any]) -> str:
    """The settings that a head of a kind was given, of all that is stored of it.

    Of a kind that is not known here, of a package that is gone, as they were stored; empty where
    they were not, as of a fine-tuned head.
    """
    if kind not in KINDS and kind != Bagged.kind:
        given = settings.get("given", {})
        told = {name: value for name, value in given.items() if name not in UNSAID}
        return ", ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in told.items())
    described = settings.get("given") or kind_of(kind, settings).describe()
    if "history" in settings and "given" not in settings:  # those of the fit, not those allowed
        described = {name: value for name, value in described.items() if name != "epochs"}
    return setting_words({"kind": kind, **described}).partition(", ")[2]


def fitted_words(kind: str, settings: Mapping[str, Any]) -> str:
    """What the fit of a head chose and how it went, such as `strength 0.01, the best of 7 that were
    tried; temperature 1.31; 0.42 s`; empty where nothing is stored.

    Args:
        kind: its name.
        settings: all that is stored of the head.
    """
    parts = [_chosen(kind, settings), _mixed(kind, settings)]
    temperature = settings.get("temperature")
    if temperature is not None:
        parts.append(f"temperature {_range(temperature)}")
    if kind in (ZeroShot.kind, TipAdapter.kind) and settings.get("logit_scale") is None:
        parts.append(f"logit scale {number(settings['scale'])}")
    if {"history", "epochs"} <= settings.keys() and "best_epoch" not in settings:
        # Of a tuned one they are told with its origin.
        parts.append(f"{settings['epochs']} epochs")
    if "steps" in settings:
        parts.append(f"{_counted(settings['steps'])} steps")
    if "held" in settings and kind in KINDS:  # a tuned one holds nothing, and is stored with this
        parts.append(f"{_counted(settings['held'])} features that hardly varied held within bounds")
    if "seconds" in settings:
        parts.append(f"{settings['seconds']:.3g} s")
    return "; ".join(filter(None, parts))


def _chosen(kind: str, settings: Mapping[str, Any]) -> str:
    """The value that the fit chose among candidates: of several labels one each."""
    value = settings.get("strength", settings.get("chosen"))
    name = _name_of(kind)
    if value is None or name is None or "not_chosen" in settings:
        return "" if value is None or name is None else f"{name} {_range(value)}"
    path = settings.get("path")
    tried = len(path) if isinstance(path, list) else 0
    among = f", the best of {tried} that were tried" if tried > 1 else ""
    each = ", label by label" if isinstance(value, list) else ""
    return f"{name} {_range(value)}{each}{among}"


def _mixed(kind: str, settings: Mapping[str, Any]) -> str:
    """How class names and training samples are weighed in a head of both, and how large it is;
    empty of others."""
    if kind != TipAdapter.kind:
        return ""
    alpha, beta = (number(float(settings[name])) for name in ("alpha", "beta"))
    tried = len(settings.get("path", ()))
    among = f", the best of {tried} that were tried" if tried > 1 else ""
    mixed = f"alpha {alpha} of training samples, beta {beta}{among}"
    size = size_text(settings["bytes"])
    return f"{mixed}; carries {settings['carried']:,} training rows along, {size} in all"


def _name_of(kind: str) -> str | None:
    """What one value is called, among which heads of a kind choose; None if they don't."""
    options = KINDS[kind].options if kind in KINDS else ()
    several = next((one for one in options if one.takes == "candidates"), None)
    if several is not None:
        return _singular(several.name)
    return options[0].name.replace("_", " ") if options else None


def _said(kind: str, name: str, value: Any) -> str:
    """One setting; empty where it is what nobody asks about."""
    takes = {one.name: one.takes for one in KINDS[kind].options} if kind in KINDS else {}
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return "" if value else f"not {words}"
    if name == "label_smoothing" and not value:
        return ""
    if value is None:
        return f"{_singular(words)} chosen by the fit"
    if takes.get(name) == "candidates":
        several = [number(one) for one in value]
        if len(several) > FEW:
            among = f"{len(several)} from {number(min(value))} to {number(max(value))}"
            return f"{_singular(words)} chosen among {among}"
        among = " chosen among" if len(several) > 1 else ""
        return f"{_singular(words)}{among} {', '.join(several)}"
    return f"{words} {'x'.join(map(number, value)) if isinstance(value, list) else number(value)}"


def _told(value: Any) -> str:
    """A value of which nothing is known: a number or a word as it is."""
    return number(value) if isinstance(value, float) else brief(value).strip("'")


def _singular(name: str) -> str:
    """`strengths` is several, `strength` one."""
    if name.endswith("ies"):
        return f"{name.removesuffix('ies')}y"
    return name.removesuffix("s") if name != "neighbours" else "number of neighbours"


def _range(value: Any) -> str:
    """A number, or from the least to the largest of several; of a package anything else."""
    if not isinstance(value, list | tuple):
        return number(value)
    known = [one for one in value if one is not None]
    if not known:
        return "unknown"
    if not all(isinstance(one, int | float) for one in known):
        return brief(value)
    ends = list(dict.fromkeys(number(one) for one in (min(known), max(known))))
    return " to ".join(ends)


def number(value: Any) -> str:
    """A number as short as can be; a text as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _counted(value: Any) -> str:
    """A count; of a package anything else."""
    return f"{value:,}" if isinstance(value, int) else brief(value)
