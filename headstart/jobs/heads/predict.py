"""`head.predict`: new samples, from the cache or through the backbone, a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from headstart.backbone_model import chooser_of, pipeline_of
from headstart.context import Context
from headstart.errors import HeadError, NotFound, SampleChanged, SampleError, SampleUnreadable
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.extractors.datasets.windows.source import Window, cut_into_windows
from headstart.extractors.preprocessing.batches import Batch, Prepared, stack
from headstart.extractors.runtime import cores
from headstart.heads.evaluation.by_sample import Gathering
from headstart.heads.evaluation.provenance import trust_text
from headstart.notices import warn
from headstart.progress import Progress, silent
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Label, Sample
from headstart.storage.windowed.wholes import wholes_of
from headstart.trained_head import TrainedHead
from headstart.values.showable import Results, Showable

T = TypeVar("T")
BATCH = 64
HINT = "Leave it out, or go on without it: --on-error skip."


@dataclass(frozen=True)
class Prediction(Showable):
    """What a head says of one sample: a file, or `FILE[ROW]` of an array.

    Attributes:
        name: of the sample.
        label: the most probable class; several with the head's separator between them; a
            number; or several, such as `0.5|1.25`.
        probability: that this is right; NaN for a number.
        probabilities: of all classes, in the head's order, (classes,), float32; or the
            numbers, (outputs,).
    """

    name: str
    label: Label | float
    probability: float
    probabilities: np.ndarray

    def _facts(self) -> dict[str, Any]:
        return {"name": self.name, "label": self.label, "probability": self.probability}

    def _line(self) -> str:
        sure = "" if math.isnan(self.probability) else f", {self.probability:.2f}"
        return f"{self.name!r} is {self.label!r}{sure}"


class Predicted(Results[Prediction]):
    """The predictions of some samples, in order.

    Attributes:
        trust: how far the head that made them can be trusted, in words.
        skipped: names of samples that could not be read, and were left out.
    """

    def __init__(self, found: Iterable[Prediction], trust: str, skipped: Sequence[str]) -> None:
        super().__init__(found)
        self.trust, self.skipped = trust, tuple(skipped)

    def _facts(self) -> Any:
        return [{**one.to_json(), "trust": self.trust} for one in self]


@dataclass(frozen=True)
class _Item:
    """A sample to predict: its name, how its raw content is had, and whether that is waited for."""

    name: str
    read: Callable[[], Any]
    is_far: bool = False


@dataclass(frozen=True)
class _Part:
    """What one row is computed of: a sample, or a window of one.

    Attributes:
        name: of it.
        number: of the sample among all.
        raw: its content.
    """

    name: str
    number: int
    raw: Any


@dataclass(frozen=True)
class _Batch:
    """Some parts: rows of those in the cache, and the others while they are decoded, by place."""

    parts: Sequence[_Part]
    cached: dict[int, np.ndarray]
    decoding: dict[int, Future[Prepared]]


class Predictions(Showable):
    """The predictions of many samples, in order, computed while they are iterated.

    Samples are decoded on all cores while the backbone computes those before. A head that was
    trained on windows cuts each sample as those that it was trained on were cut, and says one thing
    of it.

    Attributes:
        classes: the label of each probability.
        outputs: how many probabilities, or numbers, a sample has.
        total: how many samples there are.
        done: how many of them are behind us.
        skipped: names of those that could not be read, as far as we got.

    Args:
        head: who predicts.
        paths: see `Head.predict`.
        on_error: `fail` at a sample that cannot be read, or `skip` it.
        root: a folder outside of which no file is read that a table, or a link, names.

    Raises:
        HeadError: a path leads nowhere, or the backbone is another one now.
    """

    def __init__(
        self,
        head: TrainedHead,
        paths: str | Path | Iterable[str | Path],
        on_error: str = "fail",
        root: str | Path | None = None,
    ) -> None:
        self._context, self._record = head.context, head.record
        given = [paths] if isinstance(paths, str | Path) else paths
        self._medium = sources.medium_of(head.windows)
        self._how = head.windows.get("pooled")
        self._items = list(_items(self._context, given, root, of_wholes=self._how is not None))
        self._backbone, self._cut = head.origin()
        self._key = head.record.feature_key
        self._judge = head.judge
        self._task = head.task
        self.classes = self._judge.classes
        self.outputs = self._judge.outputs
        self._on_error = on_error
        self._pixels = pipeline_of(self._context, self._backbone).pixels
        self._cache = self._context.cache()
        self._engine: Any = None
        self._has_decoded = False
        self.total = len(self._items)
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
        return Predicted(found, trust_text(self._record), self.skipped)

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
        self._pixels.shortened.clear()
        coming = self._parts()
        gathering = None if self._how is None else Gathering(self._judge.predict_proba, self._how)
        with ThreadPoolExecutor(cores()) as pool:
            begun = self._begin(pool, coming)
            try:
                while begun.parts:
                    batch, begun = begun, self._begin(pool, coming)
                    yield from self._finish(batch, gathering)
                    self.done = batch.parts[-1].number + (gathering is None)
                if gathering is not None:
                    yield from self._said(gathering.end())
                self.done = self.total
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        for line in self._pixels.shortened.lines():
            warn(line)

    def _parts(self) -> Iterator[_Part]:
        """All samples that can be read, or their windows."""
        numbered = enumerate(self._items)
        for (number, item), get in ahead(
            numbered, lambda one: one[1].read(), lambda one: one[1].is_far
        ):
            raw = self._read(item.name, get)
            if raw is None:
                continue
            if self._medium is None:
                yield _Part(item.name, number, raw)
            else:
                cut = partial(cut_into_windows, raw, digest_of(raw), self._medium)
                for name, window in self._read(item.name, cut) or ():
                    yield _Part(f"{item.name}#{name}", number, window)

    def _begin(self, pool: ThreadPoolExecutor, coming: Iterator[_Part]) -> _Batch:
        """Take some parts, look for them in the cache, and begin to decode the others.

        The very first is decoded alone, for the reason given in `Tasks`.
        """
        parts = list(islice(coming, BATCH))
        samples = [Sample(one.name, digest_of(one.raw), None, "test", "") for one in parts]
        found, view = self._cache.open_present(self._key, samples)
        rows = () if view is None else view.to_numpy()
        cached = dict(zip(found.tolist(), rows, strict=True))
        decoding: dict[int, Future[Prepared]] = {}
        for place, part in enumerate(parts):
            if place not in cached:
                decoding[place] = pool.submit(self._prepare, part.raw)
                if not self._has_decoded:
                    wait(decoding.values())
                    self._has_decoded = True
        return _Batch(parts, cached, decoding)

    def _prepare(self, raw: Any) -> Prepared:
        return self._pixels.prepare(raw.cut() if isinstance(raw, Window) else raw)

    def _finish(self, batch: _Batch, gathering: Gathering | None) -> Iterator[Prediction]:
        decoded = {
            place: self._read(batch.parts[place].name, future.result)
            for place, future in batch.decoding.items()
        }
        prepared = {place: value for place, value in decoded.items() if value is not None}
        rows = dict(batch.cached)
        if prepared:
            (computed,) = self._run(stack(list(prepared.values())))
            rows.update(zip(prepared, computed, strict=True))
        if not rows:
            return
        places = sorted(rows)
        features = np.stack([rows[place] for place in places])
        numbers = np.array([batch.parts[place].number for place in places])
        if gathering is not None:
            yield from self._said(gathering.add(numbers, features))
        else:
            judged = self._judge.predict_proba(features)
            yield from self._said(zip(numbers.tolist(), judged, strict=True))

    def _said(self, judged: Iterable[tuple[int, np.ndarray]]) -> Iterator[Prediction]:
        """Predictions of samples by their numbers."""
        for number, row in judged:
            said, probability = self._task.decide(row, self._judge.classes)
            yield Prediction(self._items[number].name, said, probability, row)

    def _run(self, batch: Batch) -> list[np.ndarray]:
        if self._engine is None:
            chooser = chooser_of(self._context, self._backbone)
            self._engine = chooser.choose(
                "auto", self._cut.precision, [self._cut], lambda: batch, self.total
            ).engine
        return self._engine.run(batch)

    def _read(self, name: str, get: Callable[[], T]) -> T | None:
        """What `get` gives; None for a sample, or a window of one, that is skipped."""
        try:
            return get()
        except SampleError as error:
            if self._on_error == "skip":
                self.skipped.append(name)
                return None
            raise SampleUnreadable(
                f"{name}: {error.message}",
                hint=HINT if isinstance(error, SampleChanged) else error.hint or HINT,
            ) from error


def _items(
    context: Context, paths: Iterable[str | Path], root: str | Path | None, *, of_wholes: bool
) -> Iterator[_Item]:
    """Files as given; sources of datasets, such as folders and tables, and registered datasets,
    sample by sample; of those with windows the windows, or with `of_wholes` the whole samples."""
    for given in paths:
        place = sources.located(given)
        if sources.is_gone(place):
            yield from _of_dataset(context, str(given), root, of_wholes=of_wholes)
            continue
        is_far = sources.is_far(place)
        path = place if is_far else str(Path(given))
        kind = sources.find_kind(path)
        if kind is None:
            read = sources.Places(path, {}).read
            yield _Item(path, partial(read, path, hint=HINT), is_far)
            continue
        source = sources.open_source(kind, path, _rooted(kind, path, root))
        for row, location in enumerate(source.locations()):
            name = location if isinstance(location, str) else f"{path}[{row}]"
            is_one_far = is_far or sources.is_far(location)
            yield _Item(name, partial(source.read, location), is_one_far)


def _of_dataset(
    context: Context, name: str, root: str | Path | None, *, of_wholes: bool
) -> Iterator[_Item]:
    """The samples of a registered dataset by their ids, as they were last looked at.

    Raises:
        HeadError: there is none of that name; or a root is given, which it was not added with.
    """
    try:
        dataset = context.datasets.get(name)
    except NotFound:
        raise HeadError(f"no file, folder or dataset {name}", hint="Check the path.") from None
    if root is not None:
        raise HeadError(
            f"{name} is a registered dataset, whose root was chosen when it was added",
            hint="Leave --root out, or name the folder or table itself.",
        )
    read = sources.reader_of(dataset)
    manifest = context.manifest(dataset)
    for sample in (wholes_of(manifest) if of_wholes else manifest).samples:
        yield _Item(sample.id, partial(read, sample))


def _rooted(kind: str, path: str, root: str | Path | None) -> dict[str, Any]:
    """The options of a source that may read below the root alone.

    Raises:
        HeadError: it names files, and knows no root.
    """
    if root is None:
        return {}
    made = sources.SOURCES[kind]
    if kind != "arrays" and all(option.name != "root" for option in made.options):
        raise HeadError(
            f"{path} is {made.what}, which knows no root",
            hint="Leave --root out, if you trust what it names.",
        )
    return {"root": str(root)}
