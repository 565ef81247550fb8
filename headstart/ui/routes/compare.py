"""`/compare`: two heads on the same samples: what the second fixed, and what it broke."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headstart.catalog.head import Head
from headstart.errors import HeadError, HeadstartError
from headstart.heads.evaluation.intervals import score_text
from headstart.heads.evaluation.provenance import words_of
from headstart.jobs.exploration.samples import find_by_id
from headstart.jobs.heads.compare import Compared, Difference, compare
from headstart.ui.asked import word
from headstart.ui.cards import Card, cards_of
from headstart.ui.refusals import takes_pages
from headstart.ui.site import Same, Site, site_of

SHOWN = 48
"""Samples of each kind."""


def show_compared(request: Request) -> Response:
    """What differs between the heads `a` and `b`."""
    site = site_of(request)
    one, other = word(request, "a"), word(request, "b")
    if one is None or other is None:
        return RedirectResponse("/heads", 303)
    heads = site.workspace.heads.get(one), site.workspace.heads.get(other)
    try:
        found = _compared(site, *heads)
    except HeadError as error:
        if not takes_pages(request):
            raise
        return _apart(site, request, heads, error)
    first, second = found.heads
    return site.show(
        request,
        "compare",
        f"{first} and {second}",
        found,
        first=first,
        second=second,
        rows=[_row(one) for one in found.differences],
        fixed=_cards(site, found, found.fixed or ()),
        broken=_cards(site, found, found.broken or ()),
        same=(_same(first, second),),
    )


def _apart(site: Site, request: Request, heads: Sequence[Head], error: HeadstartError) -> Response:
    """Why two heads cannot be compared; either is there, also one that was just trained again."""
    records = [head.record for head in heads]
    return site.page(
        request,
        "apart",
        "The two cannot be compared",
        status=422,
        heads=[(f"{one.name}:{one.version}", one) for one in records],
        message=error.message,
        hint=error.hint,
        same=(_same(*(f"{one.name}:{one.version}" for one in records)),),
    )


def _same(first: str, second: str) -> Same:
    both = shlex.join((first, second))
    return Same(f"headstart head compare {both}", f"ws.heads.compare({first!r}, {second!r})")


def _compared(site: Site, one: Head, other: Head) -> Compared:
    dataset = site.workspace.context.datasets.get(one.record.dataset)
    names = (f"{head.record.name}:{head.record.version}" for head in (one, other))
    digests = one.record.artifact_digest, other.record.artifact_digest
    key = ("compared", *names, *digests, dataset.digest)
    return site.memory.get(key, lambda: compare(one, other))


def _row(one: Difference) -> dict[str, str]:
    """A score of both, in words."""

    def told(ends: Sequence[float] | None) -> str:
        return "no interval" if ends is None else " to ".join(score_text(one.name, e) for e in ends)

    low, high = one.interval or (None, None)
    gain = "no interval" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
    return {
        "words": words_of(one.name),
        "a": score_text(one.name, one.scores[0]),
        "a_range": told(one.intervals[0]),
        "b": score_text(one.name, one.scores[1]),
        "b_range": told(one.intervals[1]),
        "difference": f"{one.difference:+.3f}",
        "range": gain,
    }


def _cards(site: Site, found: Compared, ids: Sequence[str]) -> list[Card]:
    dataset = site.workspace.context.datasets.get(found.dataset)
    samples = find_by_id(site.memory.manifest_of(dataset), ids[:SHOWN])
    return cards_of(dataset, ((sample, str(sample.label)) for sample in samples))


ROUTES = [Route("/compare", show_compared)]
