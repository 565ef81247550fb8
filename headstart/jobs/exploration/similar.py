"""What `ws.similar` gives: the samples of a dataset that are most similar to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.storage.manifest import Sample
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Match(Showable):
    """A sample that is similar to another.

    Attributes:
        sample: which.
        similarity: the cosine of the features of both, -1 to 1.
    """

    sample: Sample
    similarity: float

    def _facts(self) -> dict[str, Any]:
        sample = self.sample
        named = {"id": sample.id, "split": sample.split, "label": sample.label}
        return {**named, "similarity": self.similarity}

    def _line(self) -> str:
        return f"{self.sample.id!r}, {self.similarity:.3f}"


@dataclass(frozen=True)
class Similar(Showable):
    """What is most similar to one sample.

    Attributes:
        query: the sample's id, or what it is called where it is none of the dataset.
        backbone: by whose features, `NAME:VERSION@CUT`, joined by ` + `.
        dataset: in which was looked.
        samples: how many of it were looked at.
        matches: the most similar first.
        recall: of the ten nearest, the share that the index finds by which they were looked for;
            None where all were compared.
    """

    query: str
    backbone: str
    dataset: str
    samples: int
    matches: list[Match]
    recall: float | None = None

    def _line(self) -> str:
        first = f", first {self.matches[0]._line()}" if self.matches else ""
        return f"to {self.query!r}: {len(self.matches)} of {self.samples:,}{first}"
