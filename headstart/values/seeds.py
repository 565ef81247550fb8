"""Which numbers can be the seed of what is drawn by chance."""

from __future__ import annotations

from headstart.errors import InvalidValue

LARGEST_SEED = 2**31 - 1
"""As databases count. Generators take twice as much: seeds of folds and repeats are counted up from
the one that is given."""


def check_seed(seed: int, what: str = "seed") -> None:
    """See that a whole number can be a seed.

    Args:
        seed: the number.
        what: it is called.

    Raises:
        InvalidValue: it is too small, or too large.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise InvalidValue(f"{what} is {seed}", hint=f"Give a whole number, 0 to {LARGEST_SEED}.")
