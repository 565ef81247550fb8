"""Templates: escaped everywhere, with the words and numbers as the command line has them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any
from urllib.parse import quote

from jinja2 import DictLoader
from markupsafe import escape
from starlette.responses import HTMLResponse

from headstart.heads.evaluation.intervals import share_text
from headstart.registry.references import label_of, parts_of
from headstart.values.showable import spelled
from headstart.values.sizes import shape_text, size_text
from headstart.values.templates import html_environment
from headstart.visible import in_number

SUFFIX = ".html.jinja"


class Pages:
    """The templates of this package, read once each."""

    def __init__(self) -> None:
        self._environment = html_environment(DictLoader(_templates()))
        self._environment.filters.update(
            address=address_of,
            amount=amount,
            counted=in_number,
            exact=escape,  # what comes back with a form is not written out
            features=label_of,
            parts=parts_of,
            shape=shape_text,
            share=share_text,
            size=size_text,
            tojson_of=json_of,
        )

    def text(self, template: str, facts: dict[str, Any]) -> str:
        """What a template makes of facts."""
        return self._environment.get_template(template + SUFFIX).render(facts)

    def page(self, template: str, status: int, facts: dict[str, Any]) -> HTMLResponse:
        """The same as an answer."""
        return HTMLResponse(self.text(template, facts), status_code=status)


def address_of(name: object) -> str:
    """A name as one part of an address."""
    return quote(str(name), safe="")


def amount(value: float | None, digits: int = 0) -> str:
    """A number with its thousands apart; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def json_of(value: object) -> str:
    """A value for a script, in an attribute, where it is escaped as any text."""
    return json.dumps(spelled(value), allow_nan=False)


def _templates() -> dict[str, str]:
    """All of this package, by name."""
    folder = resources.files("headstart.ui").joinpath("templates")
    files = (file for file in folder.iterdir() if file.name.endswith(SUFFIX))
    return {file.name: file.read_text(encoding="utf-8") for file in files}
