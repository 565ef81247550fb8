"""Words are explained where they stand: in the help, below tables, and in the glossary."""

from pathlib import Path

import pytest

from headstart.errors import NotFound
from headstart.glossary import TERMS, find_terms, terms_in, to_markdown

ROOT = Path(__file__).parents[2]


def test_the_page_says_what_the_command_says(run):
    assert (ROOT / "docs/glossary.md").read_text(encoding="utf-8") == to_markdown()
    assert "glossary" in (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert [one["term"] for one in run("glossary", "--json").json] == [one.name for one in TERMS]
    ran = run("glossary", "strengths")
    assert "inverse of the penalty" in " ".join(ran.out.split())
    for word in ("margin", "held out", "ECE", "cut", "trunk", "bottleneck"):
        assert run("glossary", word).code == 0
    with pytest.raises(NotFound, match="Did you mean 'margin'"):
        find_terms("marginn")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("head sweep", ["cross-validation", "strength"]),
        ("head train", ["strength", "penalty"]),
        ("features audit", ["near duplicate", "suspicious label"]),
        ("backbone cuts", ["bottleneck"]),
        ("head predict", ["held out"]),
    ],
)
def test_help_ends_with_the_words_that_it_uses(run, command, words):
    shown = run(*command.split(), "-h").out
    assert "\nWords:\n" in shown
    explained = shown[shown.index("\nWords:\n") :]
    assert all(f"\n  {word} " in explained for word in words), explained
    assert max(map(len, shown.splitlines())) <= 80


def test_the_help_of_all_says_where_the_words_are(run):
    shown = " ".join(run("-h").out.split())
    assert "a head is a small model trained on them. `headstart glossary` explains" in shown


def test_the_help_of_a_help_option_is_no_word():
    assert [term.name for term in terms_in("-h, --help Show this message")] == []
    assert [term.name for term in terms_in("LogME and H; bottlenecks")] == [
        "bottleneck",
        "H",
        "LogME",
    ]


def test_tables_explain_their_words(ready, run):
    ready.extract("net", "pics")
    shown = run("head", "sweep", "pics", "--strengths", "1", "--folds", "2").out
    assert "strength: C, the inverse of the penalty" in " ".join(shown.split())
    shown = " ".join(run("head", "sweeps", "1").out.split())
    assert "strength: C, the inverse of the penalty" in shown
    shown = " ".join(run("rank", "pics", "--folds", "2").out.split())
    assert "LogME: How probable the labels are" in shown and "kNN: k nearest neighbours" in shown


def test_the_help_says_that_strengths_are_c_and_which_way_they_go(run):
    for command in ("train", "sweep"):
        shown = " ".join(run("head", command, "--help").out.split())
        assert "--strengths" in shown
        assert "C, the inverse of the penalty, as in scikit-learn: a larger one follows" in shown
