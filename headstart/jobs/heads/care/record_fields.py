"""What the fields of a head's record are, where it comes from a file: all that is shown of a head,
or computed with, has a declared type."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from headstart.errors import HeadError, InvalidValue
from headstart.fields import (
    Field,
    WrongField,
    anything,
    either,
    finite,
    from_zero,
    known,
    list_of,
    mapping,
    matching,
    name,
    one_of,
    optional,
    refuse,
    share,
    text,
    truth,
    up_to_one,
    whole,
)
from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import ENSEMBLE
from headstart.heads.evaluation.intervals import BOUNDED
from headstart.heads.evaluation.provenance import MAIN_SCORES, TUNED
from headstart.heads.kinds.every_kind import KINDS, kind_of
from headstart.heads.kinds.of_names.tip_adapter import TipAdapter
from headstart.heads.kinds.of_names.zero_shot import ZeroShot
from headstart.heads.tasks import TASKS, task_of
from headstart.part_of_head import PART
from headstart.registry.entities import SCORES, Head
from headstart.values.showable import brief, spelled

COUNT = whole(1 << 53)
SHORT, LINE, TEXT = text(200), text(1000), text(10_000)
REFERENCE = matching(
    re.compile(r"|[A-Za-z0-9][A-Za-z0-9._-]{0,199}(:\d{1,9})?(@[^\x00-\x1f]{1,1000})?"),
    "a backbone, NAME[:VERSION][@CUT]",
)


def _ends(value: Any, where: str) -> Any:
    """Of an interval."""
    low, high = list_of(finite, 2)(value, where)
    if low > high:
        raise refuse(value, where, "a lower and an upper end")
    return value


ENDS = optional(_ends)
INTERVALS = mapping(SHORT, ENDS, 1000)
NUMBERS = either(list_of(optional(finite)), optional(finite))
CUTTING = either(finite, LINE)


def label(value: Any, where: str) -> str | int:
    """Of a class."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise refuse(value, where, "a label")
    return value


def _labels_with_counts(value: Any, where: str) -> Any:
    pairs = list_of(list_of(anything, 2))(value, where)
    return [(label(one, where), COUNT(count, where)) for one, count in pairs]


LOSSES = (
    *("poisson_deviance", "pinball_loss", "mean_absolute_error", "root_mean_squared_error"),
    "log_loss",
)
SCORED: dict[str, Field] = {one: optional(share) for one in BOUNDED}
SCORED |= {one: share if one in BOUNDED else finite for one in (*MAIN_SCORES, *SCORES)}
SCORED |= dict.fromkeys(LOSSES, from_zero) | {"r2": up_to_one}
SCORED["ece_debiased"] = share  # it is told beside the other
"""Scores; those that stand in a head's line are never empty."""
JUDGED = ("train", "validation")
OF_GIVEN: dict[str, Field] = {
    **{"prompt": TEXT, "text_backbone": REFERENCE},
    **dict.fromkeys(("logit_scale", "alpha", "beta"), optional(finite)),
}
"""Settings that a person gave, beside what the kind itself says of them."""
CUT = {"pooled": SHORT, "tokenizer": SHORT, **dict.fromkeys(("window", "hop"), CUTTING)}
OF_PART: dict[str, Field] = dict.fromkeys(("samples", "of", "least", "seed"), COUNT)
OF_HEADSTART: dict[str, Field] = {
    "given": known({}),
    "task": one_of(*TASKS),
    "seconds": finite,
    "views": COUNT,
    "sample_weights": either(
        known({"least": finite, "largest": finite}, ("least", "largest")), one_of("ignored")
    ),
    PART: known(OF_PART, tuple(OF_PART)),
    "windows": known(CUT | dict.fromkeys(("frames", "every"), CUTTING), ("pooled",)),
}
"""What is added to the settings of a head of any kind."""
OF_SETTINGS: dict[str, Field] = {
    **OF_HEADSTART,
    **OF_GIVEN,
    "given": known(OF_GIVEN),
    "balanced": truth,
    "temperature": NUMBERS,
    "strength": NUMBERS,
    "chosen": NUMBERS,
    "classes": list_of(label),
    "scale": finite,
    **dict.fromkeys(("carried", "bytes"), COUNT),
    "path": list_of(anything),
    "history": mapping(SHORT, list_of(optional(finite)), 100),
    "epochs": COUNT,
    "steps": COUNT,
    "held": COUNT,
    "judged_on": either(LINE, known(dict.fromkeys(JUDGED, COUNT), JUDGED)),
    "not_chosen": LINE,
    "at_end": LINE,
    "members": list_of(
        known(
            {"kind": SHORT, "settings": known({}), "features": TEXT, "weight": share},
            ("kind", "settings", "features", "weight"),
        )
    ),
    "beside": known(
        {
            "difference": finite,
            "interval": ENDS,
            "kind": SHORT,
            "features": TEXT,
            "samples": COUNT,
        },
        ("difference", "interval", "kind", "features", "samples"),
    ),
    "out_of_bag": known(
        {**SCORED, "accuracy": share, "log_loss": finite, "intervals": INTERVALS, "n": COUNT},
        ("accuracy", "log_loss", "n"),
    ),
    **dict.fromkeys(("from", "head_cut", "parent"), TEXT),
    "parent_kind": SHORT,
    "best_epoch": COUNT,
}
NEEDED = {
    ENSEMBLE: ("members",),
    TUNED: ("from", "head_cut", "parent", "parent_kind", "best_epoch"),
    ZeroShot.kind: ("scale", "judged_on"),
    TipAdapter.kind: ("scale", "alpha", "beta", "carried", "bytes", "judged_on"),
}
LARGEST = 1 << 24
"""Characters of the settings of a kind of a package, as JSON."""
OURS = {*KINDS.ours, ENSEMBLE, Bagged.kind, TUNED}


