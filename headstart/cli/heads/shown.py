"""What is shown of a head: what it came from, what its fit made of it, its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.cli.output import Result, share_cell, table

if TYPE_CHECKING:
    from headstart.catalog.head import Head

LARGEST_CONFUSION = 12
VOID_LEGEND = (
    "void: the dataset was dealt to other splits since; the head may have been trained on what is "
    "tested on now. Train it again."
)


def shown(head: Head, of_classes: Sequence[Any] = ()) -> Result:
    """What is known of a head, with what more is to be printed of its classes."""
    from headstart.jobs.heads.care.described import lines_of

    rows = lines_of(head)

    def show(out: Any) -> None:
        out.print(table(None, ("what", ""), rows))
        for part in of_classes:
            out.print(part)
        if matrix := confusion(head.metrics, head.record.classes):
            out.print(matrix)

    return Result(head, show)


HELD_OUT = "the held-out split"


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
    areas = [
        name for name in ("auroc", "auprc") if any(getattr(one, name) is not None for one in found)
    ]
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
