"""The map of the page in a browser: until it is drawn, a frame, from a lasso to its counts.

The browser draws in software, as a machine without a graphics card does. It runs on the same
processors as the server.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page
from timing import Section

import headstart as hs
from sections import all_rows

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from chromium import NONE, find_chromium, let_in, opened
from page_server import served

SIZES = (100_000, 1_000_000)
WIDTH = 64
"""Numbers a row: what a map is drawn of has two in any case."""
OPENINGS, LASSOS, FRAMES = 5, 7, 20
CORNERS = 200
COLUMNS = (">samples", "what", ">milliseconds")
FRAME = """frames => {
  const { scatter, camera } = headstartMap;
  const began = performance.now();
  for (let frame = 0; frame < frames; frame++) {
    scatter.draw(camera, 3, 1);
    scatter.finish();
  }
  return (performance.now() - began) / frames;
}"""
LASSO = """async polygon => {
  performance.clearMeasures("map:selection");
  headstartMap.select(polygon);
  while (!performance.getEntriesByName("map:selection").length) {
    await new Promise(requestAnimationFrame);
  }
  return performance.getEntriesByName("map:selection")[0].duration;
}"""
NEAREST = """() => {
  const { grid, places } = headstartMap;
  const began = performance.now();
  for (let row = 0; row < 1000; row++) grid.nearest(places[2 * row], places[2 * row + 1], 0.01);
  return (performance.now() - began) / 1000;
}"""


def section(folder: Path, sizes: Sequence[int] = SIZES) -> Section:
    """All of it at some sizes."""
    path = find_chromium()
    rows = [] if path is None else [row for size in sizes for row in _measured(folder, size, path)]
    note = (
        f"Chromium with graphics in software, 1280 x 900; PCA of {WIDTH} numbers a row, kept "
        "before. Drawn: from the click on a link to the first frame with all points, the server's "
        f"part included. A lasso has {CORNERS} corners; from its last one to the counts of each "
        f"class in the legend. {f'Not measured: {NONE}.' if path is None else ''}"
    )
    return Section("The map in a browser", note.strip(), COLUMNS, rows)


def _measured(folder: Path, size: int, path: str) -> Iterator[tuple[str, str, str]]:
    workspace = hs.open(all_rows.ready(folder / str(size), size, WIDTH))
    found = workspace.map("net", "rows")
    told = f"{size:,}"
    yield told, "the map made and kept, once", f"{1000 * found.kept.seconds:,.0f}"
    with served(workspace) as address, opened(path) as browser:
        ready = [_ready(browser, address)[1] for _ in range(OPENINGS)]
        tab, _ = _ready(browser, address)
        yield told, "drawn, for the first time", f"{ready[0]:,.0f}"
        yield told, "drawn, again", _spread(ready[1:])
        yield told, "a frame", f"{tab.evaluate(FRAME, FRAMES):,.1f}"
        lassos = [tab.evaluate(LASSO, polygon) for polygon in _polygons(found.coordinates)]
        yield told, "a lasso, to the counts", _spread(lassos[1:])
        yield told, "the sample under the pointer", f"{tab.evaluate(NEAREST):.3f}"


def _ready(browser: Browser, address: str) -> tuple[Page, float]:
    """The map in a new window, with nothing in the browser's cache, and milliseconds that it
    took."""
    for old in browser.contexts:
        old.close()
    tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    let_in(tab, address)
    tab.goto(f"{address}/map")
    link = tab.get_by_role("link", name="rows", exact=True).get_attribute("href")
    tab.goto(f"{address}{link}")
    tab.wait_for_selector("#map[data-state]", timeout=120_000)
    return tab, tab.evaluate("performance.getEntriesByName('map:ready')[0].duration")


def _polygons(coordinates: np.ndarray) -> Iterator[list[float]]:
    """Round the middle, rough as by hand."""
    rng = np.random.default_rng(0)
    middle, wide = coordinates.mean(axis=0), coordinates.std(axis=0)
    for _ in range(LASSOS):
        angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        reach = 1 + 0.3 * rng.random(CORNERS)
        round_it = np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None]
        yield (middle + round_it * wide).ravel().tolist()


def _spread(found: Sequence[float]) -> str:
    return f"{statistics.median(found):,.0f} [{min(found):,.0f} to {max(found):,.0f}]"
