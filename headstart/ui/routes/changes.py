"""`/datasets/NAME/changes`: what differs between two versions of a dataset."""

from __future__ import annotations

import shlex

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headstart.errors import NotFound
from headstart.jobs.datasets.changes import Changes, changes, find_versions
from headstart.registry.entities import Dataset
from headstart.ui.asked import word
from headstart.ui.site import Same, Site, site_of

KINDS = {
    "added": "Added",
    "removed": "Removed",
    "moved": "Moved: the same content under another id",
    "contents": "With another content",
    "labels": "With another label",
    "splits": "In another split",
    "weights": "With another weight",
}


def show_changes(request: Request) -> Response:
    """Of the newest version and the one before, or of those that are named."""
    site = site_of(request)
    context = site.workspace.context
    dataset = context.datasets.get(request.path_params["name"])
    before, after = word(request, "before"), word(request, "after")
    versions = find_versions(context, dataset)
    found, problem = None, ""
    if before or after or len(versions) > 1:
        try:
            found = _changes(site, dataset, before, after)
        except NotFound as error:
            if before or after:
                raise
            problem = str(error)  # as of a version whose list was deleted
    return site.show(
        request,
        "changes",
        f"What changed in {dataset.name}",
        versions if found is None else found,
        dataset=dataset,
        versions=versions,
        before=before if found is None else found.before,
        after=after if found is None else found.after,
        problem=problem,
        kinds=KINDS,
        same=(_same(dataset, found),),
    )


def _changes(site: Site, dataset: Dataset, before: str | None, after: str | None) -> Changes:
    key = ("changes", dataset.name, dataset.manifest, before, after)
    return site.memory.get(key, lambda: changes(site.workspace.context, dataset, before, after))


def _same(dataset: Dataset, found: Changes | None) -> Same:
    named, name = shlex.quote(dataset.name), dataset.name
    if found is None:
        return Same(f"headstart dataset changes {named}", f"ws.datasets.changes({name!r})")
    before, after = found.before[:12], found.after[:12]
    return Same(
        f"headstart dataset changes {named} --before {before} --after {after}",
        f"ws.datasets.changes({name!r}, {before!r}, {after!r})",
    )


ROUTES = [Route("/datasets/{name}/changes", show_changes)]
