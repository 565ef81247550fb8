"""Samples as cards: a picture or some words, and what is to be said of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.errors import HeadstartError
from headstart.jobs.exploration.samples import look
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Sample


@dataclass(frozen=True)
class Card:
    """A sample on a page.

    Attributes:
        sample: which.
        caption: what is to be said of it.
        words: of what is no picture; None where its picture is fetched by itself.
    """

    sample: Sample
    caption: str
    words: str | None


def cards_of(dataset: Dataset, samples: Iterable[tuple[Sample, str]]) -> list[Card]:
    """Cards of samples, each with its caption. The first tells whether they are pictures, which are
    fetched one by one; words are read here."""
    listed = list(samples)
    if not listed:
        return []
    first = _words_of(dataset, listed[0][0])
    if first is None:
        return [Card(sample, caption, None) for sample, caption in listed]
    others = (_words_of(dataset, sample) or "a picture" for sample, _ in listed[1:])
    return [
        Card(sample, caption, words)
        for (sample, caption), words in zip(listed, [first, *others], strict=True)
    ]


def _words_of(dataset: Dataset, sample: Sample) -> str | None:
    """The words of a sample, or why there are none; None of a picture."""
    try:
        seen = look(dataset, sample)
    except HeadstartError as error:  # as a source that is gone, of which all else can be told
        return error.message
    return None if seen.picture is not None else seen.words
