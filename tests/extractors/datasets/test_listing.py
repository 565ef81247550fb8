"""What is known of samples is found again, whatever was put among them, taken away or moved."""

import random

import pytest

from headstart.extractors.datasets import listing
from headstart.extractors.datasets.scan import scan
from headstart.extractors.datasets.source import Entry
from headstart.storage.keys import digest_of


class Files:
    """A source of names with the time of each; notes which it was asked to digest."""

    kind, splits_may_move, source = "folder", False, "/photos"

    def __init__(self, times):
        self.times, self.digested = times, []

    def scan(self):
        for name, time in self.times:
            yield Entry(name, f"/photos/{name}", (1, time), "a")

    def digest(self, location):
        self.digested.append(location.removeprefix("/photos/"))
        return digest_of(location.encode())


def changed(times, how, rng):
    """The files after something happened to them, and which are new or of another time."""
    kept, fresh = list(times), []
    for _ in range(how["new"]):
        kept.insert(rng.randrange(len(kept) + 1), (f"new{len(fresh)}", 7))
        fresh.append(f"new{len(fresh)}")
    for _ in range(how["gone"]):
        name, _ = kept.pop(rng.randrange(len(kept)))
        fresh = [one for one in fresh if one != name]
    for place in rng.sample(range(len(kept)), how["touched"]):
        fresh.append(kept[place][0])
        kept[place] = (kept[place][0], 9)
    start = rng.randrange(len(kept))
    run = kept[start : start + how["moved"]]
    kept[start : start + how["moved"]] = []
    kept[:0] = run
    return kept, set(fresh)


NOTHING = {"new": 0, "gone": 0, "touched": 0, "moved": 0}


@pytest.mark.parametrize(
    "how",
    [
        NOTHING,
        {**NOTHING, "new": 1},
        {**NOTHING, "gone": 1},
        {**NOTHING, "touched": 3},
        {**NOTHING, "moved": 5},
        {**NOTHING, "moved": 300},
        {"new": 30, "gone": 30, "touched": 30, "moved": 0},
        {"new": 300, "gone": 200, "touched": 50, "moved": 100},
    ],
    ids=str,
)
def test_only_what_is_new_or_has_changed_is_digested(how, monkeypatch):
    monkeypatch.setattr(listing, "BLOCK", 256)
    for seed in range(5):
        rng = random.Random(seed)
        times = [(f"{number:05}", 1) for number in range(2000)]
        before = scan(Files(times), {})
        times, fresh = changed(times, how, rng)
        source = Files(times)
        found = scan(source, {}, before)
        assert set(source.digested) == fresh
        assert len(source.digested) == len(fresh)
        assert found == scan(Files(times), {"split": "hash"}, before)
        expected = {name: digest_of(f"/photos/{name}".encode()) for name, _ in times}
        assert {one.id: one.digest for one in found.samples} == expected


def test_new_samples_behind_and_before_all_others():
    times = [(f"{number:05}", 1) for number in range(500)]
    before = scan(Files(times), {})
    many = [(f"new{number}", 1) for number in range(200)]
    for case in (many + times, times + many, times[:250] + many + times[250:], many):
        source = Files(case)
        scan(source, {}, before)
        assert sorted(source.digested) == sorted(name for name, _ in many)  # by two threads
