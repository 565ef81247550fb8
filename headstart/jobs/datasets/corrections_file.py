"""What a person wants corrected, as a file or Python says it."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError, SourceMissing
from headstart.extractors.datasets.labels import no_labels_in
from headstart.extractors.datasets.rows import to_label
from headstart.storage.manifest import Label

ID, LABEL, NEW, EXCLUDE = "id", "label", "new_label", "exclude"
"""Columns of a file of corrections; the others are for people."""
NOT = {"no", "n", "false", "f", "0", "0.0", "0,0", "off"}
NOT |= {"nein", "falsch", "non", "faux", "falso", "não", "nee"}
LEFT_OUT = {"x", "yes", "y", "true", "t", "1", "1.0", "1,0", "on", "exclude"}
LEFT_OUT |= {"ja", "wahr", "oui", "vrai", "sí", "si", "verdadero", "vero"}
"""What says in the column `exclude`, in any case, that a sample stays or leaves, as people and
spreadsheets of some languages write it; other words are asked about."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What spreadsheets put between cells, by country and menu."""
UNSEEN = frozenset("\u200b\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Spaces of no width and changes of direction; joiners are letters of some scripts."""
LONGEST = 200
"""Letters of a class that is new; names of files have 255 bytes."""
ALIKE = 0.81
"""Of `difflib`: `sqaure` is .83 of `square`, `male` .8 of `female`."""
PERHAPS = 0.6
"""Of a class that is asked about, as it has few samples: `brnad` is .8 of `brand`."""


@dataclass(frozen=True)
class Wanted:
    """What a person wants: new labels and samples to leave out, by id.

    Attributes:
        labels: of each sample the text or number, and the label that it was thought to have, if
            that was said.
        excluded: ids.
        untouched: rows that say nothing.
        contents: digests of what they were thought to hold, by id, as far as that was said.
    """

    labels: dict[str, tuple[Label, str | None]]
    excluded: tuple[str, ...] = ()
    untouched: int = 0
    contents: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, names: Mapping[str, str]) -> Wanted:
        """The same of samples by other ids.

        Raises:
            DatasetError: two ids become one.
        """
        asked = [*self.labels, *self.excluded]
        if len({names[id_] for id_ in asked}) < len(asked):
            twice = [id_ for id_ in asked if names[id_] != id_]
            raise DatasetError(
                f"sample {twice[0]!r} was named twice, its accents written in two ways",
                hint="Say one. Nothing was corrected.",
            )
        labels = {names[id_]: one for id_, one in self.labels.items()}
        excluded = tuple(names[id_] for id_ in self.excluded)
        contents = {names[id_]: digest for id_, digest in self.contents.items()}
        return Wanted(labels, excluded, self.untouched, contents)


def wanted_of(given: Any) -> Wanted:
    """From a file, or labels by id, as Python has them.

    Raises:
        DatasetError: see `read_corrections`; or a label is neither a text nor a number.
    """
    if isinstance(given, Wanted):
        return given
    if isinstance(given, Mapping):
        return Wanted({str(id_): (_read(id_, label), None) for id_, label in given.items()})
    return read_corrections(Path(given))


def read_corrections(path: Path) -> Wanted:
    """What stands in a CSV file with the columns `id`, `new_label` and `exclude`, one of these two
    at least; and `label`, which is compared with what the label is. UTF-8 or UTF-16; between cells
    commas, semicolons or tabs, by the header.

    Raises:
        DatasetError: it is no such file, or a row says two things.
    """
    rows = _rows(path)
    labels: dict[str, tuple[Label, str | None]] = {}
    excluded, untouched = dict[str, None](), 0
    for number, row in rows:
        if None in row or None in row.values():
            raise DatasetError(
                f"{path}, line {number}: it has {'more' if None in row else 'fewer'} cells than "
                "the header",
                hint="Put cells with commas into quotes. Nothing was corrected.",
            )
        id_, new, leaves = (str(row.get(name) or "").strip() for name in (ID, NEW, EXCLUDE))
        if leaves and leaves.lower() not in NOT | LEFT_OUT:
            raise DatasetError(
                f"{path}, line {number}: {EXCLUDE} is {leaves[:40]!r}, which may mean either",
                hint="Write x to leave the sample out, or nothing. Nothing was corrected.",
            )
        leaves = "" if leaves.lower() in NOT else leaves
        if id_ in labels or id_ in excluded or (new and leaves):
            why = "has a new label, and exclude" if new and leaves else "was named before"
            raise DatasetError(f"{path}, line {number}: sample {id_!r} {why}", hint="Say one.")
        if new:
            labels[id_] = new, row.get(LABEL)
        elif leaves:
            excluded[id_] = None
        else:
            untouched += 1
    return Wanted(labels, tuple(excluded), untouched)


