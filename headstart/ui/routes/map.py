"""`/map`: the samples of a dataset as points, in columns of numbers that the browser draws."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from headstart.errors import InvalidValue
from headstart.extractors.engines.engine import kind_of
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps.images import DECODERS
from headstart.heads.exploration.coordinates import LARGEST, METHODS, check_method
from headstart.jobs.exploration.map_columns import OF_HEADS, OF_SAMPLES, has_ages, heads_of
from headstart.jobs.exploration.opened_map import Near, OpenedMap, OpenedMaps, point_facts
from headstart.jobs.tasks.begin import find_begun
from headstart.jobs.tasks.map import MapTask, reference_of
from headstart.registry.entities import Dataset, FeatureSet
from headstart.registry.jobs import DONE
from headstart.registry.references import exact
from headstart.storage.manifest import Sample
from headstart.ui.asked import body_of, field, form_of, whole, whole_of, word
from headstart.ui.cached_features import features_for
from headstart.ui.cards import Card, cards_of
from headstart.ui.pages import address_of
from headstart.ui.routes.static import assets
from headstart.ui.site import Same, Screen, Site, site_of

SCREEN = Screen("Map", "/map")
SAME = (Same("headstart features map BACKBONE DATASET", "ws.map(BACKBONE, DATASET)"),)
NEAR = 24
FOREVER = "private, max-age=31536000, immutable"
"""Of coordinates, whose address has the hash of all that they depend on in it."""
WORDS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
LARGEST_SAMPLE = 16 << 20
"""Bytes of a sample that is looked for."""
WAIT_SECONDS = 30
_looking = Lock()
"""A backbone runs on all processors: one sample at a time."""
LONGEST = 600
"""Characters of a sample's words."""


def show_map(request: Request) -> Response:
    """A map, or what to do to have one."""
    site = site_of(request)
    context = site.workspace.context
    datasets = context.datasets.find_all()
    sets = [one for one in context.feature_sets.find_sets() if one.view == 0]
    asked = _asked(request, datasets, sets)
    facts: dict[str, Any] = {
        "datasets": datasets,
        "sets": {} if asked is None else _grouped(site, asked[0], sets),
        "methods": WORDS,
        "asked": asked,
        "kept": None,
        "problem": None,
        "maps": _kept_maps(site, datasets, sets),
    }
    if asked is None or word(request, "dataset") is None:
        return site.page(request, "map", "Map", same=SAME, **facts)
    dataset, features, method, seed = asked
    job = find_begun(context, _task(asked))
    problem = None if job is None or job.state == DONE else job.error
    facts |= {"same": (_same(asked),), "largest": LARGEST[method], "problem": problem}
    if job is not None and job.is_open:
        return site.wait(request, f"Map of {dataset.name}", job)
    kept = _maps(request).find(features.key, dataset, method, seed)
    if kept is None:
        return site.page(request, "map", "Map", **facts)
    opened = _maps(request).get(kept.key)
    facts |= {
        "kept": kept,
        "modules": [one for one in assets() if one.startswith("map/") and one.endswith(".js")],
        "colours": _colours(opened),
        "heads": heads_of(context, dataset.name),
        "of_heads": OF_HEADS,
        "colour": word(request, "colour") or OF_SAMPLES[0],
        "has_pictures": _has_pictures(site, opened, features),
    }
    return site.page(request, "map", f"Map of {dataset.name}", **facts)


async def make_map(request: Request) -> Response:
    """Have a map made, and go where it will be."""
    form = await form_of(request)
    return await run_in_threadpool(_make_map, request, form)


def _make_map(request: Request, form: dict[str, list[str]]) -> Response:
    site = site_of(request)
    context = site.workspace.context
    dataset = context.datasets.get(field(form, "dataset"))
    features = context.feature_sets.get_set(field(form, "set"))
    method, seed = field(form, "method"), whole_of(field(form, "seed") or "0", "seed")
    asked = dataset, features, method, seed
    site.worker.begin(_task(asked))
    return RedirectResponse(f"/map?{_query(asked)}", status_code=303)


