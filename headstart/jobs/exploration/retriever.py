"""`ws.retriever`: what in a dataset is similar, for whoever asks more than once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from headstart.errors import FeatureError, HeadError, NotFound
from headstart.extractors.run.settings import Settings
from headstart.heads.dense_stack import flat
from headstart.heads.exploration.neighbour_index import NeighbourIndex
from headstart.heads.exploration.similarity import most_similar
from headstart.heads.rows import Rows, check_rows, rows_of
from headstart.jobs.backbones.text_tower import TextTower, get_text_tower, of_one_backbone
from headstart.jobs.exploration.looked_at import LookedAt, check_count
from headstart.jobs.exploration.similar import Match, Similar
from headstart.jobs.features.extract_raw import extract_raw
from headstart.jobs.raw_samples import RawSample, Taker
from headstart.notices import warn
from headstart.registry.entities import Backbone
from headstart.registry.references import reference_of
from headstart.storage.columns.finder import ABSENT, IdFinder
from headstart.values.showable import Results, Showable


class Retriever(Showable):
    """Finds the samples of a dataset most similar to others; opened once, and asked often.

    Had from `ws.retriever`. What it keeps in memory are the features, where they take half of what
    is free at most, and their lengths; with an index neither.

    Args:
        among: in what is looked.
        index: by which neighbours are found; all are compared without it.
        is_kept: whether it is asked again, so that features are worth much memory.

    Attributes:
        backbone: by whose features, `NAME:VERSION@CUT`, joined by `+`.
        dataset: in which is looked.
        samples: how many of it.
        recall: of the ten nearest, the share that the index finds; None where all are compared.
    """

    def __init__(
        self, among: LookedAt, index: NeighbourIndex | None = None, *, is_kept: bool = True
    ) -> None:
        self._among, self._index, self._is_kept = among, index, is_kept
        self._lengths = np.full(len(among.samples), np.nan, np.float32)
        self._towers = dict[Any, TextTower]()
        self.backbone = among.origin.blocks.reference
        self.dataset = among.origin.dataset.name
        self.samples = len(among.samples)
        self.recall = None if index is None else index.facts.recall

    def similar(
        self,
        samples: Any = None,
        *,
        ids: str | Sequence[str] | None = None,
        texts: str | Sequence[str] | None = None,
        text_backbone: str | Backbone | None = None,
        count: int = 10,
        on_error: str = "fail",
    ) -> Results[Similar]:
        """See `Workspace.similar`."""
        check_count(count, "count")
        ways = {"samples": samples, "ids": ids, "texts": texts}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            raise FeatureError(
                f"{' and '.join(given)} are given together" if given else "no sample is given",
                hint="Give `samples`, files or raw content, `ids` of samples of the dataset, or "
                "`texts`.",
            )
        if texts is not None:
            asked = [texts] if isinstance(texts, str) else list(texts)
            return self._to_texts(asked, text_backbone, count)
        if ids is not None:
            return self._to_own([ids] if isinstance(ids, str) else list(ids), count)
        first = self._among.origin.blocks[0].backbone
        items = list(Taker.of(self._among.context, first, of_wholes=True).take(samples))
        if not items:
            raise HeadError("no samples are given", hint="Name one file at least.")
        names, rows = _rows_in_hand(self._among, items, on_error)
        return self._found(names, rows, count)

    def _to_own(self, ids: list[str], count: int) -> Results[Similar]:
        """Similar to samples of the dataset, which are no matches of themselves."""
        if not ids:
            raise HeadError("no ids are given", hint="Name one sample at least.")
        places = self._finder.find(ids)
        if (places == ABSENT).any():
            raise NotFound(
                f"no sample {ids[int(np.argmax(places == ABSENT))]!r} in dataset {self.dataset!r}",
                hint=f"Its ids are such as {self._among.sample(0).id!r}; files are `samples`.",
            )
        found = self._found(ids, flat(self._among.view[places]), count + 1)
        return Results(
            Similar(
                one.query,
                one.backbone,
                one.dataset,
                one.samples,
                [match for match in one.matches if match.sample.id != one.query][:count],
                one.recall,
            )
            for one in found
        )

    def _to_texts(
        self, texts: list[str], tower: str | Backbone | None, count: int
    ) -> Results[Similar]:
        """Similar to texts, by the features that a backbone of the same space gives them."""
        blocks = self._among.origin.blocks
        if len(blocks) > 1:
            raise of_one_backbone(self.backbone)
        if not texts or not all(text.strip() for text in texts):
            what = "an empty text is" if texts else "no texts are"
            raise HeadError(f"{what} given", hint="Give one text at least, of a letter or more.")
        width = self._among.stored.shape[1]
        key = tower if tower is None else reference_of(tower, "backbone")
        if key not in self._towers:  # loaded once
            self._towers[key] = get_text_tower(self._among.context, blocks[0].backbone, tower)
        return self._found(texts, self._towers[key].rows(texts, width), count)

    @cached_property
    def _finder(self) -> IdFinder:
        return IdFinder(self._among.view.samples)

    @cached_property
    def _rows(self) -> Rows:
        among = self._among
        return rows_of(among.view, chosen=among.chosen) if self._is_kept else among.rows

    def _found(self, names: Sequence[str], queries: np.ndarray, count: int) -> Results[Similar]:
        check_rows(queries, names)
        if self._index is None:
            cosines, rows = most_similar(queries, self._rows, count, self._lengths)
        else:
            cosines, rows = self._index.most_similar(queries, self._among.stored, count)
        has_angle: list[bool] = np.any(queries, axis=1).tolist()
        if not all(has_angle):
            warn(
                f"the features of {names[has_angle.index(False)]!r} are all 0: a vector of "
                "length 0 has no angle to others, and is similar to none"
            )
        return Results(
            Similar(
                name,
                self.backbone,
                self.dataset,
                self.samples,
                [
                    Match(self._among.sample(row), float(cosine))
                    for cosine, row in zip(own, places, strict=True)
                    if is_one
                ],
                self.recall,
            )
            for name, own, places, is_one in zip(names, cosines, rows, has_angle, strict=True)
        )

    def _facts(self) -> dict[str, Any]:
        names = ("backbone", "dataset", "samples", "recall")
        return {name: getattr(self, name) for name in names}

    def _line(self) -> str:
        how = "all are compared" if self.recall is None else f"index, recall {self.recall:.3f}"
        return f"{self.samples:,} samples of {self.dataset} by {self.backbone}, {how}"


def _rows_in_hand(
    among: LookedAt, items: Sequence[RawSample], on_error: str
) -> tuple[list[str], np.ndarray]:
    """Names and features of samples of no dataset, of joined ones on the scales of the dataset's;
    without those that are skipped."""
    origin = among.origin
    first, *others = (
        extract_raw(
            among.context,
            one.backbone,
            one.cut,
            items,
            Settings(precision=one.cut.precision, on_error=on_error),
        )
        for one in origin.blocks
    )
    view = first.beside(others, origin.scales) if others else first
    names = [items[int(sample.location)].name for sample in view.samples]
    return names, flat(view.to_numpy())
