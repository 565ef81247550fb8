"""`/datasets`: what there is, the classes and splits of each, its samples."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headstart.context import Context
from headstart.jobs.datasets.details import details_of
from headstart.jobs.exploration.samples import SIDE, find_samples, get_sample, look
from headstart.registry import listing
from headstart.registry.entities import Dataset, Run
from headstart.storage.manifest import SPLITS
from headstart.ui.asked import whole, word
from headstart.ui.cards import cards_of
from headstart.ui.site import Same, Screen, site_of
from headstart.values.quantities import range_of

SCREEN = Screen("Datasets", "/datasets")
SHOWN = 48
"""Samples of a page."""
HISTORY = 20
VERSIONS = ("refresh", "resplit")
"""Actions, besides corrections, that may give a dataset another version."""
FOREVER = "private, max-age=31536000, immutable"
"""Of a picture, whose address has the digest of its content in it."""


def list_datasets(request: Request) -> Response:
    """All datasets."""
    site = site_of(request)
    rows = listing.datasets(site.workspace.config)
    same = (Same("headstart dataset list", "ws.datasets.list()"),)
    numbers = {one["name"] for one in rows if range_of(one["classes"], one["samples"])}
    return site.show(request, "datasets", "Datasets", rows, numbers=numbers, same=same)


def show_dataset(request: Request) -> Response:
    """A dataset, with some of its samples: of a class, a split, or all."""
    site, dataset = site_of(request), _dataset(request)
    manifest = site.memory.manifest_of(dataset)
    label, split = word(request, "label"), word(request, "split")
    start = whole(request, "start", 0)
    found = find_samples(manifest, label=label, split=split, start=start, count=SHOWN)
    captions = ((one, str(one.label) if one.label is not None else "") for one in found.samples)
    context = site.workspace.context
    corrections = context.runs.find_latest("correct", dataset.name, HISTORY)
    return site.show(
        request,
        "dataset",
        dataset.name,
        details_of(context, dataset, manifest),
        dataset=dataset,
        found=found,
        cards=cards_of(dataset, captions),
        label=label,
        split=split,
        count=SHOWN,
        splits=SPLITS,
        events=context.events.find(dataset.name, kind="dataset", limit=HISTORY),
        corrections=corrections,
        made_at=_made_at(context, dataset, corrections),
        same=_same(dataset),
    )


def show_sample(request: Request) -> Response:
    """A sample by itself."""
    site, dataset = site_of(request), _dataset(request)
    sample = get_sample(site.memory.manifest_of(dataset), request.path_params["digest"])
    return site.page(
        request,
        "sample",
        sample.id,
        dataset=dataset,
        sample=sample,
        card=cards_of(dataset, [(sample, "")])[0],
        same=_same(dataset),
    )


def get_picture(request: Request) -> Response:
    """A sample's picture, made anew within the limits of all samples."""
    site, dataset = site_of(request), _dataset(request)
    sample = get_sample(site.memory.manifest_of(dataset), request.path_params["digest"])
    seen = look(dataset, sample, whole(request, "side", SIDE))
    headers = {"cache-control": FOREVER}
    return Response(seen.png, media_type="image/png", headers=headers)


def _dataset(request: Request) -> Dataset:
    """By its registered name alone: a client's text is never taken for a source."""
    return site_of(request).workspace.context.datasets.get(request.path_params["name"])


def _made_at(context: Context, dataset: Dataset, corrections: Sequence[Run]) -> datetime | None:
    """When the version became what it is: by a correction, a look at its source, or added."""
    for run in corrections:
        if run.counts.get("after") == dataset.digest:
            return run.created_at
    looks = [context.events.find(dataset.name, kind="dataset", action=one) for one in VERSIONS]
    moments = [one.created_at for found in looks for one in found if one.created_at]
    return max(moments, default=dataset.created_at)


def _same(dataset: Dataset) -> tuple[Same, ...]:
    named = shlex.quote(dataset.name)
    return (
        Same(f"headstart dataset show {named}", f"ws.datasets.details({dataset.name!r})"),
        Same(f"headstart log {named} --kind dataset", f"ws.events.find({dataset.name!r})"),
    )


ROUTES = [
    Route("/datasets", list_datasets),
    Route("/datasets/{name}", show_dataset),
    Route("/datasets/{name}/samples/{digest}", show_sample),
    Route("/datasets/{name}/samples/{digest}/picture", get_picture),
]
