"""`/rank`: which cached features suit a dataset, and what they cost; `/sweeps`: heads that were
tried."""

from __future__ import annotations

import re
import shlex
from typing import Any

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headstart.heads.evaluation.intervals import interval_text, score_text
from headstart.heads.evaluation.provenance import words_of
from headstart.heads.kinds.words import setting_words
from headstart.heads.trials.objective import ACCURACY
from headstart.jobs.tasks.kinds import task_of
from headstart.jobs.tasks.rank import RankTask
from headstart.jobs.tasks.train import TrainTask
from headstart.registry import listing
from headstart.registry.entities import Dataset, TrialRecord, TriedSweep
from headstart.registry.jobs import DONE
from headstart.registry.references import exact
from headstart.ui.asked import field, form_of, whole, whole_of
from headstart.ui.cached_features import features_for
from headstart.ui.charts import Point, draw_scores
from headstart.ui.job_results import JOB, find_asked, same_as_job
from headstart.ui.parallel import Axis, draw_parallel
from headstart.ui.site import UNREADABLE, Same, Screen, Site, site_of
from headstart.values.showable import Results

SCREEN = Screen("Rank", "/rank", ("/sweeps",))
NO_NAME = re.compile(r"[^A-Za-z0-9._-]")
"""What no name of a head holds."""
COSTS = {"ms": "ms per sample to extract", "bytes": "bytes per sample to keep"}


def list_ranked(request: Request) -> Response:
    """The datasets that features can be ranked for, and the sweeps that are kept."""
    site = site_of(request)
    config = site.workspace.config
    rows = listing.datasets(config)
    same = (
        Same("headstart rank DATASET", "ws.rank(DATASET)"),
        Same("headstart head sweeps", "ws.sweeps.list()"),
    )
    return site.show(request, "ranks", "Rank", rows, sweeps=listing.sweeps(config), same=same)


def show_ranking(request: Request) -> Response:
    """The ranking for a dataset, or how it is had."""
    site, dataset = site_of(request), _dataset(request)
    number = whole(request, JOB, 0)
    job = find_asked(site.workspace.context, RankTask(dataset.name), number)
    if job is not None and job.is_open:
        return site.wait(request, f"Features for {dataset.name}", job)
    is_done = job is not None and job.state == DONE
    told = site.find_document(job) if job is not None and is_done else ()
    found = [_named(one, dataset) for one in told or ()]
    cost = request.query_params.get("cost", "")
    if cost not in COSTS:  # what nothing is known of is not drawn unless it is asked for
        cost = "ms" if any(one["ms_per_sample"] for one in found) else "bytes"
    score = found[0]["objective"] if found else ACCURACY
    points = [point for one in found if (point := _point(one, cost)) is not None]
    usual = Same(f"headstart rank {shlex.quote(dataset.name)}", f"ws.rank({dataset.name!r})")
    return site.show(
        request,
        "rank",
        f"Features for {dataset.name}",
        Results(told or ()),
        rows=found,
        dataset=dataset,
        job=job,
        problem=UNREADABLE if told is None else "" if job is None or is_done else job.error,
        unranked=_unranked(site, dataset, found) if found and not number else (),
        asked={JOB: number} if number else {},
        score=words_of(score),
        is_plain=score == ACCURACY,
        cost=cost,
        costs=COSTS,
        chart=draw_scores(points, COSTS[cost], score) if points else "",
        undrawn=len(found) - len(points),
        same=(same_as_job(number) if number else usual,),
    )


def begin(request: Request) -> Response:
    """Have linear heads and neighbours tried on all features that are cached of a dataset, or again
    what a job tried."""
    site, dataset = site_of(request), _dataset(request)
    task = RankTask(dataset.name)
    number = whole(request, JOB, 0)
    before = find_asked(site.workspace.context, task, number) if number else None
    job = site.worker.begin(task if before is None else task_of(before))
    more = "" if before is None else f"?{JOB}={job.id}"
    return RedirectResponse(f"/rank/{dataset.name}{more}", 303)


async def train(request: Request) -> Response:
    """Train a head on some of the features, in the usual way."""
    form = await form_of(request)
    given = field(form, "name"), field(form, "features")
    return await run_in_threadpool(_train, request, *given)


def _train(request: Request, name: str, features: str) -> Response:
    site, dataset = site_of(request), _dataset(request)
    job = site.worker.begin(TrainTask.of(site.workspace.context, name, features, dataset.name))
    return RedirectResponse(f"/jobs/{job.id}/result", 303)


