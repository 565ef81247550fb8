"""What a user should know although nothing failed: warnings of Python, of one class."""

from __future__ import annotations

import warnings


class HeadstartWarning(UserWarning):
    """Something was left out or cannot be used; the message names it."""


class HeadstartNote(HeadstartWarning):
    """Something was found out by itself, and is nothing to worry about; the message says what."""


class FewSamples(HeadstartWarning):
    """Classes have too few samples for a score to say much; the message names them."""


def warn(message: str, category: type[HeadstartWarning] = HeadstartWarning) -> None:
    """Tell whoever called; the command line prints it as one line on standard error."""
    warnings.warn(message, category, stacklevel=3)


def tell(message: str) -> None:
    """As `warn`, of what was found out by itself."""
    warnings.warn(message, HeadstartNote, stacklevel=3)
