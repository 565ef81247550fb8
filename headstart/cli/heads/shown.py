"""What is shown of a head: what it came from, what its fit made of it, its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.cli.names.tags import tags_text
from headstart.cli.output import Result, share_cell, table

if TYPE_CHECKING:
    from headstart.catalog.head import Head

LARGEST_CONFUSION = 12
VOID_LEGEND = (
    "void: the dataset was dealt to other splits since; the head may have been trained on what is "
    "tested on now. Train it again."
)


def _at_end(kind: str, settings: Mapping[str, Any]) -> str | None:
    """That another value may be better, and which option takes it."""
    from headstart.heads.kinds.every_kind import KINDS

    told = settings.get("at_end")
    flags = [one.flag for one in getattr(KINDS.get(kind), "options", ())]
    grid = next((flag for flag in ("--strengths", "--penalties") if flag in flags), None)
    return told if told is None or grid is None else f"{told}: give others by {grid}"


def shown(head: Head, of_classes: Sequence[Any] = ()) -> Result:
    """What is known of a head, with what more is to be printed of its classes."""
    from headstart.heads.evaluation.provenance import (
        calibration_text,
        chosen_text,
        few_groups_text,
        few_text,
        fitted_text,
        held_out_text,
        lineage_text,
        untested_text,
    )
    from headstart.heads.kinds.words import fitted_words, given_words

    record, metrics = head.record, head.metrics
    rows = [
        ("head", f"{record.name}, version {record.version}, {record.kind}"),
        *[("came from", line) for line in [lineage_text(record.settings)] if line],
        ("aliases", ", ".join(record.aliases) or None),
        *[("tags", line) for line in [tags_text(record.tags)] if line],
        ("backbone", f"{record.backbone}@{record.cut}"),
        ("dataset", f"{record.dataset}, {record.dataset_digest[:12]}"),
        ("feature key", record.feature_key[:12]),
        *scores(record),
        *_each(metrics.get("of_each", ())),
        *[("windows", windows_text(one)) for one in [record.settings.get("windows")] if one],
        ("held out", held_out_text(metrics)),
        ("looks", head.looks.to_text()),
        *([("void", VOID_LEGEND.removeprefix("void: "))] if head.is_void else []),
        *[("not tested", line) for line in [untested_text(metrics)] if line],
        *[("few groups", line) for line in [few_groups_text(metrics)] if line],
        *[("few samples", line) for line in [few_text(metrics)] if line],
        ("probabilities", calibration_text(record)),
        ("fitted on", fitted_text(record)),
        ("chosen on", chosen_text(record.settings)),
        *[("not chosen", line) for line in [record.settings.get("not_chosen")] if line],
        *_members(record),
        ("settings", given_words(record.kind, record.settings) or None),
        ("fitted", fitted_words(record.kind, record.settings) or None),
        ("seed", record.seed),
        ("end of its grid", _at_end(record.kind, record.settings)),
    ]

    def show(out: Any) -> None:
        out.print(table(None, ("what", ""), rows))
        for part in of_classes:
            out.print(part)
        if matrix := confusion(metrics, record.classes):
            out.print(matrix)

    return Result(head, show)


def _members(record: Any) -> Iterator[tuple[str, str]]:
    """The heads of an ensemble, and what they are worth compared with the best of them."""
    from headstart.cli.heads.winner import beside_text, members_text

    if "members" in record.settings:
        yield "members", members_text(record)
        yield "compared", beside_text(record)


HELD_OUT = "the held-out split"


def scores(record: Any) -> Iterator[tuple[str, str]]:
    """The scores of a head with their intervals; one that was balanced has probabilities of classes
    that are equally frequent."""
    from headstart.heads.evaluation.intervals import interval_text, score_text, share_text
    from headstart.heads.evaluation.per_class import majority_of
    from headstart.heads.evaluation.provenance import balanced_text, scores_in, words_of

    metrics = record.metrics
    for name in scores_in(metrics):
        if name == "ece_debiased":  # beside the other: they have one interval
            continue
        told = score_text(name, metrics[name])
        if name == "ece":
            told += f" ({score_text(name, metrics['ece_debiased'])} debiased)"
        more = balanced_text(record) if name == "log_loss" else ""
        if name == "accuracy" and (share := majority_of(metrics)) is not None:
            more = f"majority class {share_text(share)}"
        yield words_of(name), f"{told}, 95 %: {interval_text(metrics, name)}{more and f'; {more}'}"


def by_class(
    metrics: Mapping[str, Any], classes: Sequence[Any], *, every: bool, of: str = HELD_OUT
) -> list[Any]:
    """A table of each class, or of those with the lowest F1, and a line below it; `of` says of
    which samples."""
    from headstart.heads.evaluation.per_class import class_scores

    found = class_scores(metrics, classes)
    if not found:
        return []
    found.sort(key=lambda one: (one.f1 is None, one.f1))
    shown = found if every else found[:WORST]
    areas = [name for name in ("auroc", "auprc") if any(getattr(one, name) for one in found)]
    columns = ("class", ">samples", ">precision", ">recall", ">F1")
    rows = [
        (
            str(one.label),
            one.support,
            *(share_cell(score) for score in (one.precision, one.recall, one.f1)),
            *(area_cell(getattr(one, name)) for name in areas),
        )
        for one in shown
    ]
    many = f"The {WORST} of {len(found):,} classes with the lowest F1; --all shows all. "
    line = f"{many if len(shown) < len(found) else ''}Below each share its 95 % interval."
    titles = [f">?{name.upper()}" for name in areas]
    return [table(f"Each class on {of}", (*columns, *titles), rows), line]


WORST = 10


def area_cell(value: float | None) -> str | None:
    """An area without an interval."""
    return None if value is None else f"{value:.3f}"


def _each(of_each: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, str]]:
    """The scores of each of several numbers, in the order of the labels, each with its interval."""
    from headstart.heads.evaluation.intervals import interval_text, score_text
    from headstart.heads.evaluation.provenance import scores_in, words_of

    for number, one in enumerate(of_each, start=1):
        for name in scores_in(one):
            told = f"{score_text(name, one[name])}, 95 %: {interval_text(one, name)}"
            yield f"number {number}: {words_of(name)}", told


def windows_text(windows: Mapping[str, Any]) -> str:
    """How a head's samples were cut, and what became of their windows."""
    cut = " ".join(f"--{name} {windows[name]}" for name in CUTTING if name in windows)
    pooled = windows.get("pooled")
    made = "each by itself, scored together" if pooled == "each" else f"their {pooled} is a sample"
    return f"{cut}; {made}" if cut else made


CUTTING = ("window", "hop", "frames", "every")


def confusion(metrics: Mapping[str, Any], classes: Sequence[Any], of: str = HELD_OUT) -> Any | None:
    """The confusion matrix as a table; columns are numbered to fit. None of many classes, and where
    there is none."""
    if "confusion" not in metrics or len(classes) > LARGEST_CONFUSION:
        return None
    columns = ("truth", *(f">#{number}" for number in range(1, len(classes) + 1)))
    rows = [
        (f"#{number} {label}", *(count or "·" for count in counts))
        for number, (label, counts) in enumerate(
            zip(classes, metrics["confusion"], strict=True), start=1
        )
    ]
    return table(f"Confusion on {of} (columns: guessed, by the # of the class)", columns, rows)
