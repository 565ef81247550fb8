"""`rank` of features of very many numbers says what they cost, or refuses them."""

import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.jobs.datasets import rank
from headstart.notices import HeadstartNote

TRYING = hs.CrossValidation(folds=3)
HOW = hs.Settings(engine="tensorflow")


def test_wide_features_are_told_of_before_they_are_ranked(ready, monkeypatch):
    view = ready.extract("net@conv", "pics", settings=HOW)
    width = view[0].size
    monkeypatch.setattr(rank, "WIDE", width)
    told = rf"net@conv: {width:,} numbers per sample.*takes minutes.*net@conv\|gap has"
    with pytest.warns(HeadstartNote, match=told):
        assert ready.rank("pics", "net@conv", trying=TRYING)[0].width == width


def test_too_many_numbers_are_refused_with_what_would_do(ready, monkeypatch):
    view = ready.extract("net@conv", "pics", settings=HOW)
    width = view[0].size
    monkeypatch.setattr(rank, "WIDE", width)
    monkeypatch.setattr(rank, "MOST_NUMBERS", 20 * width)
    with pytest.raises(HeadError, match="are too many to rank") as raised:
        ready.rank("pics", "net@conv", trying=TRYING)
    assert "net@conv|gap has" in raised.value.hint and "--limit 20" in raised.value.hint
    assert ready.rank("pics", "net@conv", trying=hs.CrossValidation(folds=3, limit=20))
