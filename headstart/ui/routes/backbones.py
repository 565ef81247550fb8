"""`/backbones`: those that are registered, the cuts of each, and the zoo of those that could be."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headstart.errors import HeadstartError, NotFound
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.jobs.backbones.cuts import ListedCut, find_cuts
from headstart.jobs.backbones.zoo import ListedEntry, list_zoo
from headstart.jobs.exploration.preview import Step, preview, sample_named
from headstart.jobs.exploration.samples import get_sample
from headstart.registry import listing
from headstart.registry.entities import Backbone
from headstart.registry.references import exact
from headstart.ui.asked import whole, whole_of, word
from headstart.ui.site import Same, Screen, Site, site_of
from headstart.values.showable import Results

SCREEN = Screen("Backbones", "/backbones", ("/zoo",))
MILLION = 1_000_000
RUNS = 1000
"""Extractions that are looked at, the newest."""


@dataclass
class Block:
    """Cuts of a backbone's graph that belong together.

    Attributes:
        ends: those worth a look first; the last of the block among them, where it has an end.
        inner: those between.
    """

    ends: list[ListedCut] = field(default_factory=list)
    inner: list[ListedCut] = field(default_factory=list)


def list_backbones(request: Request) -> Response:
    """Those that are registered."""
    site = site_of(request)
    config = site.workspace.config
    rows = listing.backbones(config)
    same = (
        Same("headstart backbone list", "ws.backbones.list()"),
        Same("headstart backbone add NAME SOURCE", "ws.backbones.add(NAME, SOURCE)"),
    )
    return site.show(
        request, "backbones", "Backbones", rows, speeds=listing.speeds(config), same=same
    )


def show_backbone(request: Request) -> Response:
    """One of them, with its cuts."""
    site = site_of(request)
    context = site.workspace.context
    backbone = context.backbones.get(request.path_params["reference"])
    reference = backbone.reference
    cuts = find_cuts(context, backbone)
    sets = [row for row in listing.features(context.config) if row["backbone"] == backbone.label]
    named = shlex.quote(reference)
    return site.show(
        request,
        "backbone",
        backbone.label,
        backbone,
        reference=reference,
        steps=Preprocessing.from_json(backbone.preprocessing).describe(),
        blocks=blocks_of(cuts),
        **_previewed(request, site, backbone),
        sets=sets,
        verified=next(iter(context.runs.find_latest("verify", reference, 1)), None),
        same=(
            Same(f"headstart backbone show {named}", f"ws.backbones.get({reference!r})"),
            Same(f"headstart backbone cuts {named}", f"ws.backbones.cuts({reference!r})"),
            Same(
                f"headstart backbone preview {named} DATASET",
                f"ws.backbones.preview({reference!r}, DATASET)",
            ),
        ),
    )


def get_step(request: Request) -> Response:
    """What a step of the preprocessing makes of a sample, as a picture made anew."""
    site = site_of(request)
    backbone = site.workspace.context.backbones.get(request.path_params["reference"])
    number = whole_of(request.path_params["number"], "the number of a step", least=1)
    steps = _steps_of(site, backbone, word(request, "dataset") or "", word(request, "sample") or "")
    if number > len(steps):
        raise NotFound(f"there is no step {number}", hint=f"There are {len(steps)}.")
    headers = {"cache-control": "private, max-age=60"}
    return Response(steps[number - 1].png, media_type="image/png", headers=headers)


def _steps_of(site: Site, backbone: Backbone, dataset: str, digest: str) -> Results[Step]:
    """Those of a sample by its content; kept, as each picture is asked for by itself."""
    context = site.workspace.context
    known = context.datasets.get(dataset)
    sample = get_sample(site.memory.manifest_of(known), digest)
    key = ("steps", backbone.preprocessing_fingerprint, known.manifest, sample.digest)
    return site.memory.get(key, lambda: preview(context, backbone, known, sample))


def _computed_first(site: Site, backbone: Backbone) -> list[str]:
    """The datasets, those that the backbone was run over before others: it takes their samples."""
    context = site.workspace.context
    runs = context.runs.find_latest("extract", None, RUNS)
    reference = backbone.reference
    own = {one.dataset for one in runs if exact(one.subject).partition("@")[0] == reference}
    return sorted((one.name for one in context.datasets.find_all()), key=lambda it: it not in own)


def _previewed(request: Request, site: Site, backbone: Backbone) -> dict[str, Any]:
    """The steps with what they make of a sample, where a dataset is named; or why they cannot."""
    datasets = _computed_first(site, backbone)
    facts = {"datasets": datasets, "dataset": None, "stages": (), "problem": "", "sample": None}
    facts["typed"] = word(request, "sample") or ""
    name = word(request, "dataset")
    if name is None:
        return facts
    dataset = site.workspace.context.datasets.get(name)
    facts["dataset"] = dataset.name
    try:
        sample = sample_named(site.memory.manifest_of(dataset), word(request, "sample"))
    except NotFound as error:  # beside the form that it was written into
        return facts | {"problem": str(error), "status": 404}
    facts["sample"] = sample
    try:
        return facts | {"stages": _steps_of(site, backbone, dataset.name, sample.digest)}
    except HeadstartError as error:  # as of texts, where it takes pictures: all else can be told
        return facts | {"problem": str(error)}


def list_known(request: Request) -> Response:
    """The zoo, or those of it that are asked for."""
    site = site_of(request)
    pattern, licence = word(request, "pattern"), word(request, "licence")
    found = list_zoo(site.workspace.config.root, pattern)
    most, least = whole(request, "most", 0, 100_000), whole(request, "least", 0, 100)
    here, there = word(request, "here") is not None, word(request, "registered") is not None
    known = {row["source"]: row["name"] for row in listing.backbones(site.workspace.config)}
    shown = [
        one
        for one in found
        if (not most or (one.published.parameters or 0) <= most * MILLION)
        and (not least or (one.published.top1 or 0) * 100 >= least)
        and (licence is None or one.licence == licence)
        and not (here and one.needs_download)
        and (not there or one.source in known)
    ]
    told = "" if pattern is None else f" {shlex.quote(pattern)}"
    return site.show(
        request,
        "zoo",
        "Zoo",
        Results[ListedEntry](shown),
        total=len(found),
        known=known,
        licences=sorted({one.licence for one in found if one.licence}),
        asked=request.query_params,
        same=(
            Same(
                f"headstart zoo list{told}",
                "from headstart.registry.zoo import find_entries\n"
                f"find_entries({'' if pattern is None else repr(pattern)})",
            ),
        ),
    )


def blocks_of(cuts: Sequence[ListedCut]) -> list[Block]:
    """Cuts in blocks, each up to its end: those between two ends are folded away."""
    blocks = [Block()]
    for cut in cuts:
        if cut.is_candidate:
            blocks[-1].ends.append(cut)
            blocks.append(Block())
        else:
            blocks[-1].inner.append(cut)
    return [block for block in blocks if block.ends or block.inner]


ROUTES = [
    Route("/backbones", list_backbones),
    Route("/backbones/{reference}", show_backbone),
    Route("/backbones/{reference}/steps/{number}", get_step),
    Route("/zoo", list_known),
]
