"""The page in a real browser, over a real workspace of pictures; and over one of 100,000 rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

import headstart as hs
import page_workspace
from chromium import NONE, find_chromium, let_in, opened
from page_server import served

MANY = 100_000
CLASSES = 5


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, started once."""
    found = find_chromium()
    if found is None:
        pytest.skip(NONE)
    with opened(found) as browser:
        yield browser


@dataclass(frozen=True)
class Shown:
    """A workspace, and the address of its page."""

    workspace: hs.Workspace
    address: str


@pytest.fixture(scope="session")
def shown(tmp_path_factory) -> Iterator[Shown]:
    """The workspace of the other tests, and a map of its pictures."""
    ws = page_workspace.make(tmp_path_factory.mktemp("shown"))
    ws.map("net", "pics")
    with served(ws) as address:
        yield Shown(ws, address)


@pytest.fixture(scope="session")
def shown_many(tmp_path_factory) -> Iterator[Shown]:
    """A map of 100,000 rows, for the tests that are slow."""
    place = tmp_path_factory.mktemp("shown_many")
    ws = hs.init(place / "zoo")
    _add_many(ws, place)
    ws.map("flat", "many")
    with served(ws) as address:
        yield Shown(ws, address)


def _add_many(ws: hs.Workspace, place: Path) -> None:
    """Five clusters in eight numbers a row."""
    page_workspace.add_backbone(ws, "flat")
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, MANY)
    centres = 4 * rng.normal(size=(CLASSES, 8))
    np.savez(place / "many.npz", x=np.arange(MANY)[:, None], y=y)
    ws.datasets.add("many", place / "many.npz")
    ids = ws.datasets.manifest("many").columns.ids
    labels = y[np.array(ids, int)]
    rows = (rng.normal(size=(MANY, 8)) + centres[labels]).astype(np.float32)
    np.savez(place / "features.npz", features=rows, ids=np.array(ids))
    ws.cache.import_features("flat", "many", place / "features.npz", check=0)


@dataclass
class Look:
    """A tab, and what went wrong in it.

    Attributes:
        page: the tab.
        address: of the server.
        errors: that the console told, or that no script caught.
        foreign: addresses of other hosts that were asked.
    """

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to an address of the page."""
        self.page.goto(self.address + path)
        return self.page

    def open_map(self, dataset: str, colour: str = "label", draw: str = "") -> Page:
        """Go to a map, and wait until it is drawn; by `webgl`, if that is said."""
        self.open("/map")
        link = self.page.get_by_role("link", name=dataset, exact=True).get_attribute("href")
        return self.open_at(f"{link}&colour={colour}&draw={draw}")

    def open_at(self, path: str) -> Page:
        self.open(path)
        self.page.wait_for_selector("#map[data-state]")
        assert self.page.locator("#map").get_attribute("data-state") == "ready"
        return self.page

    def is_clean(self) -> bool:
        """Whether nothing went wrong so far."""
        assert self.errors == []
        assert self.foreign == []
        return True


@pytest.fixture
def look(browser: Browser, shown: Shown):
    """Opens tabs: `look(width, …)`; at the end none of them has met with an error."""
    tabs: list[Look] = []

    def opening(width: int = 1280, **options) -> Look:
        tabs.append(_opened(browser, shown, width, **options))
        return tabs[-1]

    yield opening
    for one in tabs:
        one.page.context.close()
        assert one.is_clean()


@pytest.fixture(scope="module")
def one_tab(browser: Browser, shown_many: Shown) -> Iterator[Page]:
    """The map of all rows, opened once."""
    found = _opened(browser, shown_many)
    yield found.open_map("many")
    found.page.context.close()
    assert found.is_clean()


@pytest.fixture
def many(one_tab: Page) -> Page:
    """The same as if it had just been opened."""
    one_tab.get_by_text("move", exact=True).click()
    one_tab.evaluate("headstartMap.camera.fit(); headstartMap.setSelection(null)")
    return one_tab


def _opened(browser: Browser, shown: Shown, width: int = 1280, **options) -> Look:
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    context.set_default_timeout(20_000)
    page = context.new_page()
    found = Look(page, shown.address)
    page.on("console", lambda said: _note_error(said, found))
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("request", lambda asked: _note(asked.url, found))
    let_in(page, shown.address)
    return found


def _note_error(said: ConsoleMessage, found: Look) -> None:
    if said.type == "error":
        found.errors.append(f"{said.text} ({said.location.get('url')})")


def _note(url: str, found: Look) -> None:
    own, asked = urlsplit(found.address), urlsplit(url)
    if asked.scheme not in ("blob", "data") and asked.netloc != own.netloc:
        found.foreign.append(url)
