"""What is new is dealt out beside what is known as if all were dealt out together."""

import random
from collections import Counter

import numpy as np
import pytest

from headstart.extractors.datasets import splits
from headstart.extractors.datasets.listing import OPEN, Listing
from headstart.extractors.datasets.split_rule import rule_of
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.keys import digest_of
from headstart.storage.samples import Sample

WAYS = ("stratified", "50/25/25", "80/20", "kfold:3")


def of(contents, labels, split="train"):
    """Samples by id, with a content and a label each."""
    return [
        Sample(name, digest_of(content.encode()), labels[name], split, name)
        for name, content in contents.items()
    ]


def listing_of(samples):
    columns = SampleColumns.of(samples, "/somewhere")
    return Listing(columns, np.full(len(samples), OPEN, np.int8), np.arange(len(samples)))


def changed(draw, contents, labels):
    """Samples are gone, have another content (perhaps one that is there), or are new."""
    for name in draw.sample([*contents], len(contents) // 10):
        del contents[name]
    for name in draw.sample([*contents], len(contents) // 5):
        contents[name] = draw.choice([*contents.values(), f"new {draw.random()}"])
    for _ in range(draw.randrange(12)):
        name = f"n{draw.random()}"
        contents[name] = draw.choice([*contents.values(), name, f"one of {draw.randrange(3)}"])
        labels[name] = draw.choice("abcde")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_same_as_when_all_units_are_looked_at(way, seed, monkeypatch):
    draw = random.Random(seed)
    labels = {f"r{n}": draw.choice("aaaabbcd") for n in range(draw.choice([20, 60, 200]))}
    contents = {name: draw.choice([name, name, f"copy {draw.randrange(5)}"]) for name in labels}
    rule = rule_of({"deal": way, "seed": seed}, [*labels.values()])
    first = listing_of(of(contents, labels))
    columns = first.with_splits(splits.dealt(first, rule))
    departed = {}
    for _ in range(4):
        changed(draw, contents, labels)
        now = listing_of(of(contents, labels))
        kept = splits.Kept(columns, departed)
        codes = splits.dealt(now, rule, kept)
        with monkeypatch.context() as patch:
            patch.setattr(splits, "_beside_known", refused)
            patch.setattr(splits.SampleColumns, "has_groups", property(lambda _: True))
            patch.setattr(splits, "joined_units", lambda _: {})
            assert codes.tolist() == splits.dealt(now, rule, kept).tolist()
        after = now.with_splits(codes)
        departed = splits.departed_of(columns, after, departed)
        columns = after
    assert len(Counter(codes.tolist())) > 1


def refused(*_given):
    raise AssertionError("all units are looked at where there are groups")
