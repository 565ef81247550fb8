"""What all screens share: the workspace, whether it may be changed, and how pages are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headstart.errors import ArtifactDamaged
from headstart.jobs.features.job_progress import as_it_is
from headstart.jobs.tasks.task import document_of
from headstart.registry.jobs import Job
from headstart.ui.ledger_watch import LedgerWatch
from headstart.ui.memory import Memory
from headstart.ui.page_worker import PageWorker
from headstart.ui.pages import Pages
from headstart.ui.turns import Turns
from headstart.values.showable import SCHEMA_VERSION, Showable
from headstart.workspace import Workspace

JSON = "application/json"
UNREADABLE = "What it gave cannot be read any more: its file is gone or damaged."


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
        worker: what is begun here is done by it.
        watch: what the ledger says of all jobs.
        turns: of those who wait for what a backbone computes.
    """

    workspace: Workspace
    read_only: bool
    screens: tuple[Screen, ...]
    pages: Pages
    memory: Memory
    worker: PageWorker
    watch: LedgerWatch
    turns: Turns

    @staticmethod
    def of(workspace: Workspace, read_only: bool, screens: tuple[Screen, ...]) -> Site:
        """A site that has read and computed nothing yet."""
        context = workspace.context
        memory, worker, watch = Memory(context), PageWorker(context), LedgerWatch(context)
        return Site(workspace, read_only, screens, Pages(), memory, worker, watch, Turns())

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

    def wait(self, request: Request, title: str, job: Job) -> Response:
        """A page that looks again every second, until a job is over."""
        found = as_it_is(self.workspace.context, job)
        same = (Same(f"headstart job show {job.id}", f"ws.jobs.get({job.id})"),)
        facts = {"found": found, "is_here": self.worker.has(job.id), "same": same}
        answer = self.page(request, "waiting", title, **facts)
        answer.headers["refresh"] = "1"
        return answer

    def find_document(self, job: Job) -> Any:
        """What a job gave, as JSON values; None where its file is gone or damaged."""
        digest = (job.result or {})["document"]
        try:
            return self.memory.get(digest, lambda: document_of(self.workspace.context, job))
        except ArtifactDamaged:
            return None


def site_of(request: Request) -> Site:
    """The site that a request is to."""
    return request.app.state.site


def as_json(result: Showable) -> Response:
    """A result as `--json` prints it."""
    told = result.to_json()
    if isinstance(told, dict):
        told = {"schema_version": SCHEMA_VERSION, **told}
    return JSONResponse(told)