def show_sweep(request: Request) -> Response:
    """A sweep that is kept, with all its trials."""
    site = site_of(request)
    number = whole_of(request.path_params["number"], "the number of a sweep", least=1)
    tried = site.workspace.sweeps.get(number)
    same = (
        Same(f"headstart head sweeps {number}", f"ws.sweeps.get({number})"),
        Same(
            f"headstart head train NAME --from-sweep {number}:1",
            f"ws.heads.train_from_sweep(NAME, {number}, 1)",
        ),
    )
    rows = [_trial(number, place, one) for place, one in enumerate(tried.trials, start=1)]
    return site.show(
        request,
        "sweep",
        f"Sweep {number}",
        tried,
        sweep=tried.sweep,
        columns=[words_of(name) for one in tried.trials[:1] for name in one.scores],
        rows=rows,
        chart=_parallel(tried),
        same=same,
    )


def _trial(number: int, place: int, one: TrialRecord) -> dict[str, object]:
    """A setting that was tried, in words, and the command that trains a head with it."""
    settings = {name: value for name, value in one.settings.items() if name != "behind"}
    first, *others = one.scores
    metrics = {**one.scores, "intervals": one.intervals}
    return {
        "place": place,
        "features": one.features,
        "words": setting_words({"kind": one.kind, **settings}),
        "score": score_text(first, one.scores[first]),
        "interval": interval_text(metrics, first),
        "others": [score_text(name, one.scores[name]) for name in others],
        "is_worse": one.is_worse,
        "command": f"headstart head train NAME --from-sweep {number}:{place}",
    }


def _parallel(tried: TriedSweep) -> Markup:
    """Each setting as a line through what was varied, up to its accuracy."""
    trials = tried.trials
    names = dict.fromkeys(
        name
        for one in trials
        for name, value in one.settings.items()
        if name != "behind" and isinstance(value, int | float | str)
    )
    columns = {
        "features": [one.features for one in trials],
        "kind": [one.kind for one in trials],
        **{name: [one.settings.get(name) for one in trials] for name in names},
    }
    axes = [Axis(name, tuple(values)) for name, values in columns.items() if len(set(values)) > 1]
    first = next((name for one in trials[:1] for name in one.scores), "accuracy")
    last = Axis(words_of(first), tuple(one.scores[first] for one in trials))
    return draw_parallel([*axes, last], [not one.is_worse for one in trials])


def _unranked(site: Site, dataset: Dataset, ranked: list[dict[str, Any]]) -> list[str]:
    """Features of the dataset that were cached since; maps are not ranked unless they are named."""
    known = {one["reference"] for one in ranked}
    return [name for name in features_for(site, dataset, only_vectors=True) if name not in known]


def _named(one: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """With what they are called, what always means these features, a name for a head, and their
    score in words; rankings of older versions know accuracy alone."""
    objective = one.get("objective", ACCURACY)
    linear, neighbours = (_scored(one, by, objective) for by in ("linear", "neighbours"))
    name = f"{one['backbone']}@{one['cut']}"
    proposed = NO_NAME.sub("-", f"{dataset.name}-{one['backbone']}")
    return {
        **one,
        "name": name,
        "reference": exact(name),
        "proposed": proposed,
        "objective": objective,
        "linear": linear,
        "neighbours": neighbours,
    }


def _scored(one: dict[str, Any], by: str, objective: str) -> dict[str, Any]:
    """The score that some heads have, with its interval, in numbers and words; None for what is not
    known."""
    scores = one.get(f"{by}_scores", {objective: one[f"{by}_accuracy"]})
    intervals = one.get(f"{by}_intervals", {objective: one[f"{by}_interval"]})
    score, interval = scores.get(objective), intervals.get(objective)
    return {
        "score": score,
        "interval": interval and interval[:2],
        "text": "-" if score is None else score_text(objective, score),
        "range": interval and " to ".join(score_text(objective, end) for end in interval[:2]),
    }


def _point(one: dict[str, Any], cost: str) -> Point | None:
    """A kind of features in the chart; None where its cost is not known."""
    value = one["bytes_per_sample"] if cost == "bytes" else one["ms_per_sample"] or 0
    if value <= 0:
        return None
    score, address = one["linear"]["score"], f"/backbones/{one['backbone']}"
    low, high = one["linear"]["interval"] or (score, score)
    return Point(one["name"], value, score, (low, high), one["is_on_front"], address)


def _dataset(request: Request) -> Dataset:
    return site_of(request).workspace.context.datasets.get(request.path_params["name"])


ROUTES = [
    Route("/rank", list_ranked),
    Route("/rank/{name}", show_ranking),
    Route("/rank/{name}/begin", begin, methods=["POST"]),
    Route("/rank/{name}/train", train, methods=["POST"]),
    Route("/sweeps/{number}", show_sweep),
]
