"""What heads of a task say of a sample, and whether saying nothing is an answer."""

from __future__ import annotations

CLASS, LABELS, NUMBERS = "class", "labels", "numbers"
"""One class; any number of labels; one number or several."""


def is_none_an_answer(task: object) -> bool:
    """Whether a sample without a label is one to learn: of several labels it has none of them."""
    return getattr(task, "says", None) == LABELS
