"""`backbone preview`: a sample after each step of a backbone's preprocessing."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import InvalidValue, NotFound
from headstart.extractors.datasets import reader_of
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.preview import cell, glance
from headstart.extractors.preprocessing.stages import Stage, stages_of
from headstart.jobs.exploration.samples import SIDE, SIDES, find_by_id
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.manifest import Manifest, Sample
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class Step(Showable):
    """What a step of the preprocessing gave.

    Attributes:
        input: of the backbone; empty where it has one.
        step: in words.
        shape: of the array behind it.
        dtype: likewise.
        least: number in it; None where it is empty.
        most: likewise.
        words: what it is, where it is no picture.
        picture: a square, uint8, its numbers stretched from black to white where they are none of
            a picture; None of what is none.
    """

    input: str
    step: str
    shape: tuple[int, ...]
    dtype: str
    least: float | None
    most: float | None
    words: str
    picture: np.ndarray | None = None

    def _facts(self) -> dict[str, Any]:
        return {
            "input": self.input,
            "step": self.step,
            "shape": self.shape,
            "dtype": self.dtype,
            "least": self.least,
            "most": self.most,
            "words": self.words,
        }

    def _line(self) -> str:
        return f"{self.step}: {self.dtype} {self.shape}"

    @property
    def png(self) -> bytes:
        """The picture as a file.

        Raises:
            NotFound: it is none.
        """
        if self.picture is None:
            raise NotFound(f"{self.step!r} gives no picture", hint=self.words)
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(self.picture).save(file, "PNG")
        return file.getvalue()


def preview(
    context: Context, backbone: Backbone, dataset: Dataset, sample: Sample, side: int = SIDE
) -> Results[Step]:
    """See `Backbones.preview`.

    Raises:
        InvalidValue: pictures are not made so large.
        SampleError: the sample is not what the backbone takes, or cannot be read.
    """
    if side not in SIDES:
        raise InvalidValue(f"no picture is of {side} pixels", hint=f"One of {SIDES}.")
    pipeline = Preprocessing.from_json(backbone.preprocessing, files=context.artifacts)
    raw = reader_of(dataset)(sample)
    return Results(_step(stage, side) for stage in stages_of(pipeline, raw))


def _step(stage: Stage, side: int) -> Step:
    least, most = stage.ends or (None, None)
    seen = cell(glance(stage.value, side), side)
    is_picture = isinstance(seen, np.ndarray)
    return Step(
        stage.input,
        stage.step,
        stage.shape,
        stage.dtype,
        least,
        most,
        "" if is_picture else seen,
        seen if is_picture else None,
    )


def sample_named(manifest: Manifest, id_: str | None) -> Sample:
    """A sample by its id; the first without one.

    Raises:
        NotFound: there is none.
    """
    found = [manifest.columns[0]] if id_ is None and len(manifest.columns) else []
    found += [] if id_ is None else find_by_id(manifest, [id_])
    if not found:
        raise NotFound(
            "the dataset has no samples" if id_ is None else f"no sample is called {id_[:200]!r}",
            hint="`headstart dataset show NAME` tells what is in it.",
        )
    return found[0]
