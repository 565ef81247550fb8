"""`head.predict`: new samples, from the cache or through the backbone, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from headstart.errors import HeadError, SampleChanged, SampleError, SampleUnreadable
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.extractors.datasets.windows.source import cut_into_windows
from headstart.extractors.runtime import cores
from headstart.heads.evaluation.by_sample import Gathering
from headstart.heads.evaluation.provenance import trust_text
from headstart.jobs.heads.care.novelty import Novelty
from headstart.jobs.heads.care.unsure import Sets, Unsure
from headstart.jobs.heads.combined.feature_rows import Begun, FeatureRows, Part
from headstart.jobs.heads.predicted import Predicted, Prediction
from headstart.jobs.raw_samples import HINT, Taker
from headstart.notices import warn
from headstart.progress import Progress, silent
from headstart.storage.keys import digest_of
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable, brief

T = TypeVar("T")
BATCH = 64
_Batch = tuple[list[Part], list[Begun]]
"""Some parts, and their rows while they are decoded."""


class Predictions(Showable):
    """The predictions of many samples, in order, computed while they are iterated.

    Samples are decoded on all cores while the backbone computes those before. A head that was
    trained on windows cuts each sample as those that it was trained on were cut, and says one thing
    of it.

    Attributes:
        classes: the label of each probability.
        outputs: how many probabilities, or numbers, a sample has.
        says: what is said of a sample: a `class`, `labels` or `numbers`.
        has_splits: whether a sample is of the dataset that the head was trained on, so that its
            split says whether it was learned.
        sets: the sets of classes, answers about labels, or intervals, that are told; None where
            those were not asked for.
        has_sets: whether they were.
        novelty: how new samples are to the head; None where that was not asked for.
        has_novelty: whether it was.
        total: how many samples there are.
        done: how many of them are behind us.
        skipped: names of those that could not be read, as far as we got.

    Args:
        head: who predicts.
        samples: see `Head.predict`.
        on_error: `fail` at a sample that cannot be read, or `skip` it.
        root: a folder outside of which no file is read, whoever names it.
        unsure: what to say of samples of which the head is not sure; see `unsure_of`.
        novelty: how new samples are to the head; not told without it.
        tta: the mean is told of what the head says of a sample and of so many augmented views.

    Raises:
        HeadError: a path leads nowhere, or the backbone is another one now.
        PreprocessingError: there are no augmented views of what the backbone takes.
    """

    def __init__(
        self,
        head: TrainedHead,
        samples: Any,
        on_error: str = "fail",
        root: str | Path | None = None,
        unsure: Unsure | None = None,
        novelty: Novelty | None = None,
        tta: int = 0,
    ) -> None:
        sets = None if unsure is None else unsure.sets
        check_views(head, tta, sets)
        self._context, self._record = head.context, head.record
        if on_error not in ("fail", "skip"):
            raise HeadError(f"on_error is {brief(on_error)}", hint="It can be fail or skip.")
        self._medium = sources.medium_of(head.windows, self._context.artifacts)
        self._how = head.windows.get("pooled")
        blocks = head.blocks()
        first = blocks[0].backbone
        own = self._record.dataset
        taker = Taker.of(self._context, first, root, of_wholes=self._how is not None, splits_of=own)
        self._items = list(taker.take(samples))
        self._unsure, self.sets = unsure, sets
        self.has_sets = sets is not None
        self.novelty, self.has_novelty = novelty, novelty is not None
        self.has_splits = any(one.split is not None for one in self._items)
        self._judge = head.judge
        self._task = head.task
        self.classes = tuple(self._judge.classes)
        self.says = self._task.says
        self.outputs = self._judge.outputs
        self._on_error = on_error
        self.total = len(self._items)
        self._rows = FeatureRows(self._context, blocks, head.scales, self.total, tta)
        self.done = 0
        self.skipped: list[str] = []

    def gather(self, progress: Progress = silent) -> Predicted:
        """All of them, in memory; `progress` is called with (done, in all).

        Raises:
            SampleUnreadable: a sample cannot be read and `on_error` is `fail`.
        """
        found = []
        for one in self:
            found.append(one)
            progress(self.done, self.total)
        return Predicted(found, trust_text(self._record), self.skipped, self)

    def _facts(self) -> dict[str, Any]:
        """How far it is; the predictions themselves are had by iteration."""
        names = ("classes", "total", "done", "skipped")
        return {name: getattr(self, name) for name in names}

    def _line(self) -> str:
        return f"{self.done:,} of {self.total:,} samples, {len(self.skipped):,} skipped"

    def __iter__(self) -> Iterator[Prediction]:
        """The predictions from the first on.

        Raises:
            SampleUnreadable: a sample cannot be read and `on_error` is `fail`.

        Warns:
            HeadstartWarning: sounds or texts are longer than the backbone takes.
        """
        self.done, self.skipped = 0, []
        self._rows.clear()
        coming = self._parts()
        gathering = None if self._how is None else Gathering(self._judge.predict_proba, self._how)
        with ThreadPoolExecutor(cores()) as pool:
            begun = self._begin(pool, coming)
            try:
                while begun[0]:
                    batch, begun = begun, self._begin(pool, coming)
                    yield from self._finish(batch, gathering)
                    self.done = batch[0][-1].number + (gathering is None)
                if gathering is not None:
                    yield from self._said(gathering.end())
                self.done = self.total
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        for line in self._rows.lines():
            warn(line)

    def _parts(self) -> Iterator[Part]:
        """All samples that can be read, or their windows."""
        numbered = enumerate(self._items)
        for (number, item), get in ahead(
            numbered, lambda one: one[1].read(), lambda one: one[1].is_far
        ):
            raw = self._read(item.name, get)
            if raw is None:
                continue
            if self._medium is None:
                yield Part(item.name, number, raw)
            else:
                cut = partial(cut_into_windows, raw, digest_of(raw), self._medium)
                for name, window in self._read(item.name, cut) or ():
                    yield Part(f"{item.name}#{name}", number, window)

    def _begin(self, pool: ThreadPoolExecutor, coming: Iterator[Part]) -> _Batch:
        """Take some parts, look for them in the cache, and begin to decode the others."""
        parts = list(islice(coming, BATCH))
        return parts, self._rows.begin(pool, parts)

    def _finish(self, batch: _Batch, gathering: Gathering | None) -> Iterator[Prediction]:
        parts, begun = batch
        places, features = self._rows.finish(
            begun, lambda place, get: self._read(parts[place].name, get)
        )
        if not features:
            return
        numbers = np.array([parts[place].number for place in places])
        if gathering is not None:
            yield from self._said(gathering.add(numbers, features[0]))
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # see `_said`
                judged = np.mean([self._judge.predict_proba(one) for one in features], axis=0)
            far = None if self.novelty is None else self.novelty.of(features[0]).tolist()
            yield from self._said(zip(numbers.tolist(), judged, strict=True), far)

    def _said(
        self, judged: Iterable[tuple[int, np.ndarray]], far: Iterable[float] | None = None
    ) -> Iterator[Prediction]:
        """Predictions of samples by their numbers, with how new each is, if that is told.

        Raises:
            HeadError: the head says nothing of one, as sums of its large weights have no number.
        """
        for (number, row), novelty in zip(
            judged, repeat(None) if far is None else far, strict=False
        ):
            item = self._items[number]
            if not np.isfinite(row).all():
                raise HeadError(
                    f"{item.name}: head {self._record.name!r} gives no finite number, as its "
                    "weights are too large for these features",
                    hint="Train it again; if it was imported, its file was made by hand.",
                )
            said, probability = self._task.decide(row, self.classes)
            made = Prediction(
                item.name, said, probability, row, self.classes, item.split, novelty=novelty
            )
            yield made if self._unsure is None else self._unsure.of(made)

    def _read(self, name: str, get: Callable[[], T]) -> T | None:
        """What `get` gives; None for a sample, or a window of one, that is skipped."""
        try:
            return get()
        except SampleError as error:
            if self._on_error == "skip":
                self.skipped.append(name)
                return None
            is_named = error.message.startswith(f"{name} ")
            raise SampleUnreadable(
                error.message if is_named else f"{name}: {error.message}",
                hint=HINT if isinstance(error, SampleChanged) else error.hint or HINT,
            ) from error


def check_views(head: TrainedHead, tta: int, sets: Sets | None) -> None:
    """See that a head can be asked about augmented views.

    Raises:
        HeadError: the number is below 0, it takes windows, or sets are wanted, which were
             calibrated on samples as they are.
    """
    if tta < 0:
        raise HeadError(f"tta is {tta}", hint="Give the number of augmented views, 1 or more.")
    if tta and head.windows:
        raise HeadError(
            f"head {head.record.name!r} takes windows of samples, which have no augmented views",
            hint="Leave tta out.",
        )
    if tta and sets is not None:
        raise HeadError(
            "sets of classes are calibrated on samples as they are, and tta takes the mean over "
            "augmented views",
            hint="Leave out unsure or tta.",
        )
