"""`/labels`: labels worth a look, corrected by a person; the journal of it; a new version."""

from __future__ import annotations

import shlex
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headstart.errors import InvalidValue
from headstart.jobs.datasets.audit import Audit, Twins, audit
from headstart.jobs.labels.journal import apply, doubts_of, find_pending, say_all, to_csv, undo
from headstart.jobs.labels.queue import left_of, queue_of
from headstart.progress import Progress
from headstart.registry import listing
from headstart.registry.entities import Dataset
from headstart.registry.references import exact
from headstart.ui.asked import field, form_of, whole, whole_of, word
from headstart.ui.cards import Card, cards_of
from headstart.ui.site import Same, Screen, Site, site_of
from headstart.ui.works import Work

SCREEN = Screen("Labels", "/labels")
SAME = (
    Same(
        "headstart features audit BACKBONE DATASET --output suspects.csv",
        "ws.audit(BACKBONE, DATASET)",
    ),
    Same(
        "headstart dataset correct DATASET CORRECTIONS.csv",
        "ws.datasets.correct(DATASET, FILE)",
    ),
)
JOURNAL = 200
MOST_SAMPLES = 1000
"""That are said to be of a class at once."""
MOST_TWINS = 24
MOST_CLASSES = 200
"""That are offered by name; of more, the label is written."""


def list_labelled(request: Request) -> Response:
    """The datasets, each with what is pending."""
    site = site_of(request)
    rows = listing.datasets(site.workspace.config)
    pending: dict[str, int] = {}
    for one in site.workspace.context.corrections.find(states=("pending",)):
        pending[one.dataset] = pending.get(one.dataset, 0) + 1
    return site.show(request, "labels", "Labels", rows, pending=pending, same=SAME)


def show_queue(request: Request) -> Response:
    """A dataset's queue, or how it is had."""
    site, dataset = site_of(request), _dataset(request)
    features = request.query_params.get("features", "")
    work = _work(site, dataset, features) if features else None
    if work is not None and not work.is_over:
        return _waiting(site, request, dataset, work)
    context = site.workspace.context
    found: Audit | None = work.result if work is not None and not work.error else None
    queue = None if found is None else queue_of(context, dataset, found)
    pending = find_pending(context, dataset.name)
    offered = _features_of(site, dataset)
    place = whole(request, "place", 0)
    suspect = None if queue is None else queue.at(place)
    card = None if suspect is None else cards_of(dataset, [(suspect.sample, "")])[0]
    return site.show(
        request,
        "queue",
        f"Labels of {dataset.name}",
        pending if queue is None else queue,
        dataset=dataset,
        features=features,
        offered=offered,
        problem="" if work is None else work.error,
        audit=found,
        queue=queue,
        place=place,
        changed=_done(request, "changed"),
        excluded=_done(request, "excluded"),
        suspect=suspect,
        card=card,
        classes=dataset.classes[:MOST_CLASSES],
        twins=_twins(dataset, found),
        pending=pending,
        doubts=doubts_of(dataset, site.memory.manifest_of(dataset), pending) if pending else (),
        journal=context.corrections.find(dataset.name, limit=JOURNAL),
        heads=[row for row in listing.heads(context.config) if row["dataset"] == dataset.name],
        same=_same(dataset, features or next(iter(offered), "")),
    )


async def begin(request: Request) -> Response:
    """Have the labels of a dataset judged by its cached features."""
    form = await form_of(request)
    return await run_in_threadpool(_begin, request, field(form, "features"))


def _begin(request: Request, features: str) -> Response:
    site, dataset = site_of(request), _dataset(request)
    context = site.workspace.context
    context.resolve(features)  # an error at once, if there are no such features

    def judge(progress: Progress) -> Audit:
        return audit(context, features, dataset.name, progress=progress)

    site.works.begin(_key(dataset, features), judge)
    return _to_queue(dataset, features)


async def said(request: Request) -> Response:
    """Write down what somebody says of a sample; and on to the next."""
    form = await form_of(request)
    return await run_in_threadpool(_said, request, form)


def _said(request: Request, form: dict[str, list[str]]) -> Response:
    site, dataset = site_of(request), _dataset(request)
    manifest = site.memory.manifest_of(dataset)
    label = field(form, "label", exact=True) or field(form, "other") or None
    samples = form.get("sample", [])
    if not 0 < len(samples) <= MOST_SAMPLES:
        raise InvalidValue(f"{len(samples):,} samples are named", hint="Name one, or several.")
    say_all(site.workspace.context, dataset, manifest, samples, field(form, "action"), label)
    place = whole_of(field(form, "place") or "0", "place")
    return _to_queue(dataset, field(form, "features"), place)


async def taken_back(request: Request) -> Response:
    """Undo the latest, or what is named."""
    form = await form_of(request)
    return await run_in_threadpool(_taken_back, request, form)


