"""What listings can be filtered and sorted by: the fields of their rows, and tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headstart.errors import InvalidValue
from headstart.registry.names import nearest
from headstart.registry.selection.words import TAG

TEXT, REFERENCE, NUMBER, TIME = "text", "reference", "number", "time"
"""What a field holds; a reference is `NAME:VERSION`, of which the name alone means all versions."""
SCORES = (
    *("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "exact", "log_loss", "brier"),
    *("auroc", "auprc", "mean_average_precision", "ece", "ece_debiased", "steps_off"),
    *("r2", "mean_absolute_error", "root_mean_squared_error", "n_train", "n_validation", "n_test"),
)
"""Of heads, among their metrics: no columns."""
NO_SCORE = -1.0
"""In a column of a score that a trial has none of, as one of numbers has no accuracy: no score is
below 0, and none may be missing there."""


@dataclass(frozen=True)
class Field:
    """One of them.

    Attributes:
        sql: what gives it in the statement of the listing; None where only the row tells.
        takes: `TEXT`, `REFERENCE`, `NUMBER` or `TIME`.
        given: values of the placeholders in `sql`.
        read: gives it of a row; None of a row that has none.
    """

    sql: str | None
    takes: str = TEXT
    given: tuple[Any, ...] = ()
    read: Callable[[Mapping[str, Any]], float | None] = field(default=lambda _: None)


@dataclass(frozen=True)
class Listed:
    """A listing: a statement without its end, and what its rows can be chosen by.

    Attributes:
        kind: of what, as `tables.TAGS` has it.
        letter: of its table in the statement.
        select: up to the conditions.
        order: of the rows where nobody asks for another.
        fields: by name.
    """

    kind: str
    letter: str
    select: str
    order: str
    fields: Mapping[str, Field]

    def get(self, name: str) -> Field:
        """The field of that name; `tag.KEY` is one for every key.

        Raises:
            InvalidValue: there is none.
        """
        if name.startswith(TAG) and (key := name.removeprefix(TAG)):
            table, own = f"{self.kind}_tags", f"{self.kind}_id"
            sql = f"(SELECT g.value FROM {table} g WHERE g.{own} = {self.letter}.id AND g.key = ?)"
            return Field(sql, given=(key,))
        if name not in self.fields:
            there = f"There are {', '.join(self.fields)} and {TAG}KEY."
            guess = nearest(name, self.fields)
            raise InvalidValue(
                f"{self.kind}s have no field {name!r}",
                hint=there if guess is None else f"{guess} {there}",
            )
        return self.fields[name]


def _columns(letter: str, texts: str, numbers: str = "") -> dict[str, Field]:
    """Fields that are columns of the same name."""
    found = {name: Field(f"{letter}.{name}") for name in texts.split()}
    found |= {name: Field(f"{letter}.{name}", NUMBER) for name in numbers.split()}
    return {**found, "created_at": Field(f"{letter}.created_at", TIME)}


def _score(name: str) -> Field:
    return Field(None, NUMBER, read=lambda row: _number(row["metrics"].get(name)))


def _score_of_trial(column: str) -> str:
    return f"NULLIF(t.{column}, {NO_SCORE:g})"


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return value if is_one else None


BACKBONES = Listed(
    "backbone",
    "b",
    """
SELECT b.id, b.name, b.version, b.format, b.source, b.inputs, b.parameters, b.licence,
       b.artifact_size, b.preprocessing, b.created_at, c.name AS cut, c.shape AS cut_shape,
       c.pooling
FROM backbones b LEFT JOIN cut_points c ON c.backbone_id = b.id AND c.is_default
""",
    "b.name, b.version",
    _columns("b", "name format source licence", "version parameters artifact_size")
    | {"cut": Field("c.name")},
)
DATASETS = Listed(
    "dataset",
    "d",
    """
SELECT d.id, d.name, d.kind, d.source, d.digest, d.samples, d.unique_samples, d.classes,
       d.created_at, d.options
FROM datasets d
""",
    "d.name",
    _columns("d", "name kind source digest", "samples unique_samples")
    | {"classes": Field(None, NUMBER, read=lambda row: len(row["classes"]))},
)
HEADS = Listed(
    "head",
    "h",
    """
SELECT h.id, h.name, h.version, h.kind, h.backbone, h.cut, h.dataset, h.metrics, h.created_at
FROM heads h
""",
    "h.name, h.version",
    _columns("h", "name kind backbone cut dataset", "version")
    | {"backbone": replace(Field("h.backbone"), takes=REFERENCE)}
    | {name: _score(name) for name in SCORES},
)
SWEEPS = Listed(
    "sweep",
    "s",
    f"""
SELECT s.id, s.dataset, s.heads, s.seconds, s.created_at, t.features, t.kind,
       {_score_of_trial("accuracy")} AS accuracy, {_score_of_trial("log_loss")} AS log_loss
FROM sweeps s LEFT JOIN trials t ON t.sweep_id = s.id AND t.place = 1
""",
    "s.id DESC",
    _columns("s", "dataset", "id heads seconds")
    | {"features": Field("t.features"), "kind": Field("t.kind")}
    | {name: Field(_score_of_trial(name), NUMBER) for name in ("accuracy", "log_loss")},
)
"""A sweep is found by the best of its trials."""
