"""The system's Chromium, in which tests, measurements and pictures of the page are made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

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
