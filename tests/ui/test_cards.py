"""Samples as cards: whatever one of them is, the others are shown as what they are."""

import pytest

from headstart.jobs.exploration import samples as seen_by
from headstart.ui import cards
from headstart.ui.cards import cards_of


@pytest.fixture
def some(own_workspace):
    dataset = own_workspace.datasets.get("pics")
    return dataset, [(one, one.id) for one in own_workspace.datasets.manifest("pics").samples][:4]


def test_an_unreadable_first_sample_hides_no_picture(some, monkeypatch):
    dataset, samples = some
    whole = seen_by.glance
    broken = cards.reader_of(dataset)(samples[0][0])
    monkeypatch.setattr(
        seen_by, "glance", lambda raw, side: "no picture" if raw == broken else whole(raw, side)
    )
    assert [card.words for card in cards_of(dataset, samples)] == ["no picture", None, None, None]


def test_the_source_is_opened_once_for_all_cards(some, monkeypatch):
    dataset, samples = some
    opened = []
    monkeypatch.setattr(seen_by, "glance", lambda raw, side: "words")
    monkeypatch.setattr(
        "headstart.extractors.datasets.reader.open_source",
        lambda *given, whole=cards.reader_of.__globals__["open_source"]: (
            opened.append(given) or whole(*given)
        ),
    )
    assert [card.words for card in cards_of(dataset, samples)] == ["words"] * 4
    assert len(opened) == 1