def to_map(request: Request) -> Response:
    """The maps of a dataset, as its other screens have addresses."""
    dataset = site_of(request).workspace.context.datasets.get(request.path_params["name"])
    return RedirectResponse(f"/map?{urlencode({'dataset': dataset.name})}", 303)


def get_coordinates(request: Request) -> Response:
    """x and y of each point, float32, the low byte first."""
    content = _opened(request).coordinates().astype("<f4").tobytes()
    return _binary(content, FOREVER)


def get_legend(request: Request) -> Response:
    """What the values of a colour mean."""
    return JSONResponse(_opened(request).column(_colour(request)).to_json())


def get_values(request: Request) -> Response:
    """A code of each point, uint16, or a number, float32; the low byte first."""
    return _binary(_opened(request).column(_colour(request)).packed, "no-store")


def get_sample(request: Request) -> Response:
    """What the sample of a point is."""
    opened, row = _opened(request), _row(request)
    sample = opened.sample(row)
    return JSONResponse({**point_facts(sample), **_content(opened, sample)})


def get_near(request: Request) -> Response:
    """The samples most similar to that of a point."""
    opened, row = _opened(request), _row(request)
    return _matches(opened, opened.near(row, NEAR))


async def find_like(request: Request) -> Response:
    """The samples most similar to one, which is the whole content of the request: the bytes of a
    file, or a text. It is never taken for a path or a name."""
    opened = await run_in_threadpool(_opened, request)
    with site_of(request).turns.take():
        content = await body_of(request, LARGEST_SAMPLE)
        if not content:
            raise HTTPException(400, "There is nothing in it.")
        return await run_in_threadpool(_like, opened, content)


def _like(opened: OpenedMap, content: bytes) -> Response:
    if not _looking.acquire(timeout=WAIT_SECONDS):
        raise HTTPException(503, "Another sample is being looked for. Try again.")
    try:
        found = opened.like(content, NEAR)
    finally:
        _looking.release()
    return _matches(opened, found)


def get_ids(request: Request) -> Response:
    """The id of each point."""
    return JSONResponse({"ids": _opened(request).ids()})


def find_point(request: Request) -> Response:
    """The first point whose sample's id has a text in it."""
    text = word(request, "text")
    if text is None:
        raise InvalidValue("no text is given", hint="Give a part of an id.")
    return JSONResponse({"row": _opened(request).find(text)})


def _maps(request: Request) -> OpenedMaps:
    site = site_of(request)
    made = OpenedMaps(site.workspace.context, site.memory.manifest_of)
    return site.memory.get("maps", lambda: made)


def _opened(request: Request) -> OpenedMap:
    return _maps(request).get(request.path_params["key"])


def _row(request: Request) -> int:
    return whole_of(request.path_params["row"], "point")


def _colour(request: Request) -> str:
    return word(request, "colour") or OF_SAMPLES[0]


def _binary(content: bytes, kept: str) -> Response:
    return Response(content, media_type="application/octet-stream", headers={"cache-control": kept})


Asked = tuple[Dataset, FeatureSet, str, int]


def _asked(request: Request, datasets: list[Dataset], sets: list[FeatureSet]) -> Asked | None:
    """Which map is asked for; the first that may be, where nothing is said; None without any."""
    context = site_of(request).workspace.context
    if not datasets or not sets:
        return None
    name, key = word(request, "dataset"), word(request, "set")
    dataset = datasets[0] if name is None else context.datasets.get(name)
    first = next(iter(_of_dataset(site_of(request), dataset, sets)), sets[0])
    features = first if key is None else context.feature_sets.get_set(key)
    method = word(request, "method") or METHODS[0]
    check_method(method)
    return dataset, features, method, whole(request, "seed", 0)


def _of_dataset(site: Site, dataset: Dataset, sets: list[FeatureSet]) -> list[FeatureSet]:
    """Those that have rows of all samples of a dataset."""
    names = set(features_for(site, dataset))
    return [one for one in sets if exact(f"{one.backbone}@{one.cut}") in names]


def _grouped(site: Site, dataset: Dataset, sets: list[FeatureSet]) -> dict[str, list[FeatureSet]]:
    """Those of a dataset, and the others."""
    own = _of_dataset(site, dataset, sets)
    return {f"Of {dataset.name}": own, "Others": [one for one in sets if one not in own]}