def _of_a_package(value: Any, where: str) -> Any:
    """Settings of a kind of a package, which are its own but for what is added to them."""
    known(OF_HEADSTART)(value, where)
    try:
        size = len(json.dumps(value))
    except RecursionError:
        raise WrongField(f"{where} is nested too deeply") from None
    if size > LARGEST:
        raise WrongField(f"{where} has {size:,} characters; at most {LARGEST:,} are read")
    return value


def _metrics(classes: int) -> Field:
    """The scores of a head of so many classes."""
    counts, shares = list_of(COUNT, classes), list_of(optional(share), classes)
    ends: dict[str, Field] = dict.fromkeys(("precision", "recall", "f1"), list_of(ENDS, classes))
    per_class = {
        **{"support": counts, "said": counts, "intervals": known(ends)},
        **dict.fromkeys(("precision", "recall", "f1", "auroc", "auprc"), shares),
    }
    splits = dict.fromkeys(("n_train", "n_validation", "n_test"), COUNT)
    return known(
        {
            **SCORED,
            **splits,
            "intervals": INTERVALS,
            "confusion": list_of(list_of(COUNT, classes), classes),
            "per_class": known(per_class, ("support", "said", "recall")),
            "of_each": list_of(known({**SCORED, "intervals": INTERVALS})),
            "groups": COUNT,
            "untested": list_of(label),
            "few": _labels_with_counts,
            "predicts": SHORT,
            "tested_on": SHORT,
            "interval_assumes": LINE,
        },
        splits,
    )


def check_fields(told: Mapping[str, Any]) -> None:
    """See that a record from a file is what it is to be.

    Raises:
        WrongField: a field is not; the message says which.
    """
    of_record: dict[str, Field] = {
        **dict.fromkeys(("name", "backbone", "feature_key", "dataset"), text(1000)),
        **dict.fromkeys(("dataset_digest", "artifact_digest"), SHORT),
        "kind": name,
        "cut": TEXT,
        "classes": list_of(label),
        "versions": mapping(SHORT, TEXT, 1000),
        "seed": whole((1 << 63) - 1),  # what a database holds
        "artifact_size": COUNT,
    }
    for one, field in of_record.items():
        field(told[one], one)
    of_settings = known(OF_SETTINGS) if told["kind"] in OURS else _of_a_package
    of_settings(told["settings"], "settings")
    _metrics(len(told["classes"]))(told["metrics"], "metrics")
    _check_settings(told["kind"], told["settings"])
    named = told["settings"].get("classes", told["classes"])
    if told["kind"] == ZeroShot.kind and named != told["classes"]:
        raise refuse(told["settings"]["classes"], "settings.classes", "the classes of the head")


def _check_settings(kind: str, settings: Mapping[str, Any]) -> None:
    """What the task and the kind say themselves of their settings."""
    needed = NEEDED.get(kind, ())
    needed = (*needed, "epochs") if "history" in settings and kind in KINDS.ours else needed
    for one in needed:
        if settings.get(one) is None:
            raise WrongField(f"settings has no field {one!r}")
    is_judged = kind in (ZeroShot.kind, TipAdapter.kind) or "temperature" in settings
    if kind in OURS and is_judged and isinstance(settings.get("judged_on"), str):
        raise refuse(settings["judged_on"], "settings.judged_on", "the samples that judged")
    try:
        task_of(dict(settings))
        _check_given(kind, settings, settings.get("given") or settings)
        for member in settings.get("members", ()) if kind == ENSEMBLE else ():
            _check_given(member["kind"], member["settings"], member["settings"])
    except (HeadError, InvalidValue) as error:
        raise WrongField(f"settings: {error.message}") from error
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise WrongField(f"settings are none of a head of kind {kind}: {error}") from error
    if kind == ENSEMBLE and not settings["members"]:
        raise WrongField("settings.members are none")
    if kind in OURS and not settings:
        raise WrongField(f"settings of a head of kind {kind} are none")


def _check_given(kind: str, settings: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """See that what a kind was given is told as the kind itself tells it, as far as it is told: of
    before there was a setting nothing is."""
    if kind not in KINDS and kind != Bagged.kind:
        return
    for one in ("of", "each", "bags") if kind == Bagged.kind else ():
        if one not in told or one not in settings:
            raise WrongField(f"settings of a head of kind {kind} have no {one!r}")
    own = spelled(kind_of(kind, settings).describe())
    if own and not own.keys() & {*told, *settings}:
        raise WrongField(f"they say nothing of {', '.join(own)}")
    _check_alike(told, own, "settings")


def _check_alike(told: Mapping[str, Any], own: Mapping[str, Any], where: str) -> None:
    for one in own.keys() & told.keys():
        value, wanted = told[one], own[one]
        if isinstance(value, dict) and isinstance(wanted, dict):
            _check_alike(value, wanted, f"{where}.{one}")
        elif value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
            raise refuse(value, f"{where}.{one}", f"{brief(wanted)}, as its kind tells it")


def unknown_kind(record: Head) -> str | None:
    """That nobody here knows the kind of a head, as where it is of a package that is not
    installed; None where it is known."""
    if record.kind in (*KINDS, ENSEMBLE, Bagged.kind, TUNED):
        return None
    return (
        f"head {record.name!r} is of kind {record.kind!r}, which no package here has: it says what "
        "it says, and cannot be trained again"
    )
