"""Samples that are worth a look as a file: to be judged by a person, and given to `correct`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError
from headstart.jobs.datasets.audit import Suspect
from headstart.jobs.datasets.corrections_file import EXCLUDE, ID, LABEL, NEW
from headstart.storage.files import written_aside

COLUMNS = (ID, "split", LABEL, "guess", "margin", NEW, EXCLUDE)
NEXT = (ID, "split", LABEL, "guess", "probability", NEW, EXCLUDE)
"""Of samples that are to be labelled."""
DUPLICATES = (ID, "split", LABEL, "group", NEW, EXCLUDE)
"""Of samples that are nearly the same as others."""


def check_target(path: Path) -> None:
    """See, before anything is computed, that it can be written.

    Raises:
        DatasetError: it is no CSV file.
    """
    if path.suffix.lower() != ".csv":
        raise DatasetError(f"cannot write samples into {path}", hint="Name a .csv file.")


def write_suspects(suspects: Sequence[Suspect], path: Path) -> None:
    """Write `id`, `split`, `label`, `guess` and `margin` of each, and `new_label` and `exclude`,
    which are empty: whoever fills one in corrects that sample.

    Raises:
        DatasetError: it is no CSV file.
    """
    check_target(path)
    rows = (one.to_json() for one in suspects)
    write_rows(path, COLUMNS, ({**row, "margin": f"{row['margin']:.3f}"} for row in rows))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file that appears when it is whole; what a row does not have is empty."""
    with written_aside(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        text.flush()
        text.detach()
