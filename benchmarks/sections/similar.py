"""The samples most similar to one: all compared, by an index, and by NumPy with all in memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import psutil
from timing import Section, timed

import headstart as hs
from headstart.heads.exploration.neighbour_index import IndexFacts
from headstart.jobs.exploration.retriever import Retriever
from sections import all_rows

WIDTH, COUNT = 512, 10
ASKED, ALL_COMPARED, WARMING = 200, 10, 400
"""Questions of the index, and of those ways that look at all rows; questions before the index is
measured, as the first ones check the chunks that they read."""
COLUMNS = ("what", ">a query", ">recall@10", ">memory")


def section(folder: Path, size: int) -> Section:
    """All three ways on the same rows, questions that are samples of the dataset."""
    workspace = hs.open(all_rows.ready(folder, size, WIDTH))
    view = workspace.features("net", "rows")
    rng = np.random.default_rng(1)
    numbers = rng.choice(size, ASKED + WARMING, replace=False)
    ids = [view.samples[int(number)].id for number in numbers]
    plain, expected = _by_numpy(view.to_numpy(), numbers[:ASKED])
    opened, before = time.perf_counter(), _memory()
    exact = workspace.retriever("net", "rows", index=False)
    exact.similar(ids=ids[-1], count=COUNT)
    first = time.perf_counter() - opened
    own = _seconds(exact, ids[:ALL_COMPARED])
    found = _found(exact, ids[:ALL_COMPARED])
    rows = [
        (
            "NumPy, all unit rows in memory",
            _spread(plain),
            "1",
            f"{4 * size * WIDTH / 1e9:,.1f} GB",
        ),
        (
            "all compared, warm",
            _spread(own),
            f"{_recall(found, expected[:ALL_COMPARED]):.3f}",
            _more(before),
        ),
    ]
    del exact
    began, before = time.perf_counter(), _memory()
    workspace.retriever("net", "rows", index=True)
    build = time.perf_counter() - began
    sys.stderr.write(f"built in {build:,.0f} s\n")
    began, before = time.perf_counter(), _memory()
    indexed = workspace.retriever("net", "rows", index=True)
    opening = time.perf_counter() - began
    cold = timed(lambda: indexed.similar(ids=ids[-1], count=COUNT))
    for one in ids[ASKED:]:
        indexed.similar(ids=one, count=COUNT)
    own = _seconds(indexed, ids[:ASKED])
    recall = _recall(_found(indexed, ids[:ASKED]), expected)
    rows.append(("by the index, warm", _spread(own), f"{recall:.3f}", _more(before)))
    rows.append(("by the index, the first query", _spread([cold]), "", ""))
    (run,) = workspace.context.runs.find_latest("index", limit=1)
    facts, file = IndexFacts.from_json(run.counts["facts"]), run.counts["file"]["size"]
    note = (
        f"{size:,} rows of {WIDTH} numbers, clusters folded as a network folds them; queries are "
        f"samples of the dataset, ten matches each. The index was built in {build:,.0f} s and "
        f"takes {file / 1e6:,.0f} MB; it is opened, its hash checked, in {opening:.1f} s, and "
        f"looks at {facts.looked_at} rows a query; on {facts.tried} rows it measured a recall of "
        f"{facts.recall:.3f} when it was made. Features opened and all compared for the first "
        f"time: {first:.1f} s. Memory is of this process, features that are mapped included."
    )
    return Section("Similar samples", note, COLUMNS, rows)


def _by_numpy(rows: np.ndarray, asked: np.ndarray) -> tuple[list[float], list[list[int]]]:
    """Seconds of each of some queries, and what is found for all, but for the row itself."""
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    def nearest(number: int) -> list[int]:
        alike = rows @ rows[number]
        alike[number] = -np.inf
        some = np.argpartition(alike, -COUNT)[-COUNT:]
        return some[np.argsort(-alike[some])].tolist()

    nearest(0)
    seconds = [timed(lambda one=one: nearest(one)) for one in asked[:ALL_COMPARED].tolist()]
    return seconds, [nearest(one) for one in asked.tolist()]


def _seconds(retriever: Retriever, ids: list[str]) -> list[float]:
    return [timed(lambda one=one: retriever.similar(ids=one, count=COUNT)) for one in ids]


def _found(retriever: Retriever, ids: list[str]) -> list[list[str]]:
    return [[m.sample.id for m in one.matches] for one in retriever.similar(ids=ids, count=COUNT)]


def _recall(found: list[list[str]], expected: list[list[int]]) -> float:
    """Ids of made rows are their numbers."""
    pairs = zip(found, expected, strict=True)
    return float(np.mean([len({*map(str, b)} & {*a}) / COUNT for a, b in pairs]))


def _spread(seconds: list[float]) -> str:
    middle = f"{1e3 * float(np.median(seconds)):,.1f} ms"
    if len(seconds) == 1:
        return middle
    return f"{middle} ({1e3 * min(seconds):,.1f} to {1e3 * max(seconds):,.1f})"


def _memory() -> int:
    return psutil.Process().memory_info().rss


def _more(before: int) -> str:
    return f"{max(0, _memory() - before) / 1e9:,.1f} GB"
