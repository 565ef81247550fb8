"""The system's Chromium, in which tests, measurements and pictures of the page are made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from page_client import TOKEN

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
NONE = "no Chromium is on PATH; on Debian: apt-get install chromium"
OPTIONS = (
    "--no-sandbox",  # root, as in a container, has no other way
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
"""Graphics without a card."""


def find_chromium() -> str | None:
    """Where it is."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def opened(path: str) -> Iterator[Browser]:
    """A browser while a block runs."""
    with sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=path, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


def let_in(page: Page, address: str) -> None:
    """Give the token of a page that `page_server` serves, and wait until the overview is there."""
    page.goto(f"{address}/?token={TOKEN}")
    page.wait_for_url(f"{address}/")
