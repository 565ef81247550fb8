"""`/heads`: scores with how sure they are, what each head confuses, and trying one."""

from __future__ import annotations

import shlex
from threading import Lock
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headstart.catalog.head import Head
from headstart.errors import HeadstartError
from headstart.heads.evaluation.intervals import interval_text, score_text
from headstart.heads.evaluation.per_class import class_scores
from headstart.heads.evaluation.provenance import MAIN_SCORES, words_of
from headstart.heads.models.curves import band_text
from headstart.heads.trials.judged import Judged
from headstart.jobs.heads.care.described import VOID, lines_of
from headstart.jobs.heads.care.judgement import Verdict, find_confused, judgement_of
from headstart.jobs.heads.learning_curve import check_curve
from headstart.jobs.raw_samples import Taker
from headstart.jobs.tasks.begin import find_begun
from headstart.jobs.tasks.curve import CurveTask
from headstart.jobs.tasks.retrain import RetrainTask
from headstart.registry import listing
from headstart.registry.jobs import DONE
from headstart.ui.asked import body_of, field, form_of, whole
from headstart.ui.cards import Card, cards_of
from headstart.ui.charts import draw_coverage, draw_reliability
from headstart.ui.curves import draw_curve, points_of
from headstart.ui.site import UNREADABLE, Same, Screen, Site, as_json, site_of

SCREEN = Screen("Heads", "/heads", ("/compare",))
SHOWN = 48
MOST_JUDGED = 50_000
"""Test samples that are judged while somebody waits for the page."""
MOST_CLASSES = 40
"""Of a matrix that is shown."""
LARGEST_SAMPLE = 16 << 20
TOPS = 5
TEXT = "text/plain"
WAIT_SECONDS = 60
_trying = Lock()
"""Held while a sample is predicted: each prediction uses all cores."""


def list_heads(request: Request) -> Response:
    """All heads, the newest first."""
    site = site_of(request)
    rows = listing.heads(site.workspace.config)
    shown = [{**row, **_score(row["metrics"])} for row in reversed(rows)]
    same = (Same("headstart head list", "ws.heads.list()"),)
    return site.show(request, "heads", "Heads", rows, shown=shown, void=VOID, same=same)


def show_head(request: Request) -> Response:
    """A head."""
    site, head = site_of(request), _head(request)
    record = head.record
    judged, problem = _judged(site, head)
    found = None if judged is None else judgement_of(judged, record.classes)
    reference = _reference(head)
    named = shlex.quote(reference)
    return site.show(
        request,
        "head",
        record.label,
        head,
        head=record,
        reference=reference,
        lines=lines_of(head)[1:],
        main=_score(head.metrics),
        classes=class_scores(head.metrics, record.classes),
        found=found,
        problem=problem,
        reliability=draw_reliability(found.bins) if found and found.bins else "",
        coverage=draw_coverage(found.covered) if found and found.bins else "",
        mistakes=[] if found is None else _cards(site, head, found.mistakes),
        can_try=not site.read_only,
        takes=_takes(site, head),
        most=MOST_CLASSES,
        **_curve(site, head),
        same=(
            Same(f"headstart head show {named}", f"ws.heads.get({reference!r})"),
            Same(
                f"headstart head predict {named} FILE", f"ws.heads.get({reference!r}).predict(FILE)"
            ),
        ),
    )


def show_confused(request: Request) -> Response:
    """The samples behind a cell of the matrix."""
    site, head = site_of(request), _head(request)
    classes = head.record.classes
    asked = [request.query_params.get(name, "") for name in ("truth", "guess")]
    found = find_confused(site.memory.judged_of(head), classes, *asked)
    start = whole(request, "start", 0)
    reference = _reference(head)
    return site.page(
        request,
        "confused",
        f"{asked[0]}, said to be {asked[1]}",
        reference=reference,
        truth=asked[0],
        guess=asked[1],
        dataset=head.record.dataset,
        total=len(found),
        start=start,
        count=SHOWN,
        cards=_cards(site, head, found[start : start + SHOWN]),
        same=(
            Same(
                f"headstart head plot {shlex.quote(reference)} confusion.png",
                f"ws.heads.get({reference!r}).held_out(corrected=True)",
            ),
        ),
    )


async def predict(request: Request) -> Response:
    """What a head says of one sample, which is the whole content of the request: the bytes of a
    file, or a text. It is never taken for a path or a name."""
    head = await run_in_threadpool(_head, request)
    with site_of(request).turns.take():
        content = await body_of(request, LARGEST_SAMPLE)
        if not content:
            raise HTTPException(400, "There is nothing in it.")
        return as_json(await run_in_threadpool(_predicted, head, content))


async def retrain(request: Request) -> Response:
    """Train a head's next version on its dataset as it is now, in the background."""
    reference = field(await form_of(request), "head")
    return await run_in_threadpool(_retrain, request, reference)


