"""Predictions as files: CSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from headstart.errors import HeadError
from headstart.jobs.heads.predict import Predictions
from headstart.jobs.heads.predicted import (
    Prediction,
    Says,
    names_of,
    names_of_answers,
    names_of_ends,
)
from headstart.progress import Progress, silent
from headstart.storage.files import written_aside
from headstart.storage.samples import BETWEEN
from headstart.values.said import CLASS, LABELS, NUMBERS

ROWS = 4096
"""Of a group in a Parquet file."""

DIGITS = 9
"""Of a number in CSV: as many as tell any two of float32 apart."""

Write = Callable[[Prediction], None]


def check_target(path: Path) -> None:
    """See, before anything is computed, that predictions can be written into a file.

    Raises:
        HeadError: its suffix stands for no format.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise HeadError(
            f"cannot write predictions into {path}", hint=f"Name a {', '.join(WRITERS)} file."
        )


def write(predictions: Predictions, path: Path, progress: Progress = silent) -> int:
    """Write predictions while they are computed; the file appears when it is whole.

    A row has the sample's `name`, its `split` if it is of the dataset that the head was trained
    on, and its `novelty` if that was asked for. Of a class there follow `label`, `probability` and
    those of all classes: columns `p_CLASS` in CSV, an object `probabilities` in JSON lines, a list
    in the order of the schema's metadata `classes` in Parquet. Of several labels the same, without
    a `probability`: there is none of all together. Of a number there is `value`; of several columns
    `value_1` … in CSV, a list `values` in JSON lines and Parquet. Where sets of classes were asked
    for, `set` has them: with `|` between them in CSV, a list elsewhere; a `label` that is not known
    is empty. Where answers about several labels were asked for, `answers` has them, `yes`, `no` or
    `unknown`: an object by label in JSON lines, a list in Parquet, columns `says_LABEL` in CSV.
    Where intervals of numbers were asked for, `interval` has the two ends, of several
    `intervals`; in CSV `low` and `high`, of several `low_1` and so on.

    Returns:
        The number of rows.

    Raises:
        HeadError: see `check_target`.
        SampleUnreadable: a sample cannot be read; the file is as it was.
    """
    check_target(path)
    count = 0
    opened = WRITERS[path.suffix.lower()]
    with written_aside(path) as file, opened(file, predictions) as add:
        for prediction in predictions:
            add(prediction)
            count += 1
            progress(predictions.done, predictions.total)
    return count


@contextmanager
def _csv(file: BinaryIO, head: Says) -> Iterator[Write]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    said = {CLASS: ["label", "probability"], LABELS: ["label"], NUMBERS: []}[head.says]
    split = ["split"] if head.has_splits else []
    sets = ["set"] if head.has_sets and head.says == CLASS else []
    ends = names_of_ends(head.outputs) if head.has_sets and head.says == NUMBERS else []
    answers = names_of_answers(head.classes) if head.has_sets and head.says == LABELS else []
    far = ["novelty"] if head.has_novelty else []
    writer.writerow(
        ["name", *split, *far, *said, *sets, *answers, *ends, *names_of(head.classes, head.outputs)]
    )

    def add(one: Prediction) -> None:
        facts = one.to_json()
        sure = [f"{facts['probability']:.6g}"] if "probability" in facts else []
        label = [facts["label"]] if "label" in facts else []
        known = [one.name, *([one.split] if split else [])]
        known += [f"{one.novelty:.6g}"] if far else []
        likely = _ends(one) if ends else []
        likely += (one.answers or ()) if answers else ()
        likely += [BETWEEN.join(map(str, one.likely or ()))] if sets else []
        writer.writerow([*known, *label, *sure, *likely, *(f"{n:.{DIGITS}g}" for n in one.outputs)])

    yield add
    text.flush()
    text.detach()


def _ends(one: Prediction) -> list[str]:
    """The ends of the intervals of a prediction; empty where there are none."""
    flat = [end for pair in one.intervals or () for end in pair]
    return ["" if end is None else f"{end:.{DIGITS}g}" for end in flat]


@contextmanager
def _jsonl(file: BinaryIO, head: Says) -> Iterator[Write]:
    def add(one: Prediction) -> None:
        row = one.to_json()
        if head.says == CLASS:
            row["probabilities"] = one.by_class()
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    yield add


@contextmanager
def _parquet(file: BinaryIO, head: Says) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    schema, row_of = _columns(head)
    rows: list[dict[str, Any]] = []
    with parquet.ParquetWriter(file, schema) as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def add(one: Prediction) -> None:
            known: dict[str, Any] = {"split": one.split} if head.has_splits else {}
            known |= {"novelty": one.novelty} if head.has_novelty else {}
            rows.append({"name": one.name, **known, **row_of(one)})
            if len(rows) == ROWS:
                flush()

        yield add
        flush()


def _columns(head: Says) -> tuple[Any, Callable[[Prediction], dict[str, Any]]]:
    """The schema of a Parquet file, and what stands in it besides the name."""
    import pyarrow

    text, each = pyarrow.string(), pyarrow.list_(pyarrow.float32(), head.outputs)
    known = [("name", text), *([("split", text)] if head.has_splits else [])]
    known += [("novelty", pyarrow.float32())] if head.has_novelty else []
    if head.says == NUMBERS:
        ends = pyarrow.list_(pyarrow.float64(), 2)
        if head.outputs == 1:
            known += [("interval", ends)] if head.has_sets else []
            return pyarrow.schema([*known, ("value", pyarrow.float64())]), Prediction.to_json
        known += [("intervals", pyarrow.list_(ends))] if head.has_sets else []
        return pyarrow.schema([*known, ("values", each)]), Prediction.to_json
    is_number = head.says == CLASS and all(isinstance(label, int) for label in head.classes)
    label = ("label", pyarrow.int64() if is_number else text)
    sure = [("probability", pyarrow.float32())] if head.says == CLASS else []
    sets = [("set", pyarrow.list_(label[1]))] if head.has_sets and sure else []
    sets += [("answers", pyarrow.list_(text))] if head.has_sets and not sure else []
    metadata = {"classes": json.dumps(list(head.classes), ensure_ascii=False)}
    schema = pyarrow.schema(
        [*known, label, *sure, *sets, ("probabilities", each)], metadata=metadata
    )

    def row_of(one: Prediction) -> dict[str, Any]:
        said = one.label if is_number or one.label is None else str(one.label)
        more: dict[str, Any] = {"probability": one.probability} if sure else {}
        if sets and not sure:
            more["answers"] = one.answers
        elif sets:
            more["set"] = [name if is_number else str(name) for name in one.likely or ()]
        return {"label": said, **more, "probabilities": one.probabilities}

    return schema, row_of


WRITERS: dict[str, Any] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
