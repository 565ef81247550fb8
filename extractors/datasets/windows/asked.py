"""What `dataset add` is told of windows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Protocol

from headstart.errors import DatasetError
from headstart.extractors.datasets.source import Option, Options
from headstart.extractors.datasets.windows.medium import Medium

WINDOW = Option(
    "window",
    "Cut long samples into windows with a row each: 2s or 500ms for sounds, 256w "
    "(words) or 256tok (tokens) for texts, 256 (rows) for series.",
    metavar="LENGTH",
)
HOP = Option(
    "hop",
    "Distance between the beginnings of two windows. Default: the length of a window.",
    metavar="LENGTH",
)
TOKENIZER = Option(
    "tokenizer",
    "Tokenizer that counts for --window 256tok: a backbone that has one, a "
    "tokenizer.json or a vocab.txt.",
    metavar="BACKBONE|FILE",
)
FRAMES = Option(
    "frames", "Cut videos into clips of this many pictures, with a row each; needs --every."
)
EVERY = Option("every", "Length of a clip of --frames, such as 2s.", metavar="LENGTH")
WINDOW_OPTIONS = (WINDOW, HOP, TOKENIZER, FRAMES, EVERY)
NAMES = tuple(option.name for option in WINDOW_OPTIONS)
LENGTH = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>ms|s|min|w|tok|)")
SECONDS = {"ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60)}
WORDS, TOKENS, ROWS = "w", "tok", ""
UNITS = "2s, 500ms or 1min of sounds, 256w or 256tok of texts, 256 (rows) of series"


@dataclass(frozen=True)
class Length:
    """A length as it was given.

    Attributes:
        number: of seconds, words, tokens, or rows.
        unit: `s`, `w`, `tok`, or nothing for rows.
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


class Kept(Protocol):
    """Where tokenizers are kept: an `ArtifactStore`."""

    def read(self, digest: str) -> bytes:
        """The content of that sha256."""
        ...


def medium_of(options: Options, kept: Kept | None = None) -> Medium | None:
    """How samples are cut, by a dataset's options; None where they are not.

    Args:
        options: of the dataset.
        kept: where the tokenizer is that `tokenizer` names by its sha256; whoever counts no tokens
            needs none.

    Raises:
        DatasetError: the options say nothing that can be done.
    """
    told = [name for name in NAMES if options.get(name) is not None]
    if "frames" in told or "every" in told:
        return _videos(options, told)
    if "window" not in told:
        if told:
            raise DatasetError(
                f"--{told[0]} {options[told[0]]} without --window",
                hint="Such as --window 2s --hop 1s.",
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
    if (window.unit == TOKENS) != ("tokenizer" in told):
        raise DatasetError(
            f"--window {window.text} counts tokens, and there is no --tokenizer"
            if window.unit == TOKENS
            else f"--window {window.text} counts no tokens: --tokenizer has no use",
            hint="Such as --window 256tok --tokenizer BACKBONE, or --window 256w (words).",
        )
    if window.unit == TOKENS:
        from headstart.extractors.datasets.windows.tokens import Tokens

        return Tokens(window.number, hop.number, partial(_read, kept, str(options["tokenizer"])))
    return _made(window.unit)(window.number, hop.number)


def _made(unit: str) -> Any:
    """What is cut by a unit; imported where it is asked for, as few datasets are cut at all."""
    if unit == "s":
        from headstart.extractors.datasets.windows.sounds import Sounds

        return Sounds
    if unit == WORDS:
        from headstart.extractors.datasets.windows.texts import Texts

        return Texts
    from headstart.extractors.datasets.windows.series import Series

    return Series


def _read(kept: Kept | None, digest: str) -> bytes:
    assert kept is not None  # of those who count tokens
    return kept.read(digest)


def _videos(options: Options, told: list[str]) -> Medium:
    from headstart.extractors.datasets.windows.videos import MOST_FRAMES, Videos

    if told != ["frames", "every"]:
        raise DatasetError(
            "clips of videos have --frames and --every, and nothing else; received "
            f"{', '.join(f'--{name} {options[name]}' for name in told)}",
            hint="Such as --frames 16 --every 2s.",
        )
    every, frames = _parsed("every", options["every"]), str(options["frames"]).strip()
    if every.unit != "s":
        raise DatasetError(f"--every is {every.text!r}", hint="Give a time, such as 2s.")
    if not re.fullmatch(r"[0-9]{1,4}", frames) or not 1 <= int(frames) <= MOST_FRAMES:
        raise DatasetError(f"--frames is {frames!r}", hint=f"Give 1 to {MOST_FRAMES:,}.")
    return Videos(every.number, int(frames))


def _parsed(name: str, given: Any) -> Length:
    text = str(given).strip()
    found = LENGTH.fullmatch(text)
    if found is None or not Fraction(found["number"]):
        raise DatasetError(f"--{name} is {text!r}", hint=f"Such as {UNITS}; more than 0.")
    number, unit = Fraction(found["number"]), found["unit"]
    if unit in SECONDS:
        return Length(number * SECONDS[unit], "s", text)
    if number.denominator != 1:
        raise DatasetError(
            f"--{name} is {text!r}", hint="Words, tokens and rows are whole numbers."
        )
    return Length(number, unit, text)
