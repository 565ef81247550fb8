"""Pictures of the page's screens, for docs/page.md.

`python docs/pictures/screens.py WORKSPACE [NAME …]`, with the workspace of `headstart demo` and a
map: writes `page-NAME.png` beside this file, small enough for a repository. Chromium has to be on
PATH.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

import headstart as hs

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from chromium import NONE, find_chromium, let_in, opened
from page_server import served

FOLDER = Path(__file__).parent
WIDE, TALL, PHONE = 1280, 860, 400
COLOURS = 256
LARGEST = 150_000
"""Bytes of a picture."""


@dataclass(frozen=True)
class Shot:
    """A picture of a screen.

    Attributes:
        name: of its file.
        path: of the screen; or the words of links to follow from `/`, in order.
        prepare: what to do there first.
        width: of the window.
        scheme: `light` or `dark`.
    """

    name: str
    path: str
    prepare: Callable[[Page], None] = lambda page: None
    width: int = WIDE
    scheme: str = "light"


def ready(page: Page) -> None:
    """Wait for a map."""
    page.wait_for_selector("#map[data-state=ready]", timeout=60_000)


def lassoed(page: Page) -> None:
    """Part of a map selected, by a lasso."""
    ready(page)
    page.get_by_text("lasso", exact=True).click()
    box = page.locator("canvas").bounding_box()
    assert box is not None
    corners = [(0.5, 0.15), (0.75, 0.25), (0.8, 0.55), (0.6, 0.7), (0.45, 0.45), (0.5, 0.15)]
    (left, top), *others = [
        (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners
    ]
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()
    page.mouse.move(0, 0)


def near(page: Page) -> None:
    """A sample with those most similar to it."""
    ready(page)
    page.evaluate("headstartMap.open(Math.floor(headstartMap.count / 3), true)")
    page.evaluate("headstartMap.camera.zoomAt(9)")
    page.evaluate("headstartMap.redraw()")
    page.wait_for_selector(".map-near li img")
    page.wait_for_timeout(1500)  # until the pictures are there


def done(button: str, found: str) -> Callable[[Page], None]:
    """Press a button, and wait for what is computed behind it."""

    def prepare(page: Page) -> None:
        page.get_by_role("button", name=button).click()
        page.wait_for_selector(found, timeout=300_000)

    return prepare


def shots(workspace: hs.Workspace) -> list[Shot]:
    """All of them."""
    mapped = workspace.context.maps.find_all()[0]
    first, second = workspace.context.heads.find_all()[:2]
    identity, dataset = mapped.identity, mapped.dataset
    at = f"/map?dataset={dataset}&set={identity.feature_key[:16]}&method={identity.method}"
    return [
        Shot("overview", "/"),
        Shot("backbone", f"/backbones/{first.backbone}"),
        Shot("zoo", "/zoo"),
        Shot("dataset", f"/datasets/{dataset}"),
        Shot("map", at, lassoed),
        Shot("map-errors", f"{at}&colour=error:{first.id}", ready, scheme="dark"),
        Shot("map-near", at, near),
        Shot("map-phone", at, ready, width=PHONE),
        Shot("rank", f"/rank/{dataset}", done("Try linear heads", "svg.chart")),
        Shot("head", f"/heads/{first.name}"),
        Shot("compare", f"/compare?a={first.name}&b={second.name}"),
        Shot("labels", f"/labels/{dataset}", done("Find labels", ".judge")),
        Shot("jobs", "/jobs"),
    ]


def small(picture: bytes) -> bytes:
    """The same in a few colours."""
    with Image.open(io.BytesIO(picture)) as opened_:
        few = opened_.convert("RGB").quantize(
            COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
    file = io.BytesIO()
    few.save(file, "PNG", optimize=True)
    return file.getvalue()


def main(root: Path, folder: Path, names: list[str]) -> None:
    """Draw screens of a workspace: those named, or all."""
    path = find_chromium()
    if path is None:
        raise SystemExit(NONE)
    workspace = hs.open(root)
    with served(workspace) as address, opened(path) as browser:
        for shot in [one for one in shots(workspace) if not names or one.name in names]:
            context = browser.new_context(
                viewport={"width": shot.width, "height": TALL}, color_scheme=shot.scheme
            )
            page = context.new_page()
            let_in(page, address)
            page.goto(f"{address}{shot.path}")
            shot.prepare(page)
            page.wait_for_timeout(300)
            content = small(page.screenshot())
            (folder / f"page-{shot.name}.png").write_bytes(content)
            context.close()
            if len(content) > LARGEST:
                raise SystemExit(f"page-{shot.name}.png has {len(content):,} bytes")
            sys.stdout.write(f"page-{shot.name}.png, {len(content):,} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), FOLDER, sys.argv[2:])