def _kept_maps(
    site: Site, datasets: list[Dataset], sets: list[FeatureSet]
) -> list[tuple[str, Any]]:
    """The maps that there are, each with what its address asks."""
    by_name = {one.name: one for one in datasets}
    by_key = {one.key: one for one in sets}
    return [
        (_query((by_name[one.dataset], by_key[key], one.identity.method, one.identity.seed)), one)
        for one in site.workspace.context.maps.find_all()
        if one.dataset in by_name and (key := one.identity.feature_key) in by_key
    ]


def _query(asked: Asked) -> str:
    dataset, features, method, seed = asked
    told = {"dataset": dataset.name, "set": features.key[:16], "method": method, "seed": seed}
    return urlencode(told)


def _task(asked: Asked) -> MapTask:
    dataset, features, method, seed = asked
    return MapTask(features.key, dataset.name, method, seed)


def _same(asked: Asked) -> Same:
    dataset, features, method, seed = asked
    by, precision = reference_of(features), kind_of(features.precision)
    options = "" if method == METHODS[0] else f" --method {method}"
    options += f" --seed {seed}" if seed else ""
    given = "" if method == METHODS[0] else f", {method!r}"
    given += f", seed={seed}" if seed else ""
    if precision != "float32":
        options += f" --precision {precision}"
        given += f", precision={precision!r}"
    return Same(
        f"headstart features map {shlex.quote(by)} {shlex.quote(dataset.name)}{options}",
        f"ws.map({by!r}, {dataset.name!r}{given})",
    )


def _colours(opened: OpenedMap) -> list[str]:
    known = {"group": opened.samples.has_groups, "age": has_ages(opened.samples)}
    return [one for one in OF_SAMPLES if known.get(one, True)]


def _matches(opened: OpenedMap, found: Iterable[Near]) -> Response:
    """What is told of similar samples; pictures are fetched one by one, and not read for it."""
    near = list(found)
    cards = cards_of(opened.dataset, ((one.sample, "") for one in near))
    told = [
        {
            **point_facts(one.sample),
            "row": one.row,
            "distance": round(one.distance, 6),
            **_shown(opened, one.sample, card),
        }
        for one, card in zip(near, cards, strict=True)
    ]
    return JSONResponse({"matches": told})


def _has_pictures(site: Site, opened: OpenedMap, features: FeatureSet) -> bool:
    """Whether the samples are pictures: they are decoded as such, or arrays that look so. Of others
    none is read for it: a table of a million rows is searched for seconds."""
    steps = Preprocessing.from_json(features.preprocessing).steps
    if steps and steps[0]["step"] in DECODERS:
        return True
    key = "is a picture", opened.kept.key
    return opened.dataset.kind == "arrays" and site.memory.get(key, lambda: _is_picture(opened, 0))


def _is_picture(opened: OpenedMap, row: int) -> bool:
    return len(opened) > 0 and "picture" in _content(opened, opened.sample(row))


def _content(opened: OpenedMap, sample: Sample) -> dict[str, str]:
    """The address of a sample's picture, or its words."""
    (card,) = cards_of(opened.dataset, [(sample, "")])
    return _shown(opened, sample, card)


def _shown(opened: OpenedMap, sample: Sample, card: Card) -> dict[str, str]:
    own = f"/datasets/{address_of(opened.dataset.name)}/samples/{sample.digest}"
    if card.words is None:
        return {"picture": f"{own}/picture"}
    told = {"text": card.words[:LONGEST]}
    return {**told, "sound": f"{own}/sound"} if card.is_sound else told


ROUTES = [
    Route("/map", show_map),
    Route("/map", make_map, methods=["POST"]),
    Route("/map/{name}", to_map),
    Route("/map/{key}/coordinates", get_coordinates),
    Route("/map/{key}/legend", get_legend),
    Route("/map/{key}/values", get_values),
    Route("/map/{key}/ids", get_ids),
    Route("/map/{key}/find", find_point),
    Route("/map/{key}/like", find_like, methods=["POST"]),
    Route("/map/{key}/sample/{row}", get_sample),
    Route("/map/{key}/near/{row}", get_near),
]
