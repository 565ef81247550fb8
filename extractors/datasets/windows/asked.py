"""What `dataset add` is told of windows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from headstart.errors import DatasetError
from headstart.extractors.datasets.source import Option, Options
from headstart.extractors.datasets.windows.medium import Medium
from headstart.extractors.datasets.windows.series import Series
from headstart.extractors.datasets.windows.sounds import Sounds
from headstart.extractors.datasets.windows.texts import Texts

WINDOW = Option(
    "window",
    "Cut long samples into windows, a row each: 2s or 500ms of sounds, 256w (words) of texts, "
    "256 (rows) of series.",
    metavar="LENGTH",
)
HOP = Option(
    "hop", "From the beginning of one window to the next; its length without it.", metavar="LENGTH"
)
WINDOW_OPTIONS = (WINDOW, HOP)
NAMES = tuple(option.name for option in WINDOW_OPTIONS)
LENGTH = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>ms|s|min|w|)")
SECONDS = {"ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60)}
WORDS, ROWS = "w", ""
UNITS = "2s, 500ms or 1min of sounds, 256w (words) of texts, 256 (rows) of series"


@dataclass(frozen=True)
class Length:
    """A length as it was given.

    Attributes:
        number: of seconds, words, or rows.
        unit: `s`, `w`, or nothing for rows.
        text: as it was written.
    """

    number: Fraction
    unit: str
    text: str


def window_options(given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Options that say how samples are cut into windows, as they are stored; and all others.

    Raises:
        DatasetError: they say nothing that can be done.
    """
    told = {name: str(given[name]) for name in NAMES if given.get(name) is not None}
    medium_of(told)
    return told, {name: value for name, value in given.items() if name not in NAMES}


def medium_of(options: Options) -> Medium | None:
    """How samples are cut, by a dataset's options; None where they are not.

    Raises:
        DatasetError: the options say nothing that can be done.
    """
    if options.get("window") is None:
        if options.get("hop") is not None:
            raise DatasetError(
                f"--hop {options['hop']} without --window", hint="Such as --window 2s --hop 1s."
            )
        return None
    window = _parsed("window", options["window"])
    hop = window if options.get("hop") is None else _parsed("hop", options["hop"])
    if hop.unit != window.unit:
        if hop.unit != ROWS:
            raise DatasetError(
                f"--window {window.text} and --hop {hop.text} are of different units",
                hint=f"Give both as {UNITS}.",
            )
        hop = Length(hop.number, window.unit, hop.text)
    if hop.number > window.number:
        raise DatasetError(
            f"--hop {hop.text} is larger than --window {window.text}: what lies between two "
            "windows would be left out",
            hint="Take a hop of at most the window.",
        )
    return MEDIA[window.unit](window.number, hop.number)


MEDIA: dict[str, Any] = {"s": Sounds, WORDS: Texts, ROWS: Series}


def _parsed(name: str, given: Any) -> Length:
    text = str(given).strip()
    found = LENGTH.fullmatch(text)
    if found is None or not Fraction(found["number"]):
        raise DatasetError(f"--{name} is {text!r}", hint=f"Such as {UNITS}; more than 0.")
    number, unit = Fraction(found["number"]), found["unit"]
    if unit in SECONDS:
        return Length(number * SECONDS[unit], "s", text)
    if number.denominator != 1:
        raise DatasetError(f"--{name} is {text!r}", hint="Words and rows are whole numbers.")
    return Length(number, unit, text)
