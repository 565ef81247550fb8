"""What all screens share: the workspace, whether it may be changed, and how pages are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headstart.ui.memory import Memory
from headstart.ui.pages import Pages
from headstart.ui.turns import Turns
from headstart.ui.works import Works
from headstart.values.showable import SCHEMA_VERSION, Showable
from headstart.workspace import Workspace

JSON = "application/json"


@dataclass(frozen=True)
class Screen:
    """A place in the navigation.

    Attributes:
        title: what it is called there.
        path: its address.
        others: where the addresses of its other screens begin.
    """

    title: str
    path: str
    others: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether an address is one of its screens."""
        return any(path == one or path.startswith(f"{one}/") for one in (self.path, *self.others))


@dataclass(frozen=True)
class Same:
    """The same on the command line and in Python, where `ws` is the workspace."""

    command: str
    python: str


@dataclass(frozen=True)
class Site:
    """See this module.

    Attributes:
        workspace: that is shown.
        read_only: whether it may not be changed from here.
        screens: in the navigation.
        pages: the templates.
        memory: what was read lately.
        works: what is computed in the background.
        turns: of those who wait for what a backbone computes.
    """

    workspace: Workspace
    read_only: bool
    screens: tuple[Screen, ...]
    pages: Pages
    memory: Memory
    works: Works
    turns: Turns

    @staticmethod
    def of(workspace: Workspace, read_only: bool, screens: tuple[Screen, ...]) -> Site:
        """A site that has read and computed nothing yet."""
        memory = Memory(workspace.context)
        return Site(workspace, read_only, screens, Pages(), memory, Works(), Turns())

    def page(
        self, request: Request, template: str, title: str, *, status: int = 200, **facts: Any
    ) -> Response:
        """A page, made of a template and what it shows.

        Args:
            request: that is answered.
            template: its name, without what all names end with.
            title: of the page.
            status: of the answer.
            **facts: by the template's names.
        """
        root = str(self.workspace.config.root)
        shared = {
            "title": title,
            "screens": self.screens,
            "path": request.scope["path"],
            "read_only": self.read_only,
            "root": root,
            "same": (),
            "opening": f"import headstart; ws = headstart.open({root!r})",
        }
        return self.pages.page(template, status, {**shared, **facts})

    def show(
        self, request: Request, template: str, title: str, result: Showable, **facts: Any
    ) -> Response:
        """A result as a page, or as the document that `--json` prints, to who accepts only that."""
        if request.headers.get("accept") == JSON:
            return as_json(result)
        return self.page(request, template, title, result=result, **facts)


def site_of(request: Request) -> Site:
    """The site that a request is to."""
    return request.app.state.site


def as_json(result: Showable) -> Response:
    """A result as `--json` prints it."""
    told = result.to_json()
    if isinstance(told, dict):
        told = {"schema_version": SCHEMA_VERSION, **told}
    return JSONResponse(told)
