"""What a job means by names: whatever is added while it waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from headstart.context import Context
from headstart.heads.tasks import task_of
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
    """What of it is not as it would be without a word, for `trying_of`."""
    trying, usual = trying or CrossValidation(), CrossValidation()
    told = {
        one.name: getattr(trying, one.name)
        for one in fields(trying)
        if getattr(trying, one.name) != getattr(usual, one.name)
    }
    return told | ({"task": trying.task.describe()} if "task" in told else {})


def trying_of(told: Mapping[str, Any]) -> CrossValidation:
    """What `told_of_trying` gave."""
    task = {"task": task_of(told["task"])} if "task" in told else {}
    return CrossValidation(**{**told, **task})
