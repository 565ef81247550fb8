"""The middle of a pass: samples are read ahead, prepared and run, on every core at once.

One worker a core takes a task (some samples) from end to end: it decodes, and runs the trunk in
its own thread. So nobody waits for anybody else's queue, and no two threads fight for a core. What
a worker would have to wait for, files and disks, was read before by threads that do just that.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from headstart.errors import SampleUnreadable, Stalled
from headstart.extractors.daemons import Daemons
from headstart.extractors.engines.buckets import Buckets
from headstart.extractors.engines.engine import Engine
from headstart.extractors.engines.selection import PROBE_SAMPLES
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.augmentation import Views
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.finished import Finished
from headstart.extractors.run.settings import Settings
from headstart.extractors.runtime import cores
from headstart.extractors.watchdog import Step, Watchdog
from headstart.storage.manifest import Sample

READING_THREADS = 2
"""They wait for the disk; the processor is the workers'."""
AHEAD = 2
"""Tasks that are read while the workers are busy with others."""
TASK_SECONDS = 0.2
"""So long a task should take: long against what it costs to hand it over, short against a run."""
TASK_BYTES = 64 << 20
LARGEST_TASK = 2048
"""Bytes of prepared samples, and samples, of a task, however fast they are computed: each worker
has some tasks in memory."""
FEWEST_TEXTS = 64
"""Of these, those of like length can go in together."""

T = TypeVar("T")
Read = Callable[[Sample], Any]


@dataclass
class Task:
    """What a worker made of some samples.

    Attributes:
        samples: those that could be read, in order.
        inputs: as they went into the trunk, in the first view.
        outputs: one array (samples, *feature shape) a cut of the first view, and so on.
        unreadable: the others, with the reason.
        error: why the trunk cannot run on these.
    """

    samples: list[Sample] = field(default_factory=list)
    inputs: Batch = field(default_factory=lambda: np.empty(0))
    outputs: list[np.ndarray] = field(default_factory=list)
    unreadable: list[tuple[Sample, SampleUnreadable]] = field(default_factory=list)
    error: Exception | None = None

    def in_views(self, count: int) -> list[list[np.ndarray]]:
        """The outputs of each of so many views."""
        size = len(self.outputs) // count
        return [self.outputs[size * number : size * (number + 1)] for number in range(count)]


class Worker:
    """Prepares samples and runs a trunk on them.

    Args:
        pipeline: the preprocessing.
        engine: takes what `pipeline.pixels` gives.
        settings: how to run.
        is_sequence: whether sequences may be cut short to the longest that go in together.
        watchdog: sees to it that no step takes for ever.
        others: the preprocessing in other views, in which the trunk runs, too.
        finished: told of each task that is done.
    """

    def __init__(
        self,
        pipeline: Preprocessing,
        engine: Engine,
        settings: Settings,
        is_sequence: bool,
        watchdog: Watchdog,
        others: Sequence[Preprocessing] = (),
        finished: Finished | None = None,
    ) -> None:
        self._watchdog = watchdog
        self._finished = finished or Finished()
        self._prepare = Views([pipeline, *others]).prepare
        self._engine = engine
        self._buckets = Buckets.of(pipeline, engine) if is_sequence else None
        least = max(engine.call_size, FEWEST_TEXTS if self._buckets else 1)
        self._size = _TaskSize(settings.batch_size, least)

    def run(self, samples: Iterable[Sample], read: Read) -> Tasks:
        """All samples, in tasks, in order."""
        return Tasks(
            samples,
            lambda task, step: self._read(task, read, step),
            self._work,
            self._size,
            self._watchdog,
        )

    def _read(self, samples: list[Sample], read: Read, step: Step) -> list[Any]:
        started = time.monotonic()
        contents = _read_all(samples, read, step)
        self._finished.saw(0, time.monotonic() - started)
        return contents

    def _work(self, samples: list[Sample], contents: list[Any], step: Step) -> Task:
        started = time.monotonic()
        task = Task()
        prepared = []
        for sample, content in zip(samples, contents, strict=True):
            step.begin("decoding", (sample,))
            try:
                if isinstance(content, SampleUnreadable):
                    raise content
                prepared.append(self._prepare(content))
                task.samples.append(sample)
            except SampleUnreadable as error:
                task.unreadable.append((sample, error))
        size = 0
        if prepared:
            step.begin(f"the engine {self._engine.name} on", task.samples)
            names = [repr(sample.id) for sample in task.samples]
            for number, view in enumerate(zip(*prepared, strict=True)):
                inputs = batches.stack(list(view), names)
                task.inputs = inputs if number == 0 else task.inputs
                size += sum(array.nbytes for array in batches.arrays(inputs))
                try:
                    task.outputs += self._run(inputs)
                except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
                    task.error, task.outputs = error, []
                    break
        took = time.monotonic() - started
        self._size.saw(len(samples), took, size)
        self._finished.saw(len(samples), took)
        return task

    def _run(self, inputs: Batch) -> list[np.ndarray]:
        if self._buckets is not None:
            return self._buckets.run(inputs)
        return self._engine.run(inputs)


