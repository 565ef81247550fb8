"""An index of directions, by which a few rows near a query are found without looking at all.

It is a graph of rows that lie near each other, gone through from far to near (HNSW; Malkov and
Yashunin: Efficient and robust approximate nearest neighbor search using hierarchical navigable
small world graphs, 2018), as USearch has it, of rows rounded to a byte a number. It only says which
rows to look at: their cosines are those of the rows themselves. How often it finds what all of them
would have said is measured when it is made, on rows of its own, and so is how far it has to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import ArtifactDamaged, FeatureError
from headstart.heads.exploration.similarity import most_similar
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows, spans_of_rows
from headstart.progress import Progress, silent

FORMAT = "headstart.neighbours/2"
"""Also of how recall is measured: of indexes of format 1 it is that of queries which compared all
that they looked at, not a shortlist."""
NUMBERS, NEIGHBOURS, EXPANSION = "i8", 16, 64
"""How rows are rounded; edges of a row, and rows that are looked at for them, when one is added: a
half of USearch's own takes half of the time, and a query may look at more in exchange."""
LOOKED_AT = (64, 128, 256, 512, 1024)
"""Rows that a query looks at, rounded as they are: the fewest that do, of these."""
SHORTLIST, SHORTEST = 4, 40
"""Of those, times as many as are wanted, and no fewer than so many, are read and compared by
themselves: reading takes most of a query's time, and rounding moves a row by some places only."""
RECALL, NEAREST, TRIED = 0.985, 10, 200
"""Of the ten nearest of so many rows, the share that is to be found."""
AT_ONCE = 256
"""Queries whose candidates are in memory at a time."""
ALONE = 1024
"""Rows that are added one after the other: of those that several threads add to an empty graph,
some find none of the others, and none is found by way of them."""
ADDED = 16 << 20
"""Bytes of rows that are added together."""


@dataclass(frozen=True)
class IndexFacts:
    """What an index is.

    Attributes:
        rows: in it.
        width: numbers in a row.
        looked_at: rows that a query looks at.
        recall: of the ten nearest others of rows of its own, the share that was found.
        tried: of how many rows.
        version: of USearch.
    """

    rows: int
    width: int
    looked_at: int
    recall: float
    tried: int
    version: str

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, "numbers": NUMBERS, **asdict(self)}

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> IndexFacts:
        own = {name: facts[name] for name in IndexFacts.__dataclass_fields__}
        return IndexFacts(**own)


