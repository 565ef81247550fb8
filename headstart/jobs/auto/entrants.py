"""Which backbones may be tried on a dataset, the cheapest first: registered ones, then those of the
zoo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import LayerNotFound, NotFound
from headstart.extractors.backbones.candidates import block_ends
from headstart.extractors.backbones.cuts import POOLED_BY, Cut, resolve
from headstart.extractors.preprocessing.medium import find_medium
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.registry.entities import Backbone
from headstart.registry.rates import START, seconds_per_sample
from headstart.registry.references import exact
from headstart.registry.zoo import ENTRIES, ZooEntry

PICTURES, TEXTS, NUMBERS = "pictures", "texts", "numbers"
DEPTHS = (0.85, 0.6)
"""Shares of the computing, at which a cut is tried besides the default one."""
WIDEST = 8192
"""Numbers of such a cut: of more, a linear head takes longer than the backbone."""


@dataclass(frozen=True)
class Entrant:
    """A backbone that may be tried.

    Attributes:
        name: of it.
        source: of one of the zoo, which is registered when it is tried; None of a registered one.
        reference: of a registered one, as somebody named it.
        work: parameters times values that go in, as far as they are known: by this those are put
            in order that never ran here.
        seconds: per sample, of the largest extraction here, behind its start; None where it never
            ran for long enough to tell.
        start: seconds until that extraction's first samples were computed.
    """

    name: str
    source: str | None = None
    reference: str = ""
    work: float = 0.0
    seconds: float | None = None
    start: float = 0.0


def what_it_is(raw: Any) -> str | None:
    """Whether a sample's raw content is a picture, a text or numbers; None of anything else."""
    if isinstance(raw, str):
        return TEXTS
    if isinstance(raw, bytes | bytearray):
        return _what_bytes_are(bytes(raw))
    shape = np.shape(raw)
    is_picture = len(shape) == 3 or (len(shape) == 2 and min(shape) > 4)
    return PICTURES if is_picture else NUMBERS if len(shape) == 1 else None


def _what_bytes_are(raw: bytes) -> str | None:
    import io

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(raw)):
            return PICTURES
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        with suppress(UnicodeDecodeError):
            raw.decode()
            return TEXTS
    return None


def registered(
    context: Context,
    what: str | None,
    named: Sequence[str] = (),
    shape: tuple[int, ...] | None = None,
) -> list[Entrant]:
    """The latest version of each registered backbone that takes such samples, those with features
    of known speed first and the fastest of them before the others; or those that were named.

    Args:
        context: where.
        what: the samples are, see `what_it_is`; None if that is not known.
        named: `NAME[@CUT,…]` each, in the order in which they are taken.
        shape: of a sample that is an array.
    """
    speeds = _speeds(context)
    if named:
        given = [(context.backbones.get(one.partition("@")[0]), one) for one in named]
        return [_entrant(backbone, speeds, reference) for backbone, reference in given]
    latest = {one.name: one for one in context.backbones.find_all()}
    fitting = [one for one in latest.values() if _suits(one, what, shape)]
    known = dict[tuple[str, str], Backbone]()
    for one in fitting:  # the same model under two names is tried once
        known.setdefault((one.artifact_digest, one.preprocessing_fingerprint), one)
    return in_order([_entrant(one, speeds, one.reference) for one in known.values()])


def of_the_zoo(context: Context, what: str | None, *, downloads: bool) -> list[Entrant]:
    """Known backbones that are not registered; those whose weights have to be fetched only where
    that is allowed."""
    if what != PICTURES:
        return []
    taken = {one.source for one in context.backbones.find_all()}
    return in_order(
        [
            Entrant(one.name.lower(), one.source, work=_work_of_entry(one))
            for one in ENTRIES
            if one.source not in taken and (downloads or not one.needs_download)
        ]
    )