def _rows(path: Path) -> list[tuple[int, dict[Any, Any]]]:
    """The rows of a file by its columns, with the number of the line in which each ends."""
    try:
        whole = _decoded(path.read_bytes())
        text, delimiter = _told(whole)
        delimiter = delimiter or _delimiter(text)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        skipped = int(text is not whole)
        rows = [(reader.line_num + skipped, row) for row in reader]
        columns = list(reader.fieldnames or ())
    except csv.Error as error:  # a quote that stays open is no label
        why = str(error).replace("unexpected end of data", "a quote that is opened is not closed")
        raise DatasetError(f"{path} cannot be read: {why}", hint="Give a CSV file.") from error
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError):
            raise SourceMissing(f"no file {path}", hint="Check the path.") from None
        why = getattr(error, "strerror", None) or "it is no text in UTF-8 or UTF-16"
        raise DatasetError(f"{path} cannot be read: {why}", hint="Give a CSV file.") from error
    if not columns:
        raise DatasetError(f"{path} is empty", hint="Give a CSV file with a header.")
    twice = [name for name in (ID, NEW, EXCLUDE, LABEL) if columns.count(name) > 1]
    if twice:
        raise DatasetError(
            f"{path} has {columns.count(twice[0])} columns {twice[0]!r}",
            hint="Leave one. Nothing was corrected.",
        )
    if ID not in columns or not {NEW, EXCLUDE} & {*columns}:
        raise DatasetError(
            f"{path} has the columns {', '.join(sorted(columns))}",
            hint=f"It needs {ID}, and {NEW} or {EXCLUDE}, as `features audit --output` writes.",
        )
    return rows


def _decoded(content: bytes) -> str:
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_wide else "utf-8-sig")


def _told(text: str) -> tuple[str, str]:
    """The text without a first line `sep=;`, and what that says is between cells: some spreadsheets
    write one."""
    first, _, rest = text.partition("\n")
    separator = first.rstrip("\r").removeprefix("sep=")
    return (rest, separator) if first.startswith("sep=") and len(separator) == 1 else (text, "")


def _delimiter(text: str) -> str:
    """What is between the cells of the header: the first that gives a column of ids."""
    header = text.split("\n", 1)[0].rstrip("\r")
    for one in DELIMITERS:
        if ID in next(csv.reader([header], delimiter=one), ()):
            return one
    return ","


def _read(id_: Any, label: Any) -> Label:
    """A label as sources read one: a fraction is a text."""
    try:
        return to_label(label, f"sample {str(id_)!r}")
    except DatasetError as error:
        error.hint = (
            "Give a class, a number, or several with | between them, such as 'dog|grass'; "
            "`exclude` leaves a sample out. Nothing was corrected."
        )
        raise


def check_new(id_: str, label: Label) -> None:
    """See that a label which no sample has yet can be meant for one.

    Raises:
        DatasetError: programs write so that there is none; it holds signs that cannot be seen, or
            nothing else; or it is longer than any name.
    """
    text = str(label)
    if no_labels_in([text]):
        why = "is what programs write where there is no label"
    elif any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text):
        why = "holds control characters"
    elif not any(sign.isprintable() and not sign.isspace() for sign in text):
        why = "has no sign that can be seen"
    elif not UNSEEN.isdisjoint(text):
        why = "holds signs that cannot be seen"
    elif len(text) > LONGEST:
        text, why = f"{text[:40]}…", f"has {len(text):,} letters, more than {LONGEST}"
    else:
        return
    raise DatasetError(
        f"sample {id_!r}: the new label {text!r} {why}",
        hint=f"Give a class; or leave the cell empty, or write x into {EXCLUDE}. Nothing was "
        "corrected.",
    )


def find_alike(label: Label, classes: Mapping[str, Label], alike: float = ALIKE) -> Label | None:
    """The class that a new one is nearly spelled like, in other letters' case, signs or order."""
    same = {_letters(text): known for text, known in classes.items()}
    letters = _letters(str(label))
    if letters in same:
        return same[letters]
    if any(sign.isdigit() for sign in letters):  # class 1 and class 2
        return None
    near = get_close_matches(letters, same, 1, alike)
    return same[near[0]] if near else None


def _letters(text: str) -> str:
    """Letters and digits alone, of one case and width."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in plain if sign.isalnum()) or plain
