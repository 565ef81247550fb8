"""A dataset is not forgotten with what people made of it, unless that is said."""

import headstart as hs
from headstart.extractors.datasets.corrections import Corrections

CUT = "flat@as_it_is"


def test_corrections_and_heads_are_named_before_they_go(rows, run, fails):
    rows.datasets.correct("noisy", {"0": "c", "1": "c"})
    rows.datasets.exclude("noisy", ["7"])
    rows.heads.train("h", rows.features(CUT, "noisy"), hs.Linear((0.1,)))
    said = fails("dataset", "remove", "noisy")
    assert "2 labels changed, 1 sample excluded; 1 head was trained on it, 'h:1'" in said
    assert "--force" in said
    assert Corrections.of(rows.datasets["noisy"].options).labels
    assert "Removed dataset noisy" in run("dataset", "remove", "noisy", "--force").out
    assert "noisy" not in [one.name for one in rows.datasets.list()]


def test_a_dataset_with_neither_goes_at_once(rows, run):
    assert "Removed" in run("dataset", "remove", "noisy").out
