"""Where results are printed: nothing in a text is read as markup or as a control character."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from headstart.visible import visible_lines

if TYPE_CHECKING:
    from rich.console import Console


class Out:
    """Prints as rich's console does, which is imported for what has to be laid out: a line that is
    not to be folded is printed as it is."""

    def print(self, *objects: Any, soft_wrap: bool = False, **given: Any) -> None:
        if soft_wrap and not given and all(isinstance(one, str) for one in objects):
            click.echo(visible_lines(" ".join(objects)))
        else:
            self._console.print(*objects, soft_wrap=soft_wrap, **given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)

    @cached_property
    def _console(self) -> Console:
        return console()


def console(*, stderr: bool = False) -> Console:
    """Rich's own."""
    from rich.console import Console

    class Plain(Console):
        def print(self, *objects: Any, **given: Any) -> None:
            shown = (visible_lines(one) if isinstance(one, str) else one for one in objects)
            super().print(*shown, **given)

    return Plain(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)
