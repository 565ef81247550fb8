"""What a user should know although nothing failed: warnings of Python, of one class."""

from __future__ import annotations

import warnings


class HeadstartWarning(UserWarning):
    """Something was left out or cannot be used; the message names it."""


def warn(message: str) -> None:
    """Tell whoever called; the command line prints it as one line on standard error."""
    warnings.warn(message, HeadstartWarning, stacklevel=3)
