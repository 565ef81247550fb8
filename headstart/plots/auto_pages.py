"""What an automatic search tried, chose and left out, as one HTML file with nothing to fetch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headstart import __version__
from headstart.errors import HeadError
from headstart.heads.evaluation.intervals import interval_text, score_text
from headstart.heads.evaluation.provenance import scores_in, words_of
from headstart.jobs.auto.found import Attempt, Auto, Cost, Scored, Side
from headstart.plots.reports import SUFFIXES, template_of
from headstart.storage.files import written_aside

TEMPLATE = "auto.html.jinja"


def check_target(path: Path) -> None:
    """See, before minutes are spent, that the page can be written.

    Raises:
        HeadError: the file is no `.html`, or the extra `plot` is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise HeadError(f"cannot write a page into {path}", hint="Name an .html file.")
    template_of(TEMPLATE)


def write_page(found: Auto, path: str | Path) -> Auto:
    """Write what a search found; gives it with the place of the page.

    Raises:
        HeadError: see `check_target`.
    """
    target = Path(path)
    check_target(target)
    page = template_of(TEMPLATE).render(
        title=f"{found.head.name}: found for {found.dataset}",
        version=__version__,
        answer=answer_text(found),
        why=f"Why: {found.why}.",
        interrupted=found.interrupted,
        taken="" if found.taken is None else f"{found.taken.text}.",
        score_columns=[("score", False), ("test split", True), ("", False)],
        scores=_scores(found),
        tested=tested_text(found),
        samples=f"{found.samples:,}",
        side_columns=[*SIDES, *score_columns(found)],
        sides=[_side(one, found) for one in found.sides],
        tried_columns=[*TRIED, *score_columns(found), *SPENT],
        tried=[_attempt(one) for one in found.tried],
        dropped_columns=[("what", False), ("why", False)],
        dropped=[(one.what, one.why) for one in found.dropped],
        time=time_text(found),
        cost_columns=COSTS,
        costs=[_cost(one) for one in found.costs],
        sweep=found.sweep,
    )
    with written_aside(target) as file:
        file.write(page.encode())
    return replace(found, page=target)


TRIED = [
    ("features", False),
    ("head", False),
    ("samples", True),
]
SPENT = [
    ("heads", True),
    ("seconds", True),
    ("what became of it", False),
]
SIDES = [("", False), ("features", False), ("head", False)]
COSTS = [
    ("backbone", False),
    ("samples computed", True),
    ("seconds", True),
    ("of these loading and converting", True),
    ("samples per second", True),
]


def answer_text(found: Auto) -> str:
    """What was trained, and on what."""
    head = found.head
    return (
        f"{head.name}:{head.version}, the {found.chosen} head: {head.kind} on "
        f"{head.backbone}@{head.cut}."
    )


def tested_text(found: Auto) -> str:
    """What the scores are of, and how often that split was looked at."""
    often = "for the first time" if found.looks < 2 else f"by {found.looks:,} heads so far"
    return (
        f"The {found.head.metrics['n_test']:,} samples of the test split took no part in the "
        f"choice; they were looked at {often}."
    )


def time_text(found: Auto) -> str:
    """Seconds that were given and taken, and by what: those of the tables, and the rest."""
    heads = sum(one.heads for one in found.tried)
    features = sum(one.seconds for one in found.costs)
    trials = sum(one.seconds for one in found.tried)
    rest = max(found.seconds - features - trials, 0.0)
    return (
        f"{found.seconds:,.1f} s of {found.budget:,.0f} s were taken: {features:,.1f} s by "
        f"features (loading and converting backbones included), {trials:,.1f} s by "
        f"the fits of {heads:,} heads on folds, {rest:,.1f} s by "
        f"reading, choosing, the last fit and its scores."
    )


def score_columns(found: Auto) -> list[tuple[str, bool]]:
    """Of the scores by which heads were compared; that which decided comes first."""
    return [(words_of(name), True) for name in found.tried[0].scores]


def told(one: Scored) -> list[str]:
    """The scores, each with its interval."""
    return [
        f"{score_text(name, value)} ({interval_text({'intervals': one.intervals}, name)})"
        for name, value in one.scores.items()
    ]


def _scores(found: Auto) -> list[tuple[str, str, str]]:
    metrics = found.head.metrics
    return [
        (words_of(name), score_text(name, metrics[name]), f"95 %: {interval_text(metrics, name)}")
        for name in scores_in(metrics)
    ]


def _side(side: Side, found: Auto) -> tuple[str, ...]:
    chosen = ", chosen" if side.what == found.chosen else ""
    return f"{side.what}{chosen}", side.features, side.head, *told(side)


def _attempt(one: Attempt) -> tuple[str, ...]:
    return (
        one.features,
        one.head,
        f"{one.rows:,}",
        *told(one),
        f"{one.heads:,}",
        f"{one.seconds:.1f}",
        one.verdict or "tried on all samples",
    )


def _cost(one: Cost) -> tuple[str, ...]:
    rate, beside = "-", f"{one.seconds:.1f}"
    if one.rate is not None:
        rate = f"{one.rate:,.0f}"
        beside = f"{max(one.seconds - one.computed / one.rate, 0.0):.1f}"
    return one.backbone, f"{one.computed:,}", f"{one.seconds:.1f}", beside, rate
