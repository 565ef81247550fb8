"""HTML of templates: what is put into one is text, and never markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.visible import visible_lines

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment


def html_environment(loader: BaseLoader | None = None) -> Environment:
    """Where templates become HTML: all is escaped, a name that is missing is an error, and letters
    that turn the order of what is read, or are seen as nothing, are written out.

    Raises:
        ImportError: Jinja2 is not installed.
    """
    from jinja2 import Environment, StrictUndefined

    return Environment(
        loader=loader,
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )


def _seen(value: Any) -> Any:
    return visible_lines(value) if type(value) is str else value
