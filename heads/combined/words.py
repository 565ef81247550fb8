"""What is said of an ensemble: of which heads it is, and how it compares with the best of them."""

from __future__ import annotations

from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import ENSEMBLE
from headstart.heads.evaluation.intervals import interval_text, score_text
from headstart.heads.kinds.words import setting_words
from headstart.registry.entities import Head


def members_text(record: Head) -> str:
    """Of how many heads an ensemble is, of which, and with what weights; empty of other heads."""
    members = record.settings.get("members", ()) if record.kind == ENSEMBLE else ()
    each = [
        f"{setting_words({'kind': one['kind'], **one['settings']})} on {one['features']} "
        f"(weight {one['weight']:.2f})"
        for one in members
    ]
    return f"{len(members)} head{'s' * (len(members) > 1)}: {'; '.join(each)}" if each else ""


def out_of_bag_text(record: Head) -> str:
    """What bagged heads had right of the samples that they did not draw; empty of other heads."""
    found = record.settings.get("out_of_bag")
    if found is None or record.kind != Bagged.kind:
        return ""
    said = [
        f"{words} {score_text(name, found[name])} (95 %: {interval_text(found, name)})"
        for name, words in (("accuracy", "accuracy"), ("log_loss", "log loss"))
    ]
    return (
        f"{', '.join(said)}, {found['n']:,} train and validation samples, each judged by the heads "
        "that did not draw it"
    )


def compared_text(record: Head) -> str:
    """The ensemble compared with the best of its members alone; empty of other heads."""
    found = record.settings.get("beside")
    if found is None or record.kind != ENSEMBLE:
        return ""
    within = "no interval of a single group"
    if found["interval"] is not None:
        low, high = (100 * end for end in found["interval"])
        within = f"95 %: {low:+.1f} to {high:+.1f}"
    return (
        f"{100 * found['difference']:+.1f} points of accuracy compared with {found['kind']} on "
        f"{found['features']} alone ({within}, paired, {found['samples']:,} samples)"
    )
