"""What is said of an ensemble: of which heads it is, and how it compares with the best of them."""

from __future__ import annotations

from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import ENSEMBLE
from headstart.heads.evaluation.intervals import SHARES, interval_text, score_text
from headstart.heads.evaluation.provenance import words_of
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
    name = found.get("score", "accuracy")  # of before there were others
    within = "no interval of a single group"
    if found["interval"] is not None:
        within = "95 %: " + " to ".join(_apart(name, end) for end in found["interval"])
    what = f"points of {words_of(name)}" if name in SHARES else words_of(name)
    return (
        f"{_apart(name, found['difference'])} {what} compared with {found['kind']} on "
        f"{found['features']} alone ({within}, paired, {found['samples']:,} samples)"
    )


def _apart(name: str, value: float) -> str:
    """By how much a score is more; shares in points."""
    return f"{100 * value:+.1f}" if name in SHARES else f"{value:+.3f}"