def _retrain(request: Request, reference: str) -> Response:
    site = site_of(request)
    head = site.workspace.heads.get(reference)
    job = site.worker.begin(RetrainTask(_reference(head), head.record.dataset))
    return RedirectResponse(f"/jobs/{job.id}/result", 303)


def begin_curve(request: Request) -> Response:
    """Have the learning curve drawn, in the background."""
    site, head = site_of(request), _head(request)
    job = site.worker.begin(CurveTask(_reference(head), head.record.dataset))
    return RedirectResponse(f"/jobs/{job.id}/result", 303)


def to_head(request: Request) -> Response:
    """Where the learning curve is shown."""
    return RedirectResponse(f"/heads/{_reference(_head(request))}", 303)


def _curve(site: Site, head: Head) -> dict[str, Any]:
    """The learning curve, if one was drawn."""
    if (reason := _no_curve(head)) is not None:
        return {"can_draw": False, "no_curve": reason}
    job = find_begun(site.workspace.context, CurveTask(_reference(head), head.record.dataset))
    facts = {"can_draw": True, "curve_job": job, "curve": "", "curve_problem": ""}
    facts["curve_problem"] = "" if job is None else job.error or ""
    if job is None or job.state != DONE:
        return facts
    told = site.find_document(job)
    if told is None:
        return {**facts, "curve_problem": UNREADABLE}
    try:
        points = points_of(told)
    except TypeError:
        return {**facts, "curve_problem": "It was drawn by another version of headstart."}
    now = site.workspace.context.datasets.get(job.dataset).digest
    return {**facts, "curve": draw_curve(points), "curve_words": band_text(points), "digest": now}


def _no_curve(head: Head) -> str | None:
    """Why a head has no learning curve; None where it may have one."""
    try:
        check_curve(head)
    except HeadstartError as error:  # or its kind is of a package that is not here
        return str(error)
    return None


def _reference(head: Head) -> str:
    """What means this very version."""
    return f"{head.record.name}:{head.record.version}"


def _predicted(head: Head, content: bytes) -> Any:
    if not _trying.acquire(timeout=WAIT_SECONDS):
        raise HTTPException(503, "Another sample is being predicted. Try again.")
    try:
        found = head.predict(content)
    finally:
        _trying.release()
    found.tops = min(TOPS, len(found.classes))
    return found


def _head(request: Request) -> Head:
    """By its name, `NAME:VERSION` or alias."""
    return site_of(request).workspace.heads.get(request.path_params["reference"])


def _judged(site: Site, head: Head) -> tuple[Judged | None, str]:
    """What it says of its test samples; or why that is not shown."""
    if not head.record.classes:
        return None, ""
    if head.is_tuned:
        return None, "It was fine-tuned: `headstart head report` runs its layers, and shows all."
    if head.metrics.get("n_test", 0) > MOST_JUDGED:
        return None, "It was tested on too many samples to wait for: see `headstart head report`."
    try:
        return site.memory.judged_of(head), ""
    except HeadstartError as error:  # of features that are gone, or another task, scores remain
        return None, str(error)


def _takes(site: Site, head: Head) -> str:
    """What is offered to be tried: `text` or `file`; `both` where that is not known."""
    try:
        backbone = site.workspace.context.backbones.get(head.record.backbone)
    except HeadstartError:  # as of several that are joined, or one that is gone
        return "both"
    taker = Taker.of(site.workspace.context, backbone)
    if taker.takes_pictures != taker.takes_texts:
        return "file" if taker.takes_pictures else "text"
    return "both"


def _cards(site: Site, head: Head, found: Any) -> list[Card]:
    dataset = site.workspace.context.datasets.get(head.record.dataset)
    return cards_of(dataset, ((one.sample, _caption(one)) for one in found))


def _caption(one: Verdict) -> str:
    sure = score_text("accuracy", one.probability)
    return f"{one.truth}, said to be {one.guess} ({sure})"


def _score(metrics: dict[str, Any]) -> dict[str, Any]:
    """The main score of a head's row, in words."""
    name = next((one for one in MAIN_SCORES if one in metrics), None)
    if name is None:
        return dict.fromkeys(("score", "value", "words", "interval"))
    value = metrics[name]
    words, interval = words_of(name), interval_text(metrics, name)
    return {"score": score_text(name, value), "value": value, "words": words, "interval": interval}


ROUTES = [
    Route("/heads", list_heads),
    Route("/heads/{reference}", show_head),
    Route("/heads/{reference}/samples", show_confused),
    Route("/heads/{reference}/curve", begin_curve, methods=["POST"]),
    Route("/heads/{reference}/curve", to_head),
    Route("/heads/{reference}/predict", predict, methods=["POST"]),
    Route("/retrain", retrain, methods=["POST"]),
]
