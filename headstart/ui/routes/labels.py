"""`/labels`: labels worth a look, corrected by a person; the journal of it; a new version."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from headstart.errors import DatasetChanged, InvalidValue
from headstart.jobs.datasets.audit import Audit, Twins
from headstart.jobs.labels.journal import (
    apply,
    doubts_of,
    find_all_pending,
    find_pending,
    latest_of,
    say_all,
    to_csv,
    undo,
)
from headstart.jobs.labels.kept_audit import audit_of
from headstart.jobs.labels.queue import Queue, queue_of
from headstart.jobs.tasks.audit import AuditTask
from headstart.jobs.tasks.kinds import task_of
from headstart.registry import listing
from headstart.registry.entities import Dataset
from headstart.registry.jobs import DONE, Job
from headstart.ui.answers import Answers, gone_over, is_for, words_of
from headstart.ui.asked import field, form_of, whole, whole_of, word
from headstart.ui.cached_features import features_for
from headstart.ui.cards import Card, cards_of
from headstart.ui.queue_choice import HELD_OUT, OF_HEADS, UNLABELLED, Choice
from headstart.ui.refusals import takes_pages
from headstart.ui.site import UNREADABLE, Same, Screen, Site, site_of

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
    choice = Choice.asked(lambda name: request.query_params.get(name, ""))
    context = site.workspace.context
    job = None if choice is None else choice.find_job(context, dataset)
    if job is not None and job.is_open:
        return site.wait(request, f"Labels of {dataset.name}", job)
    choice = choice and choice.settled(job)
    queue = _queue(site, dataset, choice, job)
    every = find_all_pending(context, dataset.name)
    pending, answers = latest_of(every), _answers(request.query_params.get)
    offered = features_for(site, dataset)
    audit = _audit(site, dataset, job)
    return site.show(
        request,
        "queue",
        f"Labels of {dataset.name}",
        pending if queue is None else queue,
        dataset=dataset,
        choice=choice,
        fields={**({} if choice is None else choice.fields), **answers.fields},
        mine=answers.latest(every),
        over=next((one for one in every if one.id == answers.over), None),
        is_stale=answers.is_stale,
        words_of=words_of,
        offered=offered,
        problem=_problem(job, queue),
        job=job,
        audit=audit,
        queue=queue,
        changed=_done(request, "changed"),
        excluded=_done(request, "excluded"),
        classes=dataset.classes[:MOST_CLASSES],
        twins=_twins(dataset, audit),
        pending=pending,
        doubts=doubts_of(dataset, site.memory.manifest_of(dataset), pending) if pending else (),
        journal=context.corrections.find(dataset.name, limit=JOURNAL),
        same=_same(dataset, choice or Choice(next(iter(offered), "BACKBONE"))),
        **_shown_first(request, dataset, queue),
        **_judges(site, dataset),
    )


def _shown_first(request: Request, dataset: Dataset, queue: Queue | None) -> dict[str, Any]:
    """The sample of the queue that is asked about, and where it stands."""
    place = whole(request, "place", 0)
    suspect = None if queue is None else queue.at(place)
    card = None if suspect is None else cards_of(dataset, [(suspect.sample, "")])[0]
    return {"place": place, "suspect": suspect, "card": card}


def _judges(site: Site, dataset: Dataset) -> dict[str, Any]:
    """The heads of a dataset, those that can choose samples of it, and which samples."""
    every = listing.heads(site.workspace.config)
    heads = [row for row in every if row["dataset"] == dataset.name]
    of_heads = _of_heads(site, dataset, heads, every)
    judges = every if UNLABELLED in of_heads else heads
    return {"heads": heads, "of_heads": of_heads, "judges": judges}


async def begin(request: Request) -> Response:
    """Have samples looked for: labels judged by cached features, or what a head is unsure of."""
    form = await form_of(request)
    return await run_in_threadpool(_begin, request, form)


def _begin(request: Request, form: dict[str, list[str]]) -> Response:
    site, dataset, choice = site_of(request), _dataset(request), _choice(form)
    if choice is None:
        raise InvalidValue("nothing is named to judge by", hint="Name features, or a head.")
    if not choice.job:
        site.worker.begin(choice.task(dataset))
        return _to_queue(dataset, choice, 0, Answers())
    job = choice.find_job(site.workspace.context, dataset)
    again = site.worker.begin(choice.task(dataset) if job is None else task_of(job))
    return _to_queue(dataset, replace(choice, job=again.id), 0, Answers())


async def said(request: Request) -> Response:
    """Write down what somebody says of a sample; and on to the next."""
    form = await form_of(request)
    return await run_in_threadpool(_said, request, form)


def _said(request: Request, form: dict[str, list[str]]) -> Response:
    site, dataset, choice = site_of(request), _dataset(request), _choice(form)
    manifest = site.memory.manifest_of(dataset)
    label = field(form, "label", exact=True) or field(form, "other") or None
    samples, answers = form.get("sample", []), _answers(lambda name, _: field(form, name))
    if not 0 < len(samples) <= MOST_SAMPLES:
        raise InvalidValue(f"{len(samples):,} samples are named", hint="Name one, or several.")
    place = whole_of(field(form, "place") or "0", "place")
    if not is_for(field(form, "version"), dataset):
        return _refuse_stale(request, dataset, choice, answers, place)
    context = site.workspace.context
    made = say_all(context, dataset, manifest, samples, field(form, "action"), label)
    over = gone_over(made, find_all_pending(context, dataset.name), answers.said)
    if not takes_pages(request):
        return JSONResponse({"said": len(made), "over": len(over)})
    return _to_queue(dataset, choice, place, answers.then(made, over))


def _refuse_stale(
    request: Request, dataset: Dataset, choice: Choice | None, answers: Answers, place: int
) -> Response:
    """Whoever answered saw another version of the dataset: they look again.

    Raises:
        DatasetChanged: it was said by a script, which cannot.
    """
    if takes_pages(request):
        return _to_queue(dataset, choice, place, replace(answers, over=0, is_stale=True))
    raise DatasetChanged(
        f"dataset {dataset.name!r} has changed since this page was opened",
        hint="Nothing was written down. Open the page again.",
    )


async def taken_back(request: Request) -> Response:
    """Undo the latest, or what is named."""
    form = await form_of(request)
    return await run_in_threadpool(_taken_back, request, form)


def _taken_back(request: Request, form: dict[str, list[str]]) -> Response:
    site, dataset, choice = site_of(request), _dataset(request), _choice(form)
    context, given = site.workspace.context, field(form, "number")
    answers = _answers(lambda name, _: field(form, name))
    undone = undo(context, dataset.name, whole_of(given, "number") if given else None)
    job = None if choice is None else choice.find_job(context, dataset)
    queue = _queue(site, dataset, choice, job)
    # What was undone is asked about again at once: the next key is meant for it.
    place = 0 if queue is None else queue.place_of(undone.sample)
    return _to_queue(dataset, choice, place, answers.without(undone.id))


def applied(request: Request) -> Response:
    """Make what is pending a new version of the dataset."""
    site, dataset = site_of(request), _dataset(request)
    choice = Choice.asked(lambda name: request.query_params.get(name, ""))
    done = apply(site.workspace.context, dataset.name)
    changed = {"changed": len(done.labels), "excluded": len(done.excluded)}
    return _to_queue(dataset, choice, 0, Answers(), **changed)


def export(request: Request) -> Response:
    """What is pending, as a file for `headstart dataset correct`."""
    site, dataset = site_of(request), _dataset(request)
    text = to_csv(find_pending(site.workspace.context, dataset.name))
    named = f'attachment; filename="{_file_of(dataset)}"'
    return Response(text, media_type="text/csv", headers={"content-disposition": named})


def _choice(form: dict[str, list[str]]) -> Choice | None:
    return Choice.asked(lambda name: field(form, name))


def _answers(get: Callable[[str, str], str]) -> Answers:
    return Answers.asked(lambda name: get(name, ""))


def _done(request: Request, what: str) -> int | None:
    """How much of it was just applied; None where nothing was."""
    return whole(request, what, 0) if word(request, what) else None


def _twins(dataset: Dataset, found: Audit | None) -> list[tuple[Twins, list[Card]]]:
    """The first near duplicates: those across the border of the test split."""
    pairs = [] if found is None else found.twins[:MOST_TWINS]
    samples = [one for pair in pairs for one in (pair.first, pair.second)]
    cards = cards_of(dataset, ((one, f"{one.label}, {one.split}") for one in samples))
    return [(pair, cards[2 * place : 2 * place + 2]) for place, pair in enumerate(pairs)]


def _queue(site: Site, dataset: Dataset, choice: Choice | None, job: Job | None) -> Queue | None:
    """What is left of what a job found, as far as it is so of the dataset as it is now: the rest is
    as doubtful as before, when some labels were corrected."""
    if choice is None or job is None or job.state != DONE:
        return None
    told = site.find_document(job)
    if told is None:
        return None
    found = site.memory.get(
        ("queue", job.id, dataset.manifest),
        lambda: choice.found(told, site.memory.manifest_of(dataset)),
    )
    return queue_of(site.workspace.context, dataset, found)


def _problem(job: Job | None, queue: Queue | None) -> str:
    """Why there is no queue, where one was asked for."""
    if job is None or queue is not None:
        return ""
    return UNREADABLE if job.state == DONE else job.error or ""


def _audit(site: Site, dataset: Dataset, job: Job | None) -> Audit | None:
    """All that an audit found, as far as it is so now."""
    if job is None or job.state != DONE or job.kind != AuditTask.kind:
        return None
    told = site.find_document(job)
    if told is None:
        return None
    return site.memory.get(
        ("audit", job.id, dataset.manifest),
        lambda: audit_of(told, site.memory.manifest_of(dataset)),
    )


def _dataset(request: Request) -> Dataset:
    return site_of(request).workspace.context.datasets.get(request.path_params["name"])


def _of_heads(
    site: Site, dataset: Dataset, own: Sequence[object], every: Sequence[object]
) -> dict[str, str]:
    """What heads can choose of this dataset: of its test samples those that were tested on them,
    of samples without a label any."""
    manifest = site.memory.manifest_of(dataset)
    unlabelled = site.memory.get(
        ("unlabelled", dataset.manifest),
        lambda: any(bool((one.label_codes < 0).any()) for one in manifest.columns.blocks()),
    )
    can = {UNLABELLED: unlabelled and every, HELD_OUT: own}
    return {of: words for of, words in OF_HEADS.items() if can[of]}


def _to_queue(
    dataset: Dataset, choice: Choice | None, place: int, answers: Answers, **done: int
) -> RedirectResponse:
    asked = {} if choice is None else {**choice.fields, **({"place": place} if place else {})}
    asked |= {**answers.fields, **answers.news, **done}
    more = f"?{urlencode(asked, safe=',')}" if asked else ""
    return RedirectResponse(f"/labels/{dataset.name}{more}", 303)


def _file_of(dataset: Dataset) -> str:
    """What is pending is saved as this."""
    return f"{dataset.name}-corrections.csv"


def _same(dataset: Dataset, choice: Choice) -> tuple[Same, ...]:
    file, named = _file_of(dataset), shlex.quote(dataset.name)
    return (
        choice.same(dataset),
        Same(
            f"headstart dataset correct {named} {shlex.quote(file)}",
            f"ws.datasets.correct({dataset.name!r}, {file!r})",
        ),
    )


ROUTES = [
    Route("/labels", list_labelled),
    Route("/labels/{name}", show_queue),
    Route("/labels/{name}/corrections.csv", export),
    Route("/labels/{name}/begin", begin, methods=["POST"]),
    Route("/labels/{name}/say", said, methods=["POST"]),
    Route("/labels/{name}/undo", taken_back, methods=["POST"]),
    Route("/labels/{name}/apply", applied, methods=["POST"]),
]
