"""Moments as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from headstart.errors import InvalidValue

AGO = re.compile(r"(\d+)\s*([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(given: str | datetime) -> datetime:
    """A moment in UTC: a date or time in ISO 8601, of this machine's zone if it names none; or how
    long ago, such as `7d` (s, m, h, d, w).

    Raises:
        InvalidValue: it is neither.
    """
    if isinstance(given, datetime):
        return given.astimezone(UTC)
    try:
        ago = AGO.fullmatch(given.strip())
        if ago:
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(given.strip()).astimezone(UTC)
    except (AttributeError, TypeError, ValueError, OverflowError):  # it may be no text at all
        raise InvalidValue(
            f"{given!r} is not a date, time or age",
            hint="Give such as 2026-01-31, 2026-01-31T12:00, 7d or 12h.",
        ) from None