def _taken_back(request: Request, form: dict[str, list[str]]) -> Response:
    site, dataset = site_of(request), _dataset(request)
    context, given, features = (
        site.workspace.context,
        field(form, "number"),
        field(form, "features"),
    )
    undone = undo(context, dataset.name, whole_of(given, "number") if given else None)
    work = _work(site, dataset, features) if features else None
    if work is None or work.result is None:
        return _to_queue(dataset, features)
    # What was undone is asked about again at once: the next key is meant for it.
    return _to_queue(
        dataset, features, queue_of(context, dataset, work.result).place_of(undone.sample)
    )


def applied(request: Request) -> Response:
    """Make what is pending a new version of the dataset."""
    site, dataset = site_of(request), _dataset(request)
    features = word(request, "features") or ""
    done = apply(site.workspace.context, dataset.name)
    work = _work(site, dataset, features) if features else None
    if work is not None and work.result is not None:  # the rest is as doubtful as before
        rest = left_of(work.result, site.memory.manifest_of(done.dataset))
        site.works.keep(_key(done.dataset, features), rest)
    changed = {"changed": len(done.labels), "excluded": len(done.excluded)}
    return _to_queue(dataset, features, **changed)


def export(request: Request) -> Response:
    """What is pending, as a file for `headstart dataset correct`."""
    site, dataset = site_of(request), _dataset(request)
    text = to_csv(find_pending(site.workspace.context, dataset.name))
    named = f'attachment; filename="{_file_of(dataset)}"'
    return Response(text, media_type="text/csv", headers={"content-disposition": named})


def _done(request: Request, what: str) -> int | None:
    """How much of it was just applied; None where nothing was."""
    return whole(request, what, 0) if word(request, what) else None


def _twins(dataset: Dataset, found: Audit | None) -> list[tuple[Twins, list[Card]]]:
    """The first near duplicates: those across the border of the test split."""
    pairs = [] if found is None else found.twins[:MOST_TWINS]
    samples = [one for pair in pairs for one in (pair.first, pair.second)]
    cards = cards_of(dataset, ((one, f"{one.label}, {one.split}") for one in samples))
    return [(pair, cards[2 * place : 2 * place + 2]) for place, pair in enumerate(pairs)]


def _waiting(site: Site, request: Request, dataset: Dataset, work: Work) -> Response:
    answer = site.page(
        request, "waiting", f"Labels of {dataset.name}", what="Heads judge the labels", work=work
    )
    answer.headers["refresh"] = "1"
    return answer


def _dataset(request: Request) -> Dataset:
    return site_of(request).workspace.context.datasets.get(request.path_params["name"])


def _features_of(site: Site, dataset: Dataset) -> list[str]:
    """The cuts that have rows, as one names them; whether those are of this dataset is seen when
    they are read."""
    rows = listing.features(site.workspace.config)
    own = (row for row in rows if row["rows"] and not row["view"])
    return list(dict.fromkeys(exact(f"{row['backbone']}@{row['cut']}") for row in own))


def _key(dataset: Dataset, features: str) -> tuple[str, ...]:
    return "audit", dataset.name, dataset.digest, features


def _work(site: Site, dataset: Dataset, features: str) -> Work | None:
    return site.works.find(_key(dataset, features))


def _to_queue(dataset: Dataset, features: str, place: int = 0, **done: int) -> Response:
    asked = {"features": features, **({"place": place} if place else {})} if features else {}
    more = f"?{urlencode({**asked, **done})}" if asked or done else ""
    return RedirectResponse(f"/labels/{dataset.name}{more}", 303)


def _file_of(dataset: Dataset) -> str:
    """What is pending is saved as this."""
    return f"{dataset.name}-corrections.csv"


def _same(dataset: Dataset, features: str) -> tuple[Same, ...]:
    file = _file_of(dataset)
    named, cut = shlex.quote(dataset.name), shlex.quote(features or "BACKBONE")
    return (
        Same(
            f"headstart features audit {cut} {named} --output suspects.csv",
            f"ws.audit({repr(features) if features else 'BACKBONE'}, {dataset.name!r})",
        ),
        Same(
            f"headstart dataset correct {named} {shlex.quote(file)}",
            f"ws.datasets.correct({dataset.name!r}, {file!r})",
        ),
    )


ROUTES = [
    Route("/labels", list_labelled),
    Route("/labels/{name}", show_queue),
    Route("/labels/{name}/corrections.csv", export),
    Route("/labels/{name}/audit", begin, methods=["POST"]),
    Route("/labels/{name}/say", said, methods=["POST"]),
    Route("/labels/{name}/undo", taken_back, methods=["POST"]),
    Route("/labels/{name}/apply", applied, methods=["POST"]),
]
