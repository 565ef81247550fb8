"""What is said of an ensemble: of which heads it is, and how it compares with the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.heads.evaluation.intervals import interval_text, score_text
from headstart.heads.kinds.words import setting_words


def members_text(settings: Mapping[str, Any]) -> str:
    """Of how many heads an ensemble is, of which, and with what weights; empty of other heads."""
    members = settings.get("members", ())
    each = [
        f"{setting_words({'kind': one['kind'], **one['settings']})} on {one['features']} "
        f"(weight {one['weight']:.2f})"
        for one in members
    ]
    return f"{len(members)} head{'s' * (len(members) > 1)}: {'; '.join(each)}" if each else ""


def out_of_bag_text(settings: Mapping[str, Any]) -> str:
    """What bagged heads had right of the samples that they did not draw; empty of other heads."""
    found = settings.get("out_of_bag")
    if found is None:
        return ""
    said = [
        f"{words} {score_text(name, found[name])} (95 %: {interval_text(found, name)})"
        for name, words in (("accuracy", "accuracy"), ("log_loss", "log loss"))
    ]
    return (
        f"{', '.join(said)}, {found['n']:,} train and validation samples, each judged by the heads "
        "that did not draw it"
    )


def compared_text(settings: Mapping[str, Any]) -> str:
    """The ensemble compared with the best of its members alone; empty of other heads."""
    found = settings.get("beside")
    if found is None:
        return ""
    within = "no interval of a single group"
    if found["interval"] is not None:
        low, high = (100 * end for end in found["interval"])
        within = f"95 %: {low:+.1f} to {high:+.1f}"
    return (
        f"{100 * found['difference']:+.1f} points of accuracy compared with {found['kind']} on "
        f"{found['features']} alone ({within}, paired, {found['samples']:,} samples)"
    )
