"""Samples as cards: a picture or some words, and what is to be said of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from headstart.errors import HeadstartError
from headstart.extractors.datasets import reader_of
from headstart.jobs.exploration.samples import Seen, look_with
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Sample


@dataclass(frozen=True)
class Card:
    """A sample on a page.

    Attributes:
        sample: which.
        caption: what is to be said of it.
        words: of what is no picture; None where its picture is fetched by itself.
        is_sound: whether it is fetched by itself, too, to be heard.
    """

    sample: Sample
    caption: str
    words: str | None
    is_sound: bool = False


def cards_of(dataset: Dataset, samples: Iterable[tuple[Sample, str]]) -> list[Card]:
    """Cards of samples, each with its caption. From the first picture on they are taken for
    pictures, which are fetched one by one; words, and why one cannot be read, are read here."""
    read, cards, are_pictures = reader_of(dataset), [], False
    for sample, caption in samples:
        seen = None if are_pictures else _seen(read, sample)
        are_pictures = seen is None or seen.picture is not None
        if seen is None or are_pictures:
            cards.append(Card(sample, caption, None))
        else:
            cards.append(Card(sample, caption, seen.words, seen.is_sound))
    return cards


def _seen(read: Callable[[Sample], Any], sample: Sample) -> Seen:
    try:
        return look_with(read, sample)
    except HeadstartError as error:  # as a source that is gone, of which all else can be told
        return Seen(sample, None, error.message)
