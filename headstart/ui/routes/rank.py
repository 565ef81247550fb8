"""`/rank`: which cached features suit a dataset, and what they cost; `/sweeps`: heads that were
tried."""

from __future__ import annotations

import shlex
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headstart.cached import features_of
from headstart.heads.evaluation.intervals import interval_text, score_text
from headstart.heads.evaluation.ranking import Rank
from headstart.heads.kinds.words import setting_words
from headstart.jobs.datasets.rank import rank
from headstart.jobs.heads.cross_validation import Features
from headstart.progress import Progress
from headstart.registry import listing
from headstart.registry.entities import Dataset, TrialRecord, TriedSweep
from headstart.registry.names import check_name
from headstart.ui.asked import field, form_of, whole_of, word
from headstart.ui.charts import Point, draw_scores
from headstart.ui.parallel import Axis, draw_parallel
from headstart.ui.site import Same, Screen, site_of
from headstart.values.showable import Results

SCREEN = Screen("Rank", "/rank", ("/sweeps",))
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
    work = site.works.find(_key(dataset))
    if work is not None and not work.is_over:
        title = f"Features for {dataset.name}"
        answer = site.page(request, "waiting", title, what="Heads are tried", work=work)
        answer.headers["refresh"] = "1"
        return answer
    found: Results[Rank] = work.result if work is not None and not work.error else Results()
    cost = request.query_params.get("cost", "")
    if cost not in COSTS:  # what nothing is known of is not drawn unless it is asked for
        cost = "ms" if any(one.seconds for one in found) else "bytes"
    points = [point for one in found if (point := _point(one, cost)) is not None]
    named = shlex.quote(dataset.name)
    return site.show(
        request,
        "rank",
        f"Features for {dataset.name}",
        found,
        dataset=dataset,
        problem="" if work is None else work.error,
        cost=cost,
        costs=COSTS,
        chart=draw_scores(points, COSTS[cost]) if points else "",
        undrawn=len(found) - len(points),
        same=(Same(f"headstart rank {named}", f"ws.rank({dataset.name!r})"),),
    )


def begin(request: Request) -> Response:
    """Have linear heads and neighbours tried on all features that are cached of a dataset."""
    site, dataset = site_of(request), _dataset(request)
    context = site.workspace.context

    def ranking(progress: Progress) -> Results[Rank]:
        return rank(context, Features.of(dataset.name, (), "float32"), progress=progress)

    site.works.begin(_key(dataset), ranking)
    return RedirectResponse(f"/rank/{dataset.name}", 303)


async def train(request: Request) -> Response:
    """Train a head on some of the features, in the usual way."""
    form = await form_of(request)
    given = field(form, "name"), field(form, "features")
    return await run_in_threadpool(_train, request, *given)


def _train(request: Request, name: str, features: str) -> Response:
    site, dataset = site_of(request), _dataset(request)
    check_name(name, "head")
    site.workspace.context.resolve(features)

    def training(_: Progress) -> str:
        view = features_of(site.workspace.context, features, dataset.name, "float32")
        head = site.workspace.heads.train(name, view).record
        return f"{head.name}:{head.version}"

    site.works.begin(_training(dataset, name, features), training)
    asked = urlencode({"features": features})
    return RedirectResponse(f"/rank/{dataset.name}/trained/{name}?{asked}", 303)


def show_trained(request: Request) -> Response:
    """On to the head, once it is trained."""
    site, dataset, name = site_of(request), _dataset(request), request.path_params["head"]
    work = site.works.find(_training(dataset, name, word(request, "features") or ""))
    if work is None:
        return RedirectResponse(f"/rank/{dataset.name}", 303)
    if not work.is_over:
        answer = site.page(
            request, "waiting", f"Head {name}", what=f"Head {name} is trained", work=work
        )
        answer.headers["refresh"] = "1"
        return answer
    if work.error:
        title = "It was not trained"
        return site.page(request, "refused", title, status=422, message=work.error, hint=None)
    return RedirectResponse(f"/heads/{work.result}", 303)


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
        rows=rows,
        chart=_parallel(tried),
        same=same,
    )


def _trial(number: int, place: int, one: TrialRecord) -> dict[str, object]:
    """A setting that was tried, in words, and the command that trains a head with it."""
    settings = {name: value for name, value in one.settings.items() if name != "behind"}
    ends = {"accuracy": (one.accuracy_low, one.accuracy_high)}
    metrics = {"accuracy": one.accuracy, "intervals": ends}
    return {
        "place": place,
        "features": one.features,
        "words": setting_words({"kind": one.kind, **settings}),
        "accuracy": score_text("accuracy", one.accuracy),
        "interval": interval_text(metrics, "accuracy"),
        "log_loss": score_text("log_loss", one.log_loss),
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
    last = Axis("accuracy", tuple(one.accuracy for one in trials))
    return draw_parallel([*axes, last], [not one.is_worse for one in trials])


def _point(one: Rank, cost: str) -> Point | None:
    """A kind of features in the chart; None where its cost is not known."""
    value = one.size if cost == "bytes" else 1000 * (one.seconds or 0)
    if value <= 0:
        return None
    address = f"/backbones/{one.backbone}"
    score, interval = one.linear.accuracy, one.linear.interval
    return Point(one.name, value, score, interval, one.is_on_front, address)


def _dataset(request: Request) -> Dataset:
    return site_of(request).workspace.context.datasets.get(request.path_params["name"])


def _key(dataset: Dataset) -> tuple[str, ...]:
    return "rank", dataset.name, dataset.digest


def _training(dataset: Dataset, name: str, features: str) -> tuple[str, ...]:
    """Of a head, which may be trained on other features while these wait."""
    return "train", name, dataset.name, dataset.digest, features


ROUTES = [
    Route("/rank", list_ranked),
    Route("/rank/{name}", show_ranking),
    Route("/rank/{name}/begin", begin, methods=["POST"]),
    Route("/rank/{name}/train", train, methods=["POST"]),
    Route("/rank/{name}/trained/{head}", show_trained),
    Route("/sweeps/{number}", show_sweep),
]
