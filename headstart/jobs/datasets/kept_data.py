"""Data that are kept are held until a row names them: `features gc` leaves them alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from headstart.context import Context
from headstart.storage.contents import HELD_AS
from headstart.storage.shard_store import Hold

P = ParamSpec("P")
T = TypeVar("T")


def held(context: Context) -> Hold:
    """Within it, data that are kept are left alone; a context."""
    return context.holds.hold(HELD_AS)


def holding(
    verb: Callable[Concatenate[Context, P], T],
) -> Callable[Concatenate[Context, P], T]:
    """A verb that keeps data and registers them."""

    @wraps(verb)
    def while_held(context: Context, *given: P.args, **named: P.kwargs) -> T:
        with held(context):
            return verb(context, *given, **named)

    return while_held
