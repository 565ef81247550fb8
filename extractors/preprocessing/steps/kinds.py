"""What a kind of preprocessing step is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Setting = tuple[Any, str, Callable[[Any], bool]]
"""A setting's default (None where it must be given), what it must be in words, and the check."""


@dataclass(frozen=True)
class StepKind:
    """A kind of step.

    Attributes:
        version: ours; whoever changes a number that the step gives raises it.
        settings: the settings by name.
        run: the step: takes a value, and the settings as keywords.
        words: what it does, with the settings in braces.
        file: the setting that names a file of the workspace by its sha256, or None. Such a step's
            `open` takes the file's content and the settings, and gives the function to run.
        open: see `file`.
        tells: whether the step takes a function `tell` besides, which it calls with the share of
            each value that it leaves out.
    """

    version: int
    settings: dict[str, Setting]
    words: str
    run: Callable[..., Any] | None = None
    file: str | None = None
    open: Callable[..., Callable[[Any], Any]] | None = None
    tells: bool = False

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: setting[0] for name, setting in self.settings.items()}

    def describe(self, step: dict[str, Any]) -> str:
        return self.words.format(**step)


def untold(_: float) -> None:
    """For whoever does not ask what is left out."""


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1 << 16


def is_number(value: Any) -> bool:
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain and bool(np.isfinite(value))


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def is_text_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words