class NeighbourIndex:
    """An index of rows; may be asked by several threads."""

    def __init__(self, graph: Any, facts: IndexFacts) -> None:
        self._graph = graph
        self.facts = facts
        graph.expansion_search = facts.looked_at

    @staticmethod
    def build(rows: Rows, seed: int = 0, progress: Progress = silent) -> NeighbourIndex:
        """An index of rows (n, width), which are read in blocks.

        Args:
            rows: of which some are of length 0, perhaps: they are similar to nothing.
            seed: of the rows that recall is measured on.
            progress: called with (rows in the index, rows in all).

        Raises:
            FeatureError: USearch is not installed.
        """
        usearch = usearch_here()
        graph = _graph(usearch, rows.shape[1])
        for span in spans_of_rows(rows, ADDED):
            keys, unit = (
                np.arange(span.start, span.stop, dtype=np.uint64),
                of_length_one(rows[span]),
            )
            first = max(0, ALONE - span.start)
            if first:
                graph.add(keys[:first], unit[:first], threads=1)
            graph.add(keys[first:], unit[first:])
            progress(span.stop, len(rows))
        version = str(usearch.__version__)
        looked_at, recall, tried = _measured(graph, rows, seed)
        facts = IndexFacts(len(rows), rows.shape[1], looked_at, recall, tried, version)
        return NeighbourIndex(graph, facts)

    @staticmethod
    def open(path: Path, facts: IndexFacts) -> NeighbourIndex:
        """One from its file, which is mapped; whoever calls has seen that it is what was saved.

        Raises:
            FeatureError: USearch is not installed.
            ArtifactDamaged: it cannot be read, as a file of another version of USearch, perhaps.
        """
        graph = _graph(usearch_here(), facts.width)
        try:
            graph.view(str(path))
        except (RuntimeError, ValueError) as error:
            raise ArtifactDamaged(f"the index {path} cannot be opened ({error})") from error
        if len(graph) != facts.rows or graph.ndim != facts.width:
            raise ArtifactDamaged(
                f"the index {path} is of {len(graph):,} rows of {graph.ndim:,} numbers, not of "
                f"{facts.rows:,} of {facts.width:,}"
            )
        return NeighbourIndex(graph, facts)

    def save(self, path: Path) -> None:
        """Write it into a file."""
        self._graph.save(str(path))

    def most_similar(
        self, queries: np.ndarray, rows: Rows, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `similarity.most_similar`, of the rows that the index finds; where it finds fewer than
        were asked for, of all.

        Args:
            queries: (q, width).
            rows: those that the index is of; only some are read.
            count: how many; n at most are given.
        """
        kept = min(count, len(rows))
        cosines = np.empty((len(queries), kept), np.float32)
        found = np.empty((len(queries), kept), np.int64)
        for start in range(0, len(queries), AT_ONCE):
            here = slice(start, start + AT_ONCE)
            asked = of_length_one(queries[here].astype(np.float32, copy=False))
            numbers, are_found = _candidates(self._graph, asked, _shortlist(kept, len(rows)))
            if (are_found.sum(axis=1) < kept).any():
                cosines[here], found[here] = most_similar(queries[here], rows, kept)
            else:
                cosines[here], found[here] = _ranked(asked, rows, numbers, are_found, kept)
        return cosines, found


def has_usearch() -> bool:
    """Whether the module `usearch` is installed."""
    return find_spec("usearch") is not None


def usearch_here() -> Any:
    """The module `usearch`.

    Raises:
        FeatureError: it is not installed.
    """
    try:
        import usearch
        import usearch.index
    except ImportError:
        raise FeatureError(
            "an index of features is made by USearch, which is not installed",
            hint="pip install 'headstart[search]'; or let all samples be compared: --exact, or a "
            "--limit.",
        ) from None
    return usearch


def _graph(usearch: Any, width: int) -> Any:
    return usearch.index.Index(
        ndim=width,
        metric="cos",
        dtype=NUMBERS,
        connectivity=NEIGHBOURS,
        expansion_add=EXPANSION,
        enable_key_lookups=False,
    )


def _shortlist(count: int, rows: int) -> int:
    """How many rows are compared by themselves for so many that are wanted."""
    return min(rows, max(SHORTLIST * count, SHORTEST))


def _candidates(graph: Any, asked: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of rows near each query, (q, count) int64, and which of them are meant, bool."""
    found = graph.search(asked, count)
    numbers = np.atleast_2d(np.asarray(found.keys))
    counts = np.atleast_1d(np.asarray(getattr(found, "counts", numbers.shape[1])))
    are_found = np.arange(numbers.shape[1]) < counts[:, None]
    return np.where(are_found, numbers, 0).astype(np.int64), are_found


def _ranked(
    asked: np.ndarray, rows: Rows, numbers: np.ndarray, are_found: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The most similar of some rows of each query by the rows themselves, each read once; of equal
    ones the first row first."""
    different, places = np.unique(numbers, return_inverse=True)
    unit = of_length_one(rows[different])
    own = unit[places.reshape(numbers.shape)]
    cosines = np.einsum("qw,qkw->qk", asked, own)
    cosines[~are_found] = -np.inf
    order = np.lexsort((numbers, -cosines), axis=1)[:, :count]
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(numbers, order, axis=1)


def _measured(graph: Any, rows: Rows, seed: int) -> tuple[int, float, int]:
    """How many rows a query is to look at, the share of the ten nearest others that is found then,
    and of how many rows that was measured."""
    chosen = np.random.default_rng(seed).choice(len(rows), min(TRIED, len(rows)), replace=False)
    queries = rows[np.sort(chosen)]
    nearest = min(NEAREST + 1, len(rows))
    exact, _ = most_similar(queries, rows, nearest)
    asked = of_length_one(queries)
    recall, looked_at = 0.0, 0
    for looked_at in LOOKED_AT:
        graph.expansion_search = looked_at
        numbers, are_found = _candidates(graph, asked, _shortlist(nearest, len(rows)))
        found, _ = _ranked(asked, rows, numbers, are_found, nearest)
        # By cosines: of copies any is right. The first is the row itself, and is no merit.
        is_found = found[:, 1:] >= exact[:, -1:] - ROUNDING
        recall = float(is_found.mean()) if is_found.size else 1.0
        if recall >= RECALL:
            break
    return looked_at, recall, len(chosen)


ROUNDING = 1e-6
"""Of a cosine in float32."""
