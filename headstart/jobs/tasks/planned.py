"""What a job means by names: whatever is added while it waits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headstart.context import Context
from headstart.jobs.heads.cross_validation import CrossValidation
from headstart.registry.references import JOINED, parts_of


def pinned(context: Context, features: str) -> str:
    """Features with the version of each backbone that its name means now.

    Raises:
        NotFound: there is no such backbone.
        LayerNotFound: it has no such cut.
    """
    return JOINED.join(_pinned(context, part) for part in parts_of(features))


def _pinned(context: Context, part: str) -> str:
    backbone, _ = context.resolve(part)
    _, at, cuts = part.partition("@")
    return f"{backbone.reference}{at}{cuts}"


def told_of_trying(trying: CrossValidation | None) -> dict[str, Any]:
    """What of it is not as it would be without a word, for `CrossValidation(**told)`."""
    usual = asdict(CrossValidation())
    return {
        key: value
        for key, value in asdict(trying or CrossValidation()).items()
        if value != usual[key]
    }
