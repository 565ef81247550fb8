"""The page in a real browser, over a real workspace: pictures, and 100,000 rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from chromium import NONE, find_chromium, opened
from conftest import draw_classes
from playwright.sync_api import Browser, Page

import headstart as hs
from headstart.extractors.runtime import keras as load_keras
from headstart.ui.background import served

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
    """A workspace, and where its page is, with the token."""

    workspace: hs.Workspace
    address: str

    @property
    def place(self) -> str:
        """The address without a path."""
        return self.address.partition("/?")[0]


@pytest.fixture(scope="session")
def shown(tmp_path_factory, with_net) -> Iterator[Shown]:
    """`pics` with the backbone `net` and a head, `many` rows with features that were brought, and a
    map of each."""
    place = tmp_path_factory.mktemp("shown")
    shutil.copytree(with_net[1], place / "zoo")
    ws = hs.open(place / "zoo")
    ws.datasets.add("pics", draw_classes(place / "pictures"))
    view = ws.extract("net", "pics", settings=hs.Settings(engine="tensorflow"))
    ws.heads.train("h", view, hs.Linear((1.0,)))
    ws.map("net", "pics")
    _add_many(ws, place)
    ws.map("flat@as_it_is", "many")
    with served(ws) as address:
        yield Shown(ws, address)
    ws.database.close()


def _add_many(ws: hs.Workspace, place: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, MANY)
    x = (rng.normal(size=(MANY, 4)) + 4 * rng.normal(size=(CLASSES, 4))[y]).astype(np.float32)
    np.savez(place / "many.npz", x=x, y=y)
    keras = load_keras()
    given = keras.Input((4,))
    as_it_is = keras.layers.Rescaling(1.0, name="as_it_is")(given)
    keras.Model(given, keras.layers.Dense(2, name="out")(as_it_is)).save(place / "flat.keras")
    ws.backbones.add("flat", place / "flat.keras", preprocess="array")
    ws.datasets.add("many", place / "many.npz")
    ids = np.array(ws.datasets.manifest("many").columns.ids)
    np.savez(place / "features.npz", features=x[ids.astype(int)], ids=ids)
    ws.cache.import_features("flat@as_it_is", "many", place / "features.npz", check=0)


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

    def open_map(self, dataset: str = "many", colour: str = "label") -> Page:
        """Go to a map, and wait until it is drawn."""
        self.open("/map")
        link = self.page.get_by_role("link", name=dataset, exact=True).get_attribute("href")
        return self.open_at(f"{link}&colour={colour}")

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
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(20_000)
        page = context.new_page()
        found = Look(page, shown.place)
        page.on("console", lambda said: said.type == "error" and found.errors.append(said.text))
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        page.on("request", lambda asked: _note(asked.url, found))
        page.goto(shown.address)
        page.wait_for_url(f"{shown.place}/")
        tabs.append(found)
        return found

    yield opening
    for one in tabs:
        one.page.context.close()
        assert one.is_clean()


def _note(url: str, found: Look) -> None:
    own, asked = urlsplit(found.address), urlsplit(url)
    if asked.scheme not in ("blob", "data") and asked.netloc != own.netloc:
        found.foreign.append(url)
