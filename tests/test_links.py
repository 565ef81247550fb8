"""Links within the pages lead to files, and to headings in them; links to elsewhere are listed."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub and MyST make them: of two that are alike the second has -1."""
    found: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    wrong = []
    for target in LINK.findall(text):
        if target.startswith(("https:", "http:", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        is_there = file.exists() and (
            not anchor or anchor in anchors(without_blocks(file) if file.suffix == ".md" else "")
        )
        if not is_there:
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_to_headings(page):
    assert broken(page, without_blocks(page)) == []


def test_a_link_that_leads_nowhere_is_found():
    page = ROOT / "docs/faq.md"
    assert broken(page, "[a](nosuch.md) [b](store.md#nosuch) [c](#nosuch) [d](store.md#size)") == [
        "nosuch.md",
        "store.md#nosuch",
        "#nosuch",
    ]


def test_addresses_elsewhere_are_of_known_places():
    """No test asks the network; a new place is looked at by a person, who adds it here."""
    found = {
        re.match(r"https?://([^/]+)", target)[1]
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if target.startswith("http")
    }
    assert found <= {
        "arxiv.org",
        "creativecommons.org",
        "docs.voxel51.com",
        "doi.org",
        "github.com",
        "huggingface.co",
        "ieeexplore.ieee.org",
        "jmlr.org",
        "kubernetes.io",
        "mlflow.org",
        "optuna.org",
        "proceedings.mlr.press",
        "unum-cloud.github.io",
        "vicco-group.github.io",
        "www.sqlite.org",
    }
