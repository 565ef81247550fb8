"""Predictions as files: CSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from headstart.errors import HeadError
from headstart.jobs.heads.predict import Predictions
from headstart.jobs.heads.predicted import Prediction
from headstart.progress import Progress, silent
from headstart.storage.files import written_aside
from headstart.storage.manifest import Label

ROWS = 4096
"""Of a group in a Parquet file."""

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

    A row has `name`, `label` (a class, several, or a number), `probability` (none of a number),
    and the probability of each class: columns `p_CLASS` in CSV, an object `probabilities` in JSON
    lines, a list in the order of the schema's metadata `classes` in Parquet. Several numbers are
    columns `number_1` … in CSV, a list `numbers` in JSON lines, that list in Parquet.

    Returns:
        The number of rows.

    Raises:
        HeadError: see `check_target`.
        SampleUnreadable: a sample cannot be read; the file is as it was.
    """
    check_target(path)
    count = 0
    opened = WRITERS[path.suffix.lower()]
    with written_aside(path) as file, opened(file, predictions.classes, predictions.outputs) as add:
        for prediction in predictions:
            add(prediction)
            count += 1
            progress(predictions.done, predictions.total)
    return count


@contextmanager
def _csv(file: BinaryIO, classes: tuple[Label, ...], outputs: int) -> Iterator[Write]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    several = bool(classes) or outputs > 1
    columns = [f"p_{label}" for label in classes] or [f"number_{n + 1}" for n in range(outputs)]
    writer.writerow(["name", "label", "probability", *(columns if several else [])])

    def add(one: Prediction) -> None:
        shares = [f"{share:.6g}" for share in one.probabilities.tolist()] if several else []
        sure = "" if math.isnan(one.probability) else f"{one.probability:.6g}"
        writer.writerow([one.name, one.label, sure, *shares])

    yield add
    text.flush()
    text.detach()


@contextmanager
def _jsonl(file: BinaryIO, classes: tuple[Label, ...], outputs: int) -> Iterator[Write]:
    def add(one: Prediction) -> None:
        row = one.to_json()
        shares = one.probabilities.tolist()
        if classes:
            row["probabilities"] = dict(zip(map(str, classes), shares, strict=True))
        elif outputs > 1:
            row["numbers"] = shares
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    yield add


@contextmanager
def _parquet(file: BinaryIO, classes: tuple[Label, ...], outputs: int) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    is_number = all(isinstance(label, int) for label in classes) and (classes or outputs == 1)
    kind = pyarrow.int64() if is_number else pyarrow.string()
    if is_number and not classes:
        kind = pyarrow.float64()
    schema = pyarrow.schema(
        [
            ("name", pyarrow.string()),
            ("label", kind),
            ("probability", pyarrow.float32()),
            ("probabilities", pyarrow.list_(pyarrow.float32(), outputs)),
        ],
        metadata={"classes": json.dumps(list(classes), ensure_ascii=False)},
    )
    rows: list[Prediction] = []
    with parquet.ParquetWriter(file, schema) as writer:

        def flush() -> None:
            table = {
                "name": [one.name for one in rows],
                "label": [one.label if is_number else str(one.label) for one in rows],
                "probability": [one.probability for one in rows],
                "probabilities": [one.probabilities for one in rows],
            }
            writer.write_table(pyarrow.table(table, schema=schema))
            rows.clear()

        def add(one: Prediction) -> None:
            rows.append(one)
            if len(rows) == ROWS:
                flush()

        yield add
        flush()


WRITERS: dict[str, Any] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
