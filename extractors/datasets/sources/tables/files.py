"""The rows of CSV, TSV and JSON Lines files, with where they stand."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError, StorageError, first_line
from headstart.extractors.datasets.places import suffix_of
from headstart.extractors.datasets.rows import is_utf8
from headstart.storage.files import open_regular

Row = Mapping[str, Any]
LARGEST_CELL = 1 << 28
csv.field_size_limit(LARGEST_CELL)


def read_table(
    source: Path | str, content: bytes | None = None
) -> tuple[list[str], Sequence[tuple[str, Row]]]:
    """The columns, and the rows with where they are.

    Args:
        source: the file, or an address.
        content: what lies at the address.
    """
    suffix = suffix_of(str(source))
    try:
        opened = open_regular(Path(source)) if content is None else BytesIO(content)
        with TextIOWrapper(opened, encoding="utf-8-sig", newline="") as file:
            if suffix == ".jsonl":
                rows = list(_read_jsonl(source, file))
                return list(dict.fromkeys(name for _, row in rows for name in row)), rows
            delimiter = "\t" if suffix == ".tsv" else ","
            reader = csv.DictReader(file, delimiter=delimiter)
            rows = [(f"{source}, line {reader.line_num}", row) for row in reader]
            return list(reader.fieldnames or ()), rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{source} is not a readable CSV file ({first_line(error)})",
            hint="Save it as UTF-8 with commas.",
        ) from error
    except StorageError:
        raise
    except OSError as error:
        raise DatasetError(f"cannot read {source}: {error.strerror or error}") from error


def _read_jsonl(source: Path | str, lines: Any) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except RecursionError:
            raise DatasetError(f"{source}, line {number}: nested too deeply to be read") from None
        except ValueError as error:  # besides what is no JSON, numbers of thousands of digits
            reason = getattr(error, "msg", None) or first_line(error)
            raise DatasetError(f"{source}, line {number}: not JSON ({reason})") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{source}, line {number}: not a JSON object")
        if "\\u" in line and not is_utf8(json.dumps(row, ensure_ascii=False)):
            raise DatasetError(
                f"{source}, line {number}: half a letter (a lone surrogate)", hint="Mend the row."
            )
        yield f"{source}, line {number}", row
