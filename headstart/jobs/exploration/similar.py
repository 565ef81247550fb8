"""`ws.similar`: the samples of a dataset that are most similar to others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import FeatureError, HeadError, NotFound
from headstart.extractors.run.settings import Settings
from headstart.heads.dense_stack import flat
from headstart.heads.exploration.similarity import most_similar
from headstart.jobs.exploration.looked_at import LookedAt, check_count, rows_named
from headstart.jobs.features.extract_raw import extract_raw
from headstart.jobs.raw_samples import RawSample, Taker
from headstart.storage.manifest import Sample
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class Match(Showable):
    """A sample that is similar to another.

    Attributes:
        sample: which.
        similarity: the cosine of the features of both, -1 to 1.
    """

    sample: Sample
    similarity: float

    def _facts(self) -> dict[str, Any]:
        sample = self.sample
        named = {"id": sample.id, "split": sample.split, "label": sample.label}
        return {**named, "similarity": self.similarity}

    def _line(self) -> str:
        return f"{self.sample.id!r}, {self.similarity:.3f}"


@dataclass(frozen=True)
class Similar(Showable):
    """What is most similar to one sample.

    Attributes:
        query: the sample's id, or what it is called where it is none of the dataset.
        backbone: by whose features, `NAME:VERSION@CUT`, joined by ` + `.
        dataset: in which was looked.
        samples: how many of it were compared.
        matches: the most similar first.
    """

    query: str
    backbone: str
    dataset: str
    samples: int
    matches: list[Match]

    def _line(self) -> str:
        first = f", first {self.matches[0]._line()}" if self.matches else ""
        return f"to {self.query!r}: {len(self.matches)} of {self.samples:,}{first}"


def similar(
    among: LookedAt, samples: Any = None, ids: str | Sequence[str] | None = None, count: int = 10
) -> Results[Similar]:
    """See `Workspace.similar`."""
    check_count(count, "count")
    if (samples is None) == (ids is None):
        raise FeatureError(
            "samples and ids are both given" if ids is not None else "no sample is given",
            hint="Give `samples`, files or raw content, or `ids` of samples of the dataset.",
        )
    if ids is not None:
        return _to_own(among, [ids] if isinstance(ids, str) else list(ids), count)
    first = among.origin.blocks[0].backbone
    items = list(Taker.of(among.context, first, of_wholes=True).take(samples))
    if not items:
        raise HeadError("no samples are given", hint="Name one file at least.")
    return _found(among, [item.name for item in items], _rows_in_hand(among, items), count)


def _rows_in_hand(among: LookedAt, items: Sequence[RawSample]) -> np.ndarray:
    """Features of samples of no dataset, of joined ones on the scales of the dataset's."""
    origin = among.origin
    first, *others = (
        extract_raw(
            among.context, one.backbone, one.cut, items, Settings(precision=one.cut.precision)
        )
        for one in origin.blocks
    )
    view = first.beside(others, origin.scales) if others else first
    return flat(view.to_numpy())


def _to_own(among: LookedAt, ids: list[str], count: int) -> Results[Similar]:
    """Similar to samples of the dataset, which are no matches of themselves."""
    if not ids:
        raise HeadError("no ids are given", hint="Name one sample at least.")
    places = rows_named(among.view.samples, ids)
    for id_ in ids:
        if id_ not in places:
            raise NotFound(
                f"no sample {id_!r} in dataset {among.origin.dataset.name!r}",
                hint=f"Its ids are such as {among.sample(0).id!r}; files are `samples`.",
            )
    queries = flat(among.view[np.array([places[id_] for id_ in ids])])
    found = _found(among, ids, queries, count + 1)
    return Results(
        Similar(
            one.query,
            one.backbone,
            one.dataset,
            one.samples,
            [match for match in one.matches if match.sample.id != one.query][:count],
        )
        for one in found
    )


def _found(
    among: LookedAt, names: Sequence[str], queries: np.ndarray, count: int
) -> Results[Similar]:
    cosines, rows = most_similar(queries, among.rows, count)
    origin = among.origin
    return Results(
        Similar(
            name,
            origin.blocks.reference,
            origin.dataset.name,
            len(among.rows),
            [
                Match(among.sample(row), float(cosine))
                for cosine, row in zip(own, places, strict=True)
            ],
        )
        for name, own, places in zip(names, cosines, rows, strict=True)
    )
