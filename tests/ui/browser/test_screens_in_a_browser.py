"""Every screen, wide and on a phone: nothing is cut off, nothing goes wrong, all can be read."""

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from headstart.jobs.features.worker import JobWorker
from headstart.jobs.tasks.begin import begin
from headstart.jobs.tasks.rank import RankTask

SERIOUS = ("serious", "critical")
FILES = (".csv", "/picture")
"""What addresses end with that are no pages."""
MOST = 200
MANY = 25
"""Of a kind: more than there are of one."""


def kind_of(path: str) -> tuple[str, ...]:
    """Of addresses that differ in names alone, the same."""
    parts = urlsplit(path).path.strip("/").split("/")
    return tuple(part if place % 2 == 0 else "*" for place, part in enumerate(parts))


def own_links(page, address):
    links = page.eval_on_selector_all("a[href]", "all => all.map((one) => one.href)")
    found = [link.removeprefix(address) for link in links if link.startswith(f"{address}/")]
    return [link.partition("#")[0] for link in found]


def too_wide(page):
    """What reaches over the right edge, where the page can be moved sideways."""
    return page.evaluate("""() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth <= clientWidth) return [];
      const over = [...document.querySelectorAll("body *")].filter(
        (one) => one.getBoundingClientRect().right > clientWidth + 0.5);
      return over.slice(-3).map((one) => one.outerHTML.slice(0, 200));
    }""")


def serious(page):
    """What axe-core finds that keeps people out."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(
    ("width", "scheme", "of_a_kind", "checks"),
    [
        (1280, "light", 1, [too_wide]),
        (400, "dark", 1, [too_wide, serious]),
        pytest.param(1280, "light", MANY, [too_wide, serious], marks=pytest.mark.slow),
        pytest.param(400, "dark", MANY, [too_wide, serious], marks=pytest.mark.slow),
    ],
)
def test_every_screen_is_whole_quiet_and_open_to_all(look, width, scheme, of_a_kind, checks):
    seen = look(width, color_scheme=scheme)
    waiting, looked_at, kinds = ["/"], set(), {}
    problems = {}
    while waiting and len(looked_at) < MOST:
        path = waiting.pop(0)
        kind = kind_of(path)
        if path in looked_at or kinds.get(kind, 0) >= of_a_kind or path.endswith(FILES):
            continue
        looked_at.add(path)
        kinds[kind] = kinds.get(kind, 0) + 1
        page = seen.open(path)
        if page.locator("#map").count():
            page.wait_for_selector("#map[data-state=ready]")
        if found := [one for check in checks for one in check(page)]:
            problems[path] = found
        waiting += own_links(page, seen.address)
    assert problems == {}
    assert ("map",) in kinds and ("datasets", "*") in kinds
    assert seen.is_clean()


def test_a_job_that_ends_while_it_is_watched_is_shown_as_it_ended(look, shown):
    job = begin(shown.workspace.context, RankTask("pics"))
    page = look().open(f"/jobs/{job.id}")
    assert "It waits for a worker" in page.inner_text("main")
    page.get_by_text("Live: as the ledger has it.").wait_for()
    JobWorker(shown.workspace.context).run(job.id)
    page.get_by_role("link", name="rank all cached features").wait_for()
    assert "It is done." in page.inner_text("main")