class Tasks:
    """Tasks under way, a bounded number of them; an iterator over their results, in order."""

    def __init__(
        self,
        samples: Iterable[Sample],
        read: Callable[[list[Sample], Step], list[Any]],
        work: Callable[[list[Sample], list[Any], Step], Task],
        size: _TaskSize,
        watchdog: Watchdog,
    ) -> None:
        self._coming = iter(samples)
        self._read = read
        self._work = work
        self._size = size
        self._watchdog = watchdog
        self._is_stalled = False
        self._readers = Daemons(READING_THREADS)
        self._workers = Daemons(cores())
        self._waiting: deque[Future[Task]] = deque()

    def __iter__(self) -> Iterator[Task]:
        # The first task runs alone: what native libraries make at their first call (static tables,
        # plug-ins) they often make while they take the interpreter's lock, and two threads that
        # are there at once can wait for each other for ever.
        self._submit()
        for future in list(self._waiting):
            self._await_end(future)
        for _ in range(cores() + AHEAD - 1):
            self._submit()
        while self._waiting:
            self._await_end(self._waiting[0])
            task = self._waiting[0].result()
            self._waiting.popleft()
            self._submit()
            yield task

    def _await_end(self, future: Future[Task]) -> None:
        try:
            self._watchdog.await_end(future)
        except Stalled:
            self._is_stalled = True
            raise

    def stop(self) -> list[Task]:
        """End what is under way; gives the tasks that were finished and not taken yet.

        Threads that hang are left behind.
        """
        begun = [future for future in self._waiting if not future.cancel()]
        for future in begun:
            if not self._is_stalled:
                with suppress(Stalled):  # why it is stopped is said already
                    self._await_end(future)
        self._readers.shutdown(wait=not self._is_stalled, cancel_futures=True)
        self._workers.shutdown(wait=not self._is_stalled, cancel_futures=True)
        done = [future for future in begun if future.done()]
        return [future.result() for future in done if future.exception() is None]

    def _submit(self) -> None:
        samples = list(islice(self._coming, self._size.samples))
        if samples:
            contents = self._readers.submit(self._watched, lambda step: self._read(samples, step))
            self._waiting.append(
                self._workers.submit(
                    self._watched, lambda step: self._work(samples, contents.result(), step)
                )
            )

    def _watched(self, job: Callable[[Step], T]) -> T:
        with self._watchdog.watched() as step:
            return job(step)


class _TaskSize:
    """How many samples go into a task: as many as were done in a moment before.

    Args:
        fixed: what was asked for; it is not changed then.
        least: what the engine likes; tasks are a multiple of it.
    """

    def __init__(self, fixed: int | None, least: int) -> None:
        self._fixed = fixed
        self._least = least
        self.samples = fixed or least

    def saw(self, samples: int, seconds: float, size: int) -> None:
        """A task of samples took so many seconds, and so many bytes when they were prepared."""
        if self._fixed is None:
            most = min(TASK_BYTES / max(1.0, size / samples), LARGEST_TASK, 4 * self.samples)
            wanted = min(TASK_SECONDS * samples / max(seconds, 1e-6), most)
            self.samples = max(1, round(wanted / self._least)) * self._least


def probe(
    pipeline: Preprocessing,
    read: Read,
    samples: Sequence[Sample],
    watchdog: Watchdog,
    count: int = PROBE_SAMPLES,
) -> Batch | None:
    """Some samples as they go into an engine; None where none can be read.

    The first `count`, and of those what is alike in shape with the first.

    Raises:
        Stalled: one of them cannot be decoded in time.
    """
    return watchdog.run(lambda step: _probe(pipeline, read, samples[:count], step))


def _probe(
    pipeline: Preprocessing, read: Read, samples: Sequence[Sample], step: Step
) -> Batch | None:
    prepared: list[Any] = []
    for sample, content in zip(samples, _read_all(samples, read, step), strict=True):
        step.begin("decoding", (sample,))
        if not isinstance(content, SampleUnreadable):
            try:
                prepared.append(pipeline.pixels.prepare(content))
            except SampleUnreadable:
                continue  # it is met again, and told of, in its task
    alike = [p for p in prepared if batches.shapes(p) == batches.shapes(prepared[0])]
    return batches.stack(alike) if alike else None


def _read_all(samples: Sequence[Sample], read: Read, step: Step) -> list[Any]:
    """The samples' contents; the error in the place of one that cannot be read."""
    contents: list[Any] = []
    for sample in samples:
        step.begin("reading", (sample,))
        try:
            contents.append(read(sample))
        except SampleUnreadable as error:
            contents.append(error)
    return contents