def in_order(entrants: Sequence[Entrant]) -> list[Entrant]:
    """The cheapest first: by measured seconds, and by work where nothing was measured, as if that
    took as long as of those which were."""
    per_work = [one.seconds / one.work for one in entrants if one.seconds and one.work]
    pace = float(np.median(per_work)) if per_work else 1.0
    return sorted(entrants, key=lambda one: one.work * pace if one.seconds is None else one.seconds)


def _entrant(backbone: Backbone, speeds: Mapping[int | None, _Speed], reference: str) -> Entrant:
    values = sum(prod(size or 1 for size in tensor["shape"]) for tensor in backbone.inputs)
    work = float(backbone.parameters) * values
    known = speeds.get(backbone.id)
    each, start = (None, 0.0) if known is None else (known.each, known.start)
    return Entrant(backbone.label, None, reference, work, each, start)


def _work_of_entry(one: ZooEntry) -> float:
    return float(one.published.parameters or 50_000_000) * one.size**2 * 3


def _suits(backbone: Backbone, what: str | None, shape: tuple[int, ...] | None) -> bool:
    medium = find_medium(Preprocessing.from_json(backbone.preprocessing))
    if medium is not None or what is None:
        return what is None or medium == what
    return what in (NUMBERS, PICTURES) and _takes_shape(backbone, shape)


def _takes_shape(backbone: Backbone, shape: tuple[int, ...] | None) -> bool:
    """Whether arrays of a shape go in, as far as the first step says of which it takes some."""
    first = next(iter(backbone.preprocessing["steps"]), {})
    sizes = first.get("shape") if first.get("step") == "array" else None
    if shape is None or sizes is None:
        return True
    return len(sizes) == len(shape) and all(
        want in (None, have) for have, want in zip(shape, sizes, strict=True)
    )


@dataclass(frozen=True)
class _Speed:
    """Of an extraction: samples, seconds of its start, and those of each further sample."""

    computed: int
    start: float
    each: float


def _speeds(context: Context) -> dict[int | None, _Speed]:
    """By the backbone's number, of its largest extraction here that was long enough to tell."""
    found = dict[int | None, _Speed]()
    for run in context.runs.find_latest("extract", None, 1000):
        each = seconds_per_sample(run.counts, run.seconds)
        if each is not None:
            with suppress(NotFound, LayerNotFound):  # of a backbone that is gone
                backbone, _ = context.resolve(exact(run.subject))
                known, computed = found.get(backbone.id), run.counts["computed"]
                if known is None or computed > known.computed:
                    found[backbone.id] = _Speed(computed, run.counts.get(START, 0.0), each)
    return found


def cuts_of(backbone: Backbone, precision: str = "float32") -> list[Cut]:
    """The default cut, pooled to a vector, and ends of blocks below it at `DEPTHS`; all come of one
    pass."""
    default = _as_vector(resolve(backbone.cuts, None), precision)
    ends = block_ends(backbone.cuts)
    below = [
        cut
        for point in backbone.cuts
        if point.name in ends and point.fingerprint != default.point.fingerprint
        for cut in [_as_vector(resolve(backbone.cuts, point.name), precision)]
        if _is_worth_it(cut, default)
    ]
    chosen = {default.name: default}
    for depth in DEPTHS:
        if below:
            near = min(below, key=lambda cut: abs((cut.point.compute_below or 0.0) - depth))
            chosen.setdefault(near.name, near)
    return list(chosen.values())


def _as_vector(cut: Cut, precision: str) -> Cut:
    pooling = {3: "gap", 2: "mean"}.get(len(cut.shape), cut.pooling)
    return Cut(cut.point, pooling if cut.pooling is None else cut.pooling, precision)


def _is_worth_it(cut: Cut, default: Cut) -> bool:
    """Whether it is a vector of some size that is not the default cut's own numbers."""
    (width, *others) = cut.shape
    is_pooled_there = default.point.operation in POOLED_BY and cut.point.name == default.point.input
    share = cut.point.compute_below
    return (
        not others
        and width is not None
        and width <= WIDEST
        and cut.point.dtype.startswith("float")
        and not is_pooled_there
        and share is not None
        and share >= 0.3
    )
